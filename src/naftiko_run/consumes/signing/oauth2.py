"""OAuth 2 client credentials (RFC 6749 section 4.4), the token kept for as long as it is good.

Requests that need a token at the same time share one fetch. A token is replaced a little before it
expires, and when the server calls it invalid (RFC 6750 section 3.1): that request was not carried
out, so it is sent once more. Any other 401 is the upstream's answer; it only makes the next request
fetch a new token.
"""

import asyncio
import base64
import json
import math
import time
from collections.abc import Callable
from urllib.parse import quote_plus, urlencode, urlsplit

from msgspec import Struct

from naftiko_run.consumes.signing.challenge import challenges
from naftiko_run.consumes.signing.message import (
    Decorator,
    Send,
    fits_header,
    origin_of,
    with_header,
)
from naftiko_run.errors import UnreadableReply, UnsupportedError, UpstreamError
from naftiko_run.types import Client, Discreet, Json, Reply, Request, StreamedReply, Upload, without

_MARGIN = 60.0
"""Seconds before its end at which a token is no longer used; half its life if that is less."""

BASIC, POST = "client_secret_basic", "client_secret_post"
"""The two ways to show the client's secret (RFC 8414 names them so)."""

# Only these codes (RFC 6749 section 5.2, RFC 8707) enter a message: any other text of a token
# endpoint might repeat what it was sent.
_ERROR_CODES = {
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
}


class Grant(Discreet, Struct, frozen=True, kw_only=True):
    """What is asked for, of whom, and as whom.

    Without ``token_endpoint`` it is found through ``issuer`` (RFC 8414). ``client_authentication``
    is :data:`BASIC` or :data:`POST`; by default what the issuer announces, else the former.
    """

    client_id: str
    client_secret: str
    token_endpoint: str | None = None
    issuer: str | None = None
    scopes: str | None = None
    audience: str | None = None
    resource: str | None = None
    client_authentication: str | None = None

    def __repr__(self) -> str:
        return without(self, "client_secret")

    def parameters(self) -> dict[str, str]:
        """Return the fields of a token request that are no secret."""
        optional = {"scope": self.scopes, "audience": self.audience, "resource": self.resource}
        given = {name: value for name, value in optional.items() if value}
        return {"grant_type": "client_credentials", **given}


class _Token(Discreet, Struct, frozen=True):
    text: str
    good_until: float

    def __repr__(self) -> str:
        return without(self, "text")


class _Endpoint(Struct, frozen=True):
    url: str
    client_authentication: str


