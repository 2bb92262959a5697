"""Clients that listen for changes: ``subscriptions/listen`` of the newest revision, as a stream.

Each stream begins by saying what is heard on it, brings the changes that its client asked for, and
ends with a result when the server stops. A client that goes away has ended it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sized
from typing import Any

from starlette.types import Receive, Send

from naftiko_run.exposes.load import Load
from naftiko_run.exposes.mcp_protocol import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    SUBSCRIPTION_ID,
    McpError,
)
from naftiko_run.exposes.overseer import disconnected
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.types import Json

MOST_STREAMS = 1024
"""How many clients of one adapter may listen at once; the next ones are refused."""

MOST_URIS = 1000
"""How many resources a client may listen for: each is an event when a document changes."""

MOST_EVENTS = 1024
"""How many changes wait for a client that does not read; then its stream ends."""

PING_SECONDS = 15.0
"""How long a stream is silent at most: what stands between might close it."""

_FIELDS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"connection", b"keep-alive"),
    (b"x-accel-buffering", b"no"),
]
_KINDS = {
    "prompts": ("promptsListChanged", "notifications/prompts/list_changed"),
    "resources": ("resourcesListChanged", "notifications/resources/list_changed"),
    "tools": ("toolsListChanged", "notifications/tools/list_changed"),
}
_PING = b": ping\r\n\r\n"


def check_uris(uris: Sized | None) -> None:
    """Check the resources that a client wants to hear of.

    Raises:
        McpError: they are more than :data:`MOST_URIS`.
    """
    if uris is not None and len(uris) > MOST_URIS:
        message = f"At most {MOST_URIS} resources can be listened for"
        raise McpError(INVALID_PARAMS, message)


class Stream:
    """What one client listens for, and what it has not read yet."""

    def __init__(self, request_id: Json, wanted: Mapping[str, Any]) -> None:
        """Listen for what is wanted."""
        self._meta: dict[str, Json] = {"_meta": {SUBSCRIPTION_ID: request_id}}
        self.request_id = request_id
        self.honoured: dict[str, Json] = {
            flag: True for flag, _ in _KINDS.values() if wanted.get(flag)
        }
        if wanted.get("resourceSubscriptions"):
            self.honoured["resourceSubscriptions"] = list(wanted["resourceSubscriptions"])
        self._uris = frozenset(wanted.get("resourceSubscriptions") or ())
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_EVENTS + 1)
        self._closed = False

    def begin(self) -> bytes:
        """The first event: what is heard on this stream."""
        params = {**self._meta, "notifications": self.honoured}
        return _notification("notifications/subscriptions/acknowledged", params)

    def end(self, info: Mapping[str, Json]) -> bytes:
        """The last event: the result of the request."""
        meta = self._meta["_meta"]
        assert isinstance(meta, dict)  # noqa: S101 - made so above
        result: Json = {"_meta": {**meta, **info}, "resultType": "complete"}
        return _event({"jsonrpc": "2.0", "id": self.request_id, "result": result})

    def tell(self, lists: Iterable[str], *, contents: bool) -> None:
        """Tell which lists changed; ``contents`` says that what is read may have as well."""
        for name in lists:
            flag, method = _KINDS[name]
            if flag in self.honoured:
                self._put(_notification(method, dict(self._meta)))
        if contents:
            for uri in sorted(self._uris):
                params: dict[str, Json] = {**self._meta, "uri": uri}
                self._put(_notification("notifications/resources/updated", params))

    def _put(self, event: bytes) -> None:
        if self._closed:
            return
        if self._waiting.qsize() >= MOST_EVENTS:
            # Its client does not read: it has to ask again, and to read the lists then.
            self.close()
        else:
            self._waiting.put_nowait(event)

    def close(self) -> None:
        """End the stream behind what is waiting."""
        if not self._closed:
            self._closed = True
            self._waiting.put_nowait(None)

    async def next(self) -> bytes | None:
        """Give the next event; None where there is none any more."""
        return await self._waiting.get()


class Listeners:
    """The streams of an adapter's clients."""

    def __init__(self, load: Load) -> None:
        """Begin with none; those that listen are no load."""
        self._load = load
        self._streams: set[Stream] = set()
        self._closed = False

    def tell(self, lists: Iterable[str], *, contents: bool = True) -> None:
        """Tell those who asked for it which lists changed, and that resources may have."""
        told = list(lists)
        for stream in list(self._streams):
            stream.tell(told, contents=contents)

    def close(self) -> None:
        """End every stream, and begin no further one."""
        self._closed = True
        for stream in list(self._streams):
            stream.close()

    async def serve(
        self,
        request_id: Json,
        wanted: Mapping[str, Any],
        info: Mapping[str, Json],
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request to listen, until its client goes away or the server stops.

        Raises:
            McpError: too much is wanted, or nobody can listen any more; nothing was sent then.
        """
        check_uris(wanted.get("resourceSubscriptions"))
        if self._closed:
            raise McpError(INTERNAL_ERROR, "this server is stopping")
        if len(self._streams) >= MOST_STREAMS:
            raise McpError(INTERNAL_ERROR, "Subscription limit reached")
        stream = Stream(request_id, wanted)
        self._streams.add(stream)
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _FIELDS})
            await _send(send, stream.begin())
            with self._load.aside():
                await _passed_on(stream, gone, send)
            if not gone.done():
                await send({"type": "http.response.body", "body": stream.end(info)})
        finally:
            self._streams.discard(stream)
            gone.cancel()


async def _passed_on(stream: Stream, gone: asyncio.Future[None], send: Send) -> None:
    """Send events until there are no more, or nobody to read them."""
    while True:
        coming = asyncio.ensure_future(stream.next())
        try:
            while not coming.done():
                either: set[asyncio.Future[Any]] = {coming, gone}
                await asyncio.wait(
                    either, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if gone.done():
                    return
                if not coming.done():
                    await _send(send, _PING)
        finally:
            coming.cancel()
        event = coming.result()
        if event is None:
            return
        await _send(send, event)


async def _send(send: Send, event: bytes) -> None:
    await send({"type": "http.response.body", "body": event, "more_body": True})


def _notification(method: str, params: dict[str, Json]) -> bytes:
    return _event({"jsonrpc": "2.0", "method": method, "params": params})


def _event(message: Json) -> bytes:
    return b"event: message\r\ndata: " + dumps(message) + b"\r\n\r\n"
