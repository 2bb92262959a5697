"""What an adapter's ``authentication`` asks of its callers."""

from collections.abc import Callable
from urllib.parse import urlsplit

from msgspec import Struct, field

from naftiko_run.callers.authority import Authority, is_http
from naftiko_run.callers.claims import Policy
from naftiko_run.callers.digest import digest
from naftiko_run.callers.introspection import Client as IntrospectionClient
from naftiko_run.callers.introspection import IntrospectedTokens
from naftiko_run.callers.nonces import Nonces
from naftiko_run.callers.oauth2 import Resource, Tokens, oauth2
from naftiko_run.exposes.auth import Authenticator, apikey, basic, bearer
from naftiko_run.exposes.guard import is_loopback
from naftiko_run.findings import Finding
from naftiko_run.flows.arguments import apikey_of
from naftiko_run.mapping.scope import Scope
from naftiko_run.spec.document import Adapter, Authentication
from naftiko_run.types import Client, Discreet, without


class Means(Discreet, Struct, frozen=True):
    """What schemes work with: the upstream client, and nonces that all plans of a process share."""

    client: Client
    nonces: Nonces

    def __repr__(self) -> str:
        return without(self, "nonces")


def authenticator_of(
    adapter: Adapter, scope: Scope, means: Means
) -> Authenticator | Finding | None:
    """Compile an adapter's authentication; None asks for nothing.

    The finding says that the scheme cannot be served: then nothing of the adapter is, as serving
    it open is what nobody asked for.
    """
    clause = adapter.authentication
    if clause is None:
        return None
    make = _SCHEMES.get(clause.type)
    if make is None:
        return clause.where.error(
            "E-AUTH-EXPOSED",
            f"callers cannot be authenticated by {clause.type or 'nothing'!r}:"
            f" {adapter.namespace!r} is not served",
            f"use one of {', '.join(sorted(_SCHEMES))}",
        )
    fields = _Fields(clause, scope.using(f"authentication of {adapter.namespace!r}"), adapter)
    made = make(fields, means)
    unset = tuple(fields.scope.unset)
    return made.waiting_for(unset) if unset and isinstance(made, Authenticator) else made


def credential_field(adapter: Adapter) -> str:
    """Name the header field, in lower case, that callers authenticate with; empty for none."""
    clause = adapter.authentication
    if clause is None:
        return ""
    if clause.type != "apikey":
        return "authorization"
    name, place = apikey_of(clause)
    return "" if place == "query" else name.lower()


