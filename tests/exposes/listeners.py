"""A request to a listener in this process, without a body."""

from typing import Any

from naftiko_run.exposes.listener import ListenerApp


async def status(app: ListenerApp, method: str, path: str) -> int:
    """Give the status of the answer."""
    return int((await _sent(app, method, path))[0]["status"])


async def answer(app: ListenerApp, method: str, path: str) -> bytes:
    """Give the body of the answer."""
    return b"".join(message.get("body", b"") for message in await _sent(app, method, path))


async def _sent(app: ListenerApp, method: str, path: str) -> list[Any]:
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
        sent.append(message)

    await app(scope, receive, send)
    return sent
