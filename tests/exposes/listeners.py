"""A request to a listener in this process, without a body."""

from typing import Any

from naftiko_run.exposes.listener import ListenerApp


async def status(app: ListenerApp, method: str, path: str) -> int:
    """Give the status of the answer."""
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
    return int(sent[0]["status"])
