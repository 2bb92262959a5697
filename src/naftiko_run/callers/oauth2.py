"""Callers with access tokens: what a resource server does (RFC 6750, RFC 9728)."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.types import Scope

from naftiko_run.callers.authority import AuthorityError
from naftiko_run.callers.claims import MAX_TOKEN, Grant, Policy, TokenError
from naftiko_run.callers.verdicts import Verdicts, key_of
from naftiko_run.exposes.auth import (
    Authenticator,
    ProtectedResource,
    Refusal,
    SeveralFieldsError,
    Verdict,
    credentials,
    quoted,
)
from naftiko_run.exposes.problems import Problem
from naftiko_run.exposes.protected import metadata_address
from naftiko_run.types import Json

KEPT: Final = 300.0
"""Seconds for which a good token is not checked again: as long as keys are used."""

REFUSED: Final = 30.0
"""Seconds for which a token that the issuer refused is not asked about again."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


class Tokens(Protocol):
    """Checks tokens, at once or by asking somebody."""

    def check(self, token: str) -> Grant | Awaitable[Grant]:
        """Say what a token grants; raises ``TokenError`` or ``AuthorityError``, also awaited."""


class Resource(Struct, frozen=True, kw_only=True):
    """The protected resource as it is announced: its identifier and who gives tokens for it.

    ``token_endpoint`` is what OpenAPI says of where tokens are given, empty where that is unknown.
    """

    identifier: str
    realm: str
    token_endpoint: str = ""


def oauth2(
    resource: Resource, policy: Policy, tokens: Tokens, *, clock: Callable[[], float] = time.time
) -> Authenticator:
    """Ask for an access token of the policy's issuer, made for this resource."""
    gate = _Gate(resource, policy, tokens, clock)
    return Authenticator(
        gate.verdict,
        _security(resource, policy),
        scopes=policy.scopes,
        resource=_announced(resource, policy),
    )


class _Gate:
    """Gives verdicts on requests; those on tokens that were seen before cost a hash."""

    def __init__(
        self, resource: Resource, policy: Policy, tokens: Tokens, clock: Callable[[], float]
    ) -> None:
        self._policy = policy
        self._tokens = tokens
        self._clock = clock
        self._granted = Verdicts(clock=clock)
        self._refused = Verdicts(1024, clock=clock)
        parts = urlsplit(resource.identifier)
        place = metadata_address(
            resource.identifier, f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        )
        fields = [f'realm="{quoted(resource.realm)}"']
        fields += [f'resource_metadata="{quoted(place)}"'] if place else []
        self._fields = ", ".join(fields)
        self._scope = f', scope="{quoted(" ".join(policy.scopes))}"' if policy.scopes else ""
        self._missing = self._challenge(401, "an access token is needed")

    def verdict(self, scope: Scope) -> Verdict:
        """Judge a request by its Authorization field."""
        try:
            scheme, token = credentials(scope)
        except SeveralFieldsError as error:
            return self._challenge(400, str(error), "invalid_request")
        if scheme != "bearer" or not token:
            return self._missing
        if len(token) > MAX_TOKEN:
            return self._invalid(f"the token has more than {MAX_TOKEN} characters")
        if not _TOKEN.fullmatch(token):
            return self._invalid("the token has characters that no token has")
        key = key_of(token)
        known = self._granted.find(key) or self._refused.find(key)
        if known is not None:
            return known[0]
        try:
            checked = self._tokens.check(token)
        except TokenError as error:
            return self._invalid(str(error))
        except AuthorityError as error:
            return _unavailable(error)
        if isinstance(checked, Grant):
            return self._decided(key, checked)
        return self._later(key, checked)

    async def _later(self, key: bytes, pending: Awaitable[Grant]) -> Refusal | None:
        try:
            grant = await pending
        except TokenError as error:
            refusal = self._invalid(str(error))
            self._refused.keep(key, refusal, self._clock() + REFUSED)
            return refusal
        except AuthorityError as error:
            return _unavailable(error)
        return self._decided(key, grant)

    def _decided(self, key: bytes, grant: Grant) -> Refusal | None:
        verdict = None
        if self._policy.lacking(grant):
            detail = f"the token lacks a scope: {' '.join(self._policy.scopes)} are needed"
            verdict = self._challenge(403, detail, "insufficient_scope")
        self._granted.keep(key, verdict, min(grant.until, self._clock() + KEPT))
        return verdict

    def _invalid(self, detail: str) -> Refusal:
        return self._challenge(401, detail, "invalid_token")

    def _challenge(self, status: int, detail: str, error: str = "") -> Refusal:
        fields = f"Bearer {self._fields}{self._scope}"
        if error:
            fields += f', error="{error}", error_description="{quoted(detail)}"'
        return Refusal(Problem(status, detail), (("www-authenticate", fields),))


def _unavailable(error: AuthorityError) -> Refusal:
    return Refusal(Problem(503, str(error)), (("retry-after", "5"),))


def _announced(resource: Resource, policy: Policy) -> ProtectedResource:
    document: dict[str, Json] = {
        "resource": resource.identifier,
        "authorization_servers": [policy.issuer],
        "bearer_methods_supported": ["header"],
    }
    if policy.scopes:
        document["scopes_supported"] = list(policy.scopes)
    return ProtectedResource(urlsplit(resource.identifier).path.rstrip("/"), document)


def _security(resource: Resource, policy: Policy) -> dict[str, Json]:
    about = f"An access token of {policy.issuer} for {resource.identifier}."
    if not resource.token_endpoint:
        return {"type": "http", "scheme": "bearer", "description": about}
    scopes: dict[str, Json] = dict.fromkeys(policy.scopes, "")
    flow: dict[str, Json] = {"tokenUrl": resource.token_endpoint, "scopes": scopes}
    return {"type": "oauth2", "description": about, "flows": {"clientCredentials": flow}}
