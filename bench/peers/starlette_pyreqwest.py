"""Starlette with pyreqwest (Rust's reqwest): the least code for it."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from pyreqwest.client import ClientBuilder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from work import AUTHORIZATION, GETS, SLOW, UPSTREAM, upstream_body

client = (
    ClientBuilder()
    .default_headers({"authorization": AUTHORIZATION})
    .max_connections(256)
    .timeout(timedelta(seconds=30))
    .build()
)


async def post(request: Request) -> JSONResponse:
    origin = SLOW if request.url.path == "/slow" else UPSTREAM
    body = upstream_body(await request.json())
    reply = await client.post(f"{origin}/items").body_json(body).build().send()
    return JSONResponse(await reply.json(), reply.status)


async def get(request: Request) -> JSONResponse:
    reply = await client.get(f"{UPSTREAM}{request.url.path}").build().send()
    return JSONResponse(await reply.json(), reply.status)


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
    await client.close()


app = Starlette(
    routes=[
        Route("/items", post, methods=["POST"]),
        Route("/slow", post, methods=["POST"]),
        *(Route(f"/{name}", get) for name in GETS),
    ],
    lifespan=lifespan,
)
