"""FastAPI with httpx, as its tutorial teaches it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import BaseModel
from work import AUTHORIZATION, GETS, UPSTREAM, upstream_body

limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
client = httpx.AsyncClient(headers={"authorization": AUTHORIZATION}, limits=limits, timeout=30)


class Item(BaseModel):
    name: str
    externalId: str  # noqa: N815 - the name on the wire
    limit: int


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with client:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/items")
async def post(item: Item) -> Any:  # noqa: ANN401 - any JSON
    reply = await client.post(f"{UPSTREAM}/items", json=upstream_body(item.model_dump()))
    return reply.json()


@app.get("/{name}")
async def get(name: str) -> Any:  # noqa: ANN401 - any JSON
    assert name in GETS  # noqa: S101 - the bench asks for nothing else
    return (await client.get(f"{UPSTREAM}/{name}")).json()
