"""Reading a request: its headers, its body, and what the schema says to that."""

from collections.abc import Sequence

import anyio.to_thread
from starlette.types import Receive, Scope

from naftiko_run.sandbox.unkey import errors, gojson
from naftiko_run.sandbox.unkey.call import Operation
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.gosyntax import JsonError
from naftiko_run.sandbox.unkey.schema import Findings, check

_BODY_LIMIT = 10 * 1024 * 1024
_DRAIN_LIMIT = 8 * _BODY_LIMIT
_LARGE_BODY = 256 * 1024  # from here on, decoding is worth a thread
_MATCHES = "Ensure that the object being submitted, matches the schema correctly"
_PROBLEM_RANGES = frozenset({"*/*", "application/*", "application/problem+json"})


class Request:
    """The parts of a request that decide its answer."""

    def __init__(self, scope: Scope, path: str) -> None:
        self.path = path
        self._client: Sequence[str] | None = scope.get("client")
        self._headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            self._headers.setdefault(name.decode("latin-1"), value.decode("latin-1").strip())

    def header(self, name: str) -> str:
        """Give a header's value, or nothing where it is absent."""
        return self._headers.get(name, "")

    def accepts_problems(self) -> bool:
        """Tell whether the caller takes `application/problem+json`."""
        ranges = self.header("accept").split(",")
        return any(each.partition(";")[0].strip().lower() in _PROBLEM_RANGES for each in ranges)

    def address(self) -> str:
        """Give the caller's address: the first that a proxy names, or the peer's."""
        forwarded = self.header("x-forwarded-for").partition(",")[0].strip()
        return forwarded or (str(self._client[0]) if self._client else "")

    async def parse(self, operation: Operation, body: bytes) -> tuple[Findings, Json]:
        """Decode the body and check it against the operation's schema.

        Raises:
            ApiError: Something is missing or not as it must be.

        """
        path = self.path
        if not self.header("authorization"):
            raise errors.invalid(
                "Authorization header for 'bearer' scheme",
                "security",
                "Authorization header was not found",
                "Add an 'Authorization' header to this request",
            )
        self._check_media()
        if not body:
            raise errors.invalid(
                f"POST request body is empty for '{path}'",
                "requestBody",
                "The request body is empty but there is a schema defined",
                _MATCHES,
            )
        if len(body) > _LARGE_BODY:
            findings, value = await anyio.to_thread.run_sync(_decode, operation, path, body)
        else:
            findings, value = _decode(operation, path, body)
        if findings.violations:
            raise errors.violates_schema(path, findings.violations)
        return findings, value

    def _check_media(self) -> None:
        media = self.header("content-type").partition(";")[0].strip()
        if media.lower() != "application/json":
            raise errors.invalid(
                f"POST operation request content type '{media}' does not exist",
                "requestBody",
                f"The content type '{media}' of the POST request submitted has not been defined,"
                " it's an unknown type",
                "The content type is invalid, Use one of the 1 supported types for this operation:"
                " application/json",
            )


def _decode(operation: Operation, path: str, body: bytes) -> tuple[Findings, Json]:
    try:
        value = gojson.loads(body)
    except JsonError as fault:
        raise errors.invalid(
            errors.schema_detail(path),
            "requestBody",
            f"The request body cannot be decoded: {fault}",
            _MATCHES,
        ) from None
    return check(operation.body, value), value


async def read_body(receive: Receive) -> bytes:
    """Read a body; one over the limit counts as empty, as on the server."""
    chunks: list[bytes] = []
    size = 0
    while size <= _DRAIN_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > _BODY_LIMIT:
            chunks.clear()
        else:
            chunks.append(chunk)
        if not message.get("more_body", False):
            break
    return b"".join(chunks) if size <= _BODY_LIMIT else b""
