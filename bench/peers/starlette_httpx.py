"""Starlette with httpx, as people write it."""

import contextlib
from collections.abc import AsyncIterator

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from work import AUTHORIZATION, GETS, SLOW, UPSTREAM, upstream_body

limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
client = httpx.AsyncClient(headers={"authorization": AUTHORIZATION}, limits=limits, timeout=30)


async def post(request: Request) -> JSONResponse:
    origin = SLOW if request.url.path == "/slow" else UPSTREAM
    reply = await client.post(f"{origin}/items", json=upstream_body(await request.json()))
    return JSONResponse(reply.json(), reply.status_code)


async def get(request: Request) -> JSONResponse:
    reply = await client.get(f"{UPSTREAM}{request.url.path}")
    return JSONResponse(reply.json(), reply.status_code)


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    async with client:
        yield


app = Starlette(
    routes=[
        Route("/items", post, methods=["POST"]),
        Route("/slow", post, methods=["POST"]),
        *(Route(f"/{name}", get) for name in GETS),
    ],
    lifespan=lifespan,
)
