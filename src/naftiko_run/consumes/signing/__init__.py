"""Authentication schemes that look at the whole request, or talk to the server about it.

Each is a decorator of :class:`naftiko_run.types.Client`: it sends the very URL and body that it was
given, with credentials added. What cannot be computed raises
:class:`naftiko_run.errors.UnsupportedError`; nothing is ever sent unsigned in its place (the first
request of Digest is the one that the scheme itself sends without an answer). No message and no repr
holds a secret.
"""

from collections.abc import Callable, Mapping

from naftiko_run.consumes.signing.digest import Digest
from naftiko_run.consumes.signing.fields import Fields
from naftiko_run.consumes.signing.oauth2 import Grant, OAuth2ClientCredentials
from naftiko_run.consumes.signing.sigv4 import SigV4
from naftiko_run.consumes.signing.veracode import VeracodeHMAC
from naftiko_run.types import Client

__all__ = [
    "SCHEMES",
    "WHOLE_BODY",
    "Digest",
    "Grant",
    "OAuth2ClientCredentials",
    "SigV4",
    "VeracodeHMAC",
]


def _oauth1(inner: Client, values: Mapping[str, str]) -> Client:
    # RSA takes a large library to load, and few documents sign with it.
    from naftiko_run.consumes.signing.oauth1 import OAuth1  # noqa: PLC0415

    fields = Fields("oauth1", values)
    consumer_key, signing_key = fields.required("consumerKey", "signingKey")
    fields.only("signatureMethod", "RSA-SHA256")
    password = fields.get("signingKeyPassword")
    return OAuth1(inner, consumer_key.strip(), signing_key, key_password=password)


def _sigv4(inner: Client, values: Mapping[str, str]) -> Client:
    fields = Fields("aws-sig-v4", values)
    access_key, secret_key = fields.required("accessKeyId", "secretKey")
    optional = map(fields.token, ("sessionToken", "region", "service"))
    return SigV4(inner, access_key.strip(), secret_key.strip(), *optional)


def _hmac(inner: Client, values: Mapping[str, str]) -> Client:
    api_id, api_key = Fields("hmac", values).required("apiId", "apiKey")
    return VeracodeHMAC(inner, api_id.strip(), api_key.strip())


def _digest(inner: Client, values: Mapping[str, str]) -> Client:
    fields = Fields("digest", values)
    (username,) = fields.required("username")
    return Digest(inner, username, fields.get("password") or "")


def _oauth2(inner: Client, values: Mapping[str, str]) -> Client:
    fields = Fields("oauth2", values)
    client_id, client_secret = fields.required("clientId", "clientSecret")
    fields.only("grantType", "client_credentials")
    grant = Grant(
        client_id=client_id.strip(),
        client_secret=client_secret,
        token_endpoint=fields.token("tokenEndpoint"),
        issuer=fields.token("authorizationServerUri"),
        scopes=fields.token("scopes"),
        audience=fields.token("audience"),
        resource=fields.token("resource"),
        client_authentication=fields.token("clientAuthentication"),
    )
    return OAuth2ClientCredentials(inner, grant)


SCHEMES: Mapping[str, Callable[[Client, Mapping[str, str]], Client]] = {
    "aws-sig-v4": _sigv4,
    "digest": _digest,
    "hmac": _hmac,
    "oauth1": _oauth1,
    "oauth2": _oauth2,
}
"""The ``type`` of an authentication block, in lower case → what makes the client that serves it.

Values are resolved text; a list (``scopes``) is joined by spaces. Each raises ``UnsupportedError``
that names what is missing or what cannot be done.
"""

WHOLE_BODY = frozenset({"aws-sig-v4", "digest", "oauth1"})
"""The schemes that need a request's whole body: they sign it, or may have to send it again."""
