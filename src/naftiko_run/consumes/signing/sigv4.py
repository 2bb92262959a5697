"""AWS Signature Version 4 in the Authorization field, with the body always signed.

Written here because the one well-kept implementation, ``botocore``, brings 30 MB of service
descriptions; the tests hold this one against AWS's own test suite and against ``botocore``.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import quote, unquote_to_bytes, urlsplit

from msgspec import Struct

from naftiko_run.consumes.signing.aws_hosts import scope_of
from naftiko_run.consumes.signing.message import Signer, fits_header, host_of, with_header
from naftiko_run.errors import UnsupportedError
from naftiko_run.types import Client, Discreet, Request, without

_ALGORITHM = "AWS4-HMAC-SHA256"
# Proxies and HTTP clients add, change or drop these on the way (botocore's list, and two more).
_UNSIGNED = {
    "authorization",
    "baggage",
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
}
# Object keys may hold any character, so S3 takes a path as it is, neither normalized nor encoded
# twice, and wants the hash of the body in a field of its own.
_S3 = {"s3", "s3-object-lambda", "s3-outposts", "s3express"}


class Keys(Discreet, Struct, frozen=True):
    """An AWS access key; the session token belongs to a temporary one."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return without(self, "access_key", "secret_key", "session_token")


class SigV4(Signer):
    """Signs each request for one region and service, told by the host where they are not given.

    Raises:
        UnsupportedError: a key cannot be sent. ``send`` raises it for an unknown region or service.

    """

    def __init__(
        self,
        inner: Client,
        access_key: str,
        secret_key: str,
        session_token: str | None = None,
        region: str | None = None,
        service: str | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(inner)
        sent = (access_key, session_token, region, service)
        if not all(fits_header(text) for text in sent if text):
            raise UnsupportedError("an AWS credential holds characters that no header can carry")
        self._keys = Keys(access_key, secret_key, session_token)
        self._region = region
        self._service = service
        self._clock = clock

    def sign(self, request: Request) -> Request:
        """Return the request with its AWS Authorization field and those that it covers."""
        host = urlsplit(request.url).hostname or ""
        told_service, told_region = scope_of(host)
        service, region = self._service or told_service, self._region or told_region
        unknown = [n for n, v in (("region", region), ("service", service)) if v is None]
        if region is None or service is None:
            raise UnsupportedError(
                f"aws-sig-v4 authentication lacks {' and '.join(unknown)},"
                f" and the host '{host}' does not tell"
            )
        return signed(request, self._keys, region, service, self._clock())


def signed(request: Request, keys: Keys, region: str, service: str, seconds: float) -> Request:
    """Return the request signed at a moment, given in seconds since 1970."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
    request = with_header(request, "X-Amz-Date", moment)
    if keys.session_token:
        request = with_header(request, "X-Amz-Security-Token", keys.session_token)
    if service in _S3:
        request = with_header(request, "X-Amz-Content-SHA256", _sha256(request.body or b""))

    canonical, names = canonical_request(request, service)
    parts = (moment[:8], region, service, "aws4_request")
    scope = "/".join(parts)
    message = f"{_ALGORITHM}\n{moment}\n{scope}\n{_sha256(canonical.encode())}"
    key = f"AWS4{keys.secret_key}".encode()
    for part in (*parts, message):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    value = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope},"
        f" SignedHeaders={names}, Signature={key.hex()}"
    )
    return with_header(request, "Authorization", value)


def canonical_request(request: Request, service: str) -> tuple[str, str]:
    """Return the canonical form that is signed, and the names of the header fields in it."""
    parts = urlsplit(request.url)
    fields: dict[str, list[str]] = {}
    for name, value in request.headers:
        if name.lower() not in _UNSIGNED:
            fields.setdefault(name.lower(), []).append(" ".join(value.split()))
    fields.setdefault("host", [host_of(request.url)])
    names = ";".join(sorted(fields))
    lines = (
        request.method.upper(),
        _object_path(parts.path) if service in _S3 else _normal_path(parts.path),
        _query(parts.query),
        *(f"{name}:{','.join(fields[name])}" for name in sorted(fields)),
        "",
        names,
        _sha256(request.body or b""),
    )
    return "\n".join(lines), names


def _normal_path(path: str) -> str:
    """Drop empty and dot segments, then encode what is already encoded once more."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    end = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{end}", safe="/")


def _object_path(path: str) -> str:
    return "/".join(map(_encoded, path.split("/"))) or "/"


def _query(query: str) -> str:
    # AWS reads "+" as a space, like every form decoder.
    pairs = (pair.partition("=") for pair in query.replace("+", "%20").split("&") if query)
    return "&".join(f"{n}={v}" for n, v in sorted((_encoded(n), _encoded(v)) for n, _, v in pairs))


def _encoded(text: str) -> str:
    """Encode text that may be encoded already: exactly the characters that AWS encodes."""
    return quote(unquote_to_bytes(text), safe="")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