class OAuth2ClientCredentials(Decorator):
    """Sends each request with a bearer token, got for the client itself.

    Raises:
        UnsupportedError: neither a token endpoint nor an issuer is known, or one is no HTTP URL.
            ``send`` raises it when the token endpoint wants what cannot be done.

    """

    def __init__(
        self, inner: Client, grant: Grant, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(inner)
        if grant.client_authentication not in {None, BASIC, POST}:
            raise UnsupportedError(
                f"oauth2 authentication supports only clientAuthentication {BASIC} or {POST}"
            )
        server = grant.token_endpoint or grant.issuer
        if server is None or not _is_http(server):
            raise UnsupportedError(
                "oauth2 needs an http or https tokenEndpoint or authorizationServerUri"
            )
        self._grant = grant
        self._clock = clock
        self._endpoint: _Endpoint | None = None
        self._token: _Token | None = None
        self._fetching: asyncio.Task[_Token] | None = None

    async def send(self, request: Request) -> Reply:
        """Send a request with a token; once more with a new one if the first is called invalid."""
        return await self._converse(request, self._inner.send)

    async def stream(self, request: Request, upload: Upload | None = None) -> StreamedReply:
        """Do the same for a reply that is passed on; an upload is sent once, whatever comes."""
        if upload is None:
            return await self._streamed(lambda send: self._converse(request, send))
        token = await self._current()
        reply = await self._streams.stream(_bearing(request, token), upload)
        if reply.status == 401:
            self._drop(token)
        return reply

    async def _converse(self, request: Request, send: Send) -> Reply:
        token = await self._current()
        reply = await send(_bearing(request, token))
        if reply.status == 401:
            self._drop(token)
            if _calls_token_invalid(reply):
                reply = await send(_bearing(request, await self._current()))
        return reply

    def _drop(self, token: _Token) -> None:
        if self._token is token:  # another request may have replaced it meanwhile
            self._token = None

    async def aclose(self) -> None:
        """Close the client inside, giving up a fetch."""
        if self._fetching is not None:
            self._fetching.cancel()
        await super().aclose()

    async def _current(self) -> _Token:
        if self._token is not None and self._clock() < self._token.good_until:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        # A caller who goes away must not take the fetch from those who wait with him.
        return await asyncio.shield(self._fetching)

    def _fetched(self, task: asyncio.Task[_Token]) -> None:
        self._fetching = None
        if not task.cancelled() and task.exception() is None:
            self._token = task.result()

    async def _fetch(self) -> _Token:
        if self._endpoint is None:
            self._endpoint = await _endpoint(self._grant, self._inner)
        asked_at = self._clock()
        reply = await self._inner.send(_token_request(self._grant, self._endpoint))
        return _token(reply, self._endpoint.url, asked_at)


def _bearing(request: Request, token: _Token) -> Request:
    return with_header(request, "Authorization", f"Bearer {token.text}")


def _calls_token_invalid(reply: Reply) -> bool:
    return any(
        challenge.scheme == "bearer" and challenge.parameters.get("error") == "invalid_token"
        for challenge in challenges(reply)
    )


def _token_request(grant: Grant, endpoint: _Endpoint) -> Request:
    form = grant.parameters()
    headers = [
        ("Accept", "application/json"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    if endpoint.client_authentication == POST:
        form |= {"client_id": grant.client_id, "client_secret": grant.client_secret}
    else:
        # RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
        pair = f"{quote_plus(grant.client_id)}:{quote_plus(grant.client_secret)}"
        headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
    return Request("POST", endpoint.url, tuple(headers), urlencode(form).encode())


def _token(reply: Reply, url: str, asked_at: float) -> _Token:
    """Read a token endpoint's answer (RFC 6749 sections 5.1 and 5.2)."""
    where = f"the token endpoint {_shown(url)}"
    answer = _object(reply)
    if reply.status // 100 != 2:
        code = answer.get("error") if answer else None
        reason = f" ({code})" if isinstance(code, str) and code in _ERROR_CODES else ""
        raise UpstreamError(f"{where} answered {reply.status}{reason}")
    text = answer.get("access_token") if answer else None
    if not isinstance(text, str) or not text or not fits_header(text):
        raise UnreadableReply(f"{where} answered without a usable access_token")
    kind = (answer or {}).get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise UnsupportedError(f"{where} gives no bearer tokens")
    life = _seconds((answer or {}).get("expires_in"))
    return _Token(text, asked_at + life - min(_MARGIN, life / 2) if life < math.inf else math.inf)


def _seconds(value: Json) -> float:
    """Read ``expires_in``, which some servers write as text; unknown means until it is refused."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else math.inf
    except ValueError:
        return math.inf
    return seconds if math.isfinite(seconds) else math.inf


async def _endpoint(grant: Grant, client: Client) -> _Endpoint:
    """Return the token endpoint that is given, or the one that the issuer's metadata names."""
    if grant.token_endpoint:
        return _Endpoint(grant.token_endpoint, grant.client_authentication or BASIC)
    issuer = (grant.issuer or "").rstrip("/")
    for url in _metadata_urls(issuer):
        reply = await client.send(Request("GET", url, (("Accept", "application/json"),)))
        metadata = _object(reply) if reply.status == 200 else None
        if metadata is not None:
            return _announced(grant, issuer, metadata)
    raise UpstreamError(f"the authorization server {_shown(issuer)} publishes no metadata")


def _announced(grant: Grant, issuer: str, metadata: dict[str, Json]) -> _Endpoint:
    where = f"the metadata of the authorization server {_shown(issuer)}"
    # RFC 8414 section 3.3: metadata of another issuer must not be used.
    if str(metadata.get("issuer")).rstrip("/") != issuer:
        raise UpstreamError(f"{where} do not name it as their issuer")
    url = metadata.get("token_endpoint")
    if not isinstance(url, str) or not _is_http(url):
        raise UpstreamError(f"{where} name no token endpoint")
    if issuer.startswith("https:") and not url.startswith("https:"):
        raise UpstreamError(f"{where} name a token endpoint without TLS")
    announced = metadata.get("token_endpoint_auth_methods_supported")
    ways = announced if isinstance(announced, list) else [BASIC]
    chosen = grant.client_authentication or next((w for w in (BASIC, POST) if w in ways), None)
    if chosen is None:
        raise UnsupportedError(f"{where} allow neither {BASIC} nor {POST}")
    return _Endpoint(url, chosen)


def _metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where metadata may be: RFC 8414 section 3.1, OpenID Connect Discovery, and the old habit."""
    path = urlsplit(issuer).path
    own = f"{origin_of(issuer)}/.well-known/oauth-authorization-server{path}"
    old = f"{issuer}/.well-known/oauth-authorization-server"
    urls = (own, f"{issuer}/.well-known/openid-configuration", old)
    return tuple(dict.fromkeys(urls))


def _object(reply: Reply) -> dict[str, Json] | None:
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # no host or port that could be one
        return False
    return usable and parts.scheme in {"http", "https"} and fits_header(url) and " " not in url


def _shown(url: str) -> str:
    """Return a URL without user and query, which may hold secrets."""
    return f"{origin_of(url)}{urlsplit(url).path}"
