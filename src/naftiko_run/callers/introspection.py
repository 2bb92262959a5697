"""Access tokens that only their issuer understands: it is asked about each (RFC 7662)."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from msgspec import Struct

from naftiko_run.callers.authority import Authority, AuthorityError, read_object
from naftiko_run.callers.claims import Grant, Policy, TokenError, check_answer
from naftiko_run.types import Discreet, Request, without

KEPT: Final = 30.0
"""Seconds for which an answer is used: a token that is withdrawn is good for no longer."""

RETRY: Final = 5.0
"""Seconds after a failure to find the endpoint in which it is not looked for again."""

MAX_ASKED: Final = 64
"""How many questions may be under way: callers can send any number of tokens that are new."""


class Client(Discreet, Struct, frozen=True, kw_only=True):
    """As whom this runtime asks; ``endpoint`` is found by metadata where none is given."""

    client_id: str
    client_secret: str
    endpoint: str = ""

    def __repr__(self) -> str:
        return without(self, "client_secret")


class IntrospectedTokens:
    """Takes tokens that their issuer calls active."""

    def __init__(
        self,
        policy: Policy,
        authority: Authority,
        client: Client,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask nothing yet."""
        self._policy = policy
        self._authority = authority
        self._client = client
        self._clock = clock
        self._place: tuple[str, bool] | None = None
        self._finding: asyncio.Task[tuple[str, bool]] | None = None
        self._failure = ""
        self._failed = -float("inf")
        self._asking: dict[str, asyncio.Task[Grant]] = {}

    def check(self, token: str) -> Awaitable[Grant]:
        """Ask about a token, once for all who send it at the same time.

        Awaiting raises ``TokenError`` for one that is not taken, ``AuthorityError`` where the
        issuer cannot be asked.
        """
        asked = self._asking.get(token)
        if asked is None:
            if len(self._asking) >= MAX_ASKED:
                raise AuthorityError("too many tokens are being checked: try again")
            asked = self._asking[token] = asyncio.create_task(self._ask(token))
            asked.add_done_callback(lambda task: self._asked(token, task))
        return asyncio.shield(asked)

    def _asked(self, token: str, task: asyncio.Task[Grant]) -> None:
        del self._asking[token]
        if not task.cancelled():
            task.exception()  # whoever asked may have left: it is seen all the same

    async def _ask(self, token: str) -> Grant:
        url, in_body = await self._endpoint()
        reply = await self._authority.send(self._question(url, token, in_body=in_body))
        if reply.status in (401, 403):
            raise self._authority.failure("it does not accept this runtime's client credentials")
        answer = read_object(reply) if reply.status == 200 else None
        if answer is None or not isinstance(answer.get("active"), bool):
            raise self._authority.failure("it gives no usable answer about a token")
        return self._granted(answer)

    def _granted(self, answer: dict[str, Any]) -> Grant:
        if not answer["active"]:
            raise TokenError("the token is not active")
        now = self._clock()
        grant = check_answer(answer, self._policy, now)
        return Grant(min(grant.until, now + KEPT), grant.scopes)

    async def _endpoint(self) -> tuple[str, bool]:
        """Find where to ask, and whether the client's secret goes into the body there."""
        if self._client.endpoint:
            return self._client.endpoint, False
        if self._place is not None:
            return self._place
        if self._finding is None:
            if time.monotonic() - self._failed < RETRY:
                raise AuthorityError(self._failure)
            self._finding = asyncio.create_task(self._find())
            self._finding.add_done_callback(self._found)
        return await asyncio.shield(self._finding)

    def _found(self, task: asyncio.Task[tuple[str, bool]]) -> None:
        self._finding = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._place = task.result()
        elif isinstance(error, AuthorityError):
            self._failure, self._failed = str(error), time.monotonic()

    async def _find(self) -> tuple[str, bool]:
        metadata = await self._authority.metadata()
        if not metadata.introspection_endpoint:
            raise self._authority.failure("its metadata name no introspection endpoint")
        methods = metadata.introspection_methods or ("client_secret_basic",)
        in_body = "client_secret_basic" not in methods and "client_secret_post" in methods
        return metadata.introspection_endpoint, in_body

    def _question(self, url: str, token: str, *, in_body: bool) -> Request:
        form = {"token": token, "token_type_hint": "access_token"}
        headers = [
            ("Accept", "application/json"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ]
        name, secret = self._client.client_id, self._client.client_secret
        if in_body:
            form |= {"client_id": name, "client_secret": secret}
        else:
            # RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
            pair = f"{quote_plus(name)}:{quote_plus(secret)}"
            headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        return Request("POST", url, tuple(headers), urlencode(form).encode())