class _Fields(Discreet, Struct):
    """Reads a clause's fields, each once; texts are resolved against the variables."""

    clause: Authentication
    scope: Scope
    adapter: Adapter
    _texts: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return without(self, "_texts")

    @property
    def realm(self) -> str:
        return self.adapter.namespace

    def text(self, name: str) -> str:
        value = self.clause.fields.get(name)
        if value is None:
            return ""
        if name not in self._texts:
            where = self.clause.where.at(name)
            self._texts[name] = self.scope.constant_text(str(value), where)
        return self._texts[name]

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts, the names of a map, or one text of several words."""
        value = self.clause.fields.get(name)
        one = [] if value is None else [value]
        entries = list(value) if isinstance(value, list | dict) else one
        where = self.clause.where.at(name)
        found = [self.scope.constant_text(str(entry), where) for entry in entries]
        return tuple(dict.fromkeys(word for text in found for word in text.split()))

    def warn_of_plain(self, *names: str) -> None:
        """Say which addresses that variables give have no TLS; of others the rules say it."""
        for name in names:
            given = "{{" in str(self.clause.fields.get(name, ""))
            address = self.text(name)
            if given and is_http(address) and _is_plain(address):
                self.scope.report(
                    self.clause.where.at(name).warning(
                        "W-OAUTH-HTTP", f"{name!r} is not an https address", "give https://"
                    )
                )

    def lacking(self, *names: str) -> Finding | None:
        """Say which of these fields the clause does not have."""
        absent = [repr(name) for name in names if not self.clause.fields.get(name)]
        return self.incomplete(f"without {' and '.join(absent)}", "add it") if absent else None

    def incomplete(self, what: str, fix: str, *place: str) -> Finding:
        """Say why nobody could be authenticated by this clause."""
        return self.clause.where.at(*place).error(
            "E-AUTH-EXPOSED",
            f"callers cannot be authenticated by {self.clause.type!r} {what}:"
            f" {self.adapter.namespace!r} is not served",
            fix,
        )


def _is_plain(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def _bearer(fields: _Fields, _: Means) -> Authenticator:
    return bearer(fields.text("token") or fields.text("value"), fields.realm)


def _basic(fields: _Fields, _: Means) -> Authenticator:
    return basic(fields.text("username"), fields.text("password"), fields.realm)


def _digest(fields: _Fields, means: Means) -> Authenticator | Finding:
    lacking = fields.lacking("username", "password")
    if lacking:
        return lacking
    return digest(fields.text("username"), fields.text("password"), fields.realm, means.nonces)


def _oauth2(fields: _Fields, means: Means) -> Authenticator | Finding:
    """Compile the clause of a resource server (section 1.8 of the language)."""
    lacking = fields.lacking("authorizationServerUri", "resource")
    if lacking:
        return lacking
    fields.warn_of_plain("authorizationServerUri", "jwksUri", "introspectionEndpoint", "resource")
    issuer, identifier = fields.text("authorizationServerUri"), fields.text("resource")
    audience = fields.text("audience")
    policy = Policy(
        issuer=issuer,
        audiences=(identifier, audience) if audience else (identifier,),
        scopes=fields.texts("scopes"),
    )
    resource = Resource(
        identifier=identifier, realm=fields.realm, token_endpoint=fields.text("tokenEndpoint")
    )
    tokens = _tokens(fields, policy, Authority(issuer, means.client))
    wrong = _wrong(fields, resource, policy.scopes)
    if isinstance(tokens, Finding):
        return tokens
    return wrong or oauth2(resource, policy, tokens)


def _tokens(fields: _Fields, policy: Policy, authority: Authority) -> Tokens | Finding:
    way = fields.text("tokenValidation").lower() or "jwks"
    if way == "introspection":
        lacking = fields.lacking("clientId", "clientSecret")
        if lacking:
            return lacking
        client = IntrospectionClient(
            client_id=fields.text("clientId"),
            client_secret=fields.text("clientSecret"),
            endpoint=fields.text("introspectionEndpoint"),
        )
        return IntrospectedTokens(policy, authority, client)
    if way != "jwks":
        return fields.incomplete(
            f"with tokenValidation {way!r}", "use jwks or introspection", "tokenValidation"
        )
    # What verifies signatures takes a while to load, and few adapters ask for tokens.
    from naftiko_run.callers.keyring import Keyring  # noqa: PLC0415
    from naftiko_run.callers.signed import SignedTokens  # noqa: PLC0415

    return SignedTokens(policy, Keyring(authority, fields.text("jwksUri")))


def _wrong(fields: _Fields, resource: Resource, scopes: tuple[str, ...]) -> Finding | None:
    """Say which value cannot be one; those whose variable is not set are nothing yet."""
    if fields.scope.unset:
        return None
    for name in ("authorizationServerUri", "jwksUri", "introspectionEndpoint"):
        address = fields.text(name)
        # The issuer has no query (RFC 8414 section 2), and it alone is needed.
        own = name == "authorizationServerUri"
        if (own and "?" in address) or ((own or address) and not is_http(address)):
            what = f"with a {name!r} that is no http or https address"
            return fields.incomplete(what, "write https://…", name)
    if fields.clause.fields.get("scopes") and not scopes:
        # Asking for none is not what was meant.
        return fields.incomplete("with 'scopes' that name none", "name them", "scopes")
    try:
        parts = urlsplit(resource.identifier)
    except ValueError:
        parts = urlsplit("")
    web = parts.scheme in ("http", "https")
    plain = resource.identifier.isascii() and resource.identifier.isprintable()
    usable = is_http(resource.identifier) if web else plain and "#" not in resource.identifier
    if not (parts.scheme and usable):
        what = "with a 'resource' that is no absolute URI without fragment"
        return fields.incomplete(what, "write the address at which callers find it", "resource")
    return None


def _apikey(fields: _Fields, _: Means) -> Authenticator:
    name, place = apikey_of(fields.clause)
    return apikey(name, fields.text("value"), place, fields.realm)


_SCHEMES: dict[str, Callable[[_Fields, Means], Authenticator | Finding]] = {
    "apikey": _apikey,
    "basic": _basic,
    "bearer": _bearer,
    "digest": _digest,
    "oauth2": _oauth2,
}
