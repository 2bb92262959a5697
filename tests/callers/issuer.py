"""An authorization server on a loopback socket; another library than the runtime's signs for it."""

import base64
import hmac
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, unquote_plus

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tests.e2e.upstream import Received, Reply, Upstream, recording

RESOURCE = "https://ships.example/mcp"
CLIENT, SECRET = "ru:n", "s/e:c r+et"
ALL = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

_LENIENT = jws.JWSRegistry(algorithms=ALL, strict_check_header=False)

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
"""Takes long to make, so the tests share it."""


def json_reply(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


@dataclass
class Issuer:
    """Signs tokens, publishes its keys, and answers about tokens that are no JWT."""

    upstream: Upstream
    path: str = ""
    keys: list[Key] = field(default_factory=lambda: [RSA])
    published: list[Any] | None = None
    replies: dict[str, Reply | Callable[[Received], Reply]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    active: dict[str, dict[str, Any]] = field(default_factory=dict)
    clients: list[tuple[str, str]] = field(default_factory=list)
    """The client credentials that were shown."""

    @property
    def uri(self) -> str:
        return f"{self.upstream.url}{self.path}"

    @property
    def asked(self) -> list[str]:
        """The targets that were asked for, in order."""
        return [received.target for received in self.upstream.received]

    def renewed(self) -> "Issuer":
        """Give a server at the same place that nobody has asked yet."""
        issuer = Issuer(self.upstream, self.path)
        self.upstream.renewed(issuer.reply)
        return issuer

    def clause(self, **more: object) -> dict[str, Any]:
        """Give the clause that trusts this server."""
        return {
            "type": "oauth2",
            "authorizationServerUri": self.uri,
            "resource": RESOURCE,
            "scopes": ["ships:read", "ships:list"],
            **more,
        }

    def claims(self, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Give the claims of a good token; None leaves one out."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.uri,
            "aud": RESOURCE,
            "sub": "ada",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "scope": "ships:read ships:list other",
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self,
        *,
        key: Key | None = None,
        header: Mapping[str, Any] = {},
        algorithm: str = "RS256",
        **changed: Any,  # noqa: ANN401 - JSON
    ) -> str:
        """Sign a token; ``header`` and claims as changed."""
        key = key or self.keys[0]
        fields = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt", **header}
        protected = {name: value for name, value in fields.items() if value is not None}
        content = json.dumps(self.claims(**changed))
        with warnings.catch_warnings(action="ignore"):  # EdDSA has a newer name for each curve
            return jws.serialize_compact(protected, content, key, registry=_LENIENT)

    def reply(self, received: Received) -> Reply:
        """Answer like an authorization server, except where a reply was given."""
        target = received.target
        found = self.replies.get(target)
        if found is not None:
            return found(received) if callable(found) else found
        if target == f"{self.path}/.well-known/oauth-authorization-server":
            return json_reply(
                {
                    "issuer": self.uri,
                    "jwks_uri": f"{self.uri}/keys",
                    "authorization_endpoint": f"{self.uri}/authorize",
                    "token_endpoint": f"{self.uri}/token",
                    "introspection_endpoint": f"{self.uri}/introspect",
                    "response_types_supported": ["code"],
                    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                    **self.metadata,
                }
            )
        if target == f"{self.path}/keys":
            published = self.published
            if published is None:
                published = [key.as_dict(private=False) for key in self.keys]
            return json_reply({"keys": published})
        if target == f"{self.path}/introspect":
            return self._introspect(received)
        if target == f"{self.path}/token":
            form = parse_qs(received.body.decode())
            scope = form.get("scope", ["ships:read ships:list"])[0]
            token = self.token(aud=form["resource"][0], scope=scope)
            return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": 600})
        return json_reply({"error": "not_found"}, 404)

    def _introspect(self, received: Received) -> Reply:
        form = parse_qs(received.body.decode())
        (basic,) = received.header("authorization") or [""]
        if basic:
            pair = base64.b64decode(basic.removeprefix("Basic ")).decode().split(":")
            self.clients.append((unquote_plus(pair[0]), unquote_plus(pair[1])))
        else:
            self.clients.append((form["client_id"][0], form["client_secret"][0]))
        if self.clients[-1] != (CLIENT, SECRET):
            return json_reply({"error": "invalid_client"}, 401)
        return json_reply(self.active.get(form["token"][0], {"active": False}))


def forged(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes | None) -> str:
    """Make a token without the key of the server: with a secret, or with no signature."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    signed = b".".join(_base64url(part) for part in parts)
    signature = hmac.digest(secret, signed, "sha256") if secret is not None else b""
    return (signed + b"." + _base64url(signature)).decode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def elliptic(curve: str, kid: str) -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid})


def edwards(curve: Literal["Ed25519", "Ed448"], kid: str) -> OKPKey:
    return OKPKey.generate_key(curve, {"kid": kid})


@contextmanager
def issuing(path: str = "") -> Iterator[Issuer]:
    """Run an authorization server."""
    with recording() as upstream:
        issuer = Issuer(upstream, path)
        upstream.reply = issuer.reply
        yield issuer
