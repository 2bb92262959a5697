"""Reads the text fields of an authentication block, in whatever spelling a spec uses."""

from collections.abc import Mapping

from naftiko_run.errors import UnsupportedError

# Published specs and habits of other tools; case, "-" and "_" never matter (access_key_id).
_ALIASES = {
    "accessKeyId": ("accessKey",),
    "authorizationServerUri": ("authorizationServer", "issuer"),
    "clientAuthentication": ("tokenEndpointAuthMethod", "clientAuthMethod"),
    "scopes": ("scope",),
    "secretKey": ("secretAccessKey",),
    "service": ("serviceName",),
    "sessionToken": ("securityToken",),
    "signingKey": ("privateKey",),
    "signingKeyPassword": ("keyPassword", "keystorePassword", "privateKeyPassword"),
    "tokenEndpoint": ("tokenUrl", "tokenUri", "accessTokenUrl"),
}


class Fields:
    """The resolved fields of one block; an empty one counts as absent. Never prints its values."""

    def __init__(self, scheme: str, values: Mapping[str, str]) -> None:
        self._scheme = scheme
        self._values = {_folded(name): value for name, value in values.items()}

    def get(self, name: str) -> str | None:
        """Return one field as it is, or ``None``."""
        for spelling in (name, *_ALIASES.get(name, ())):
            if value := self._values.get(_folded(spelling)):
                return value
        return None

    def token(self, name: str) -> str | None:
        """Return a field that never has spaces around it: copied keys often do."""
        return (self.get(name) or "").strip() or None

    def required(self, *names: str) -> list[str]:
        """Return several fields.

        Raises:
            UnsupportedError: some are absent; all of these are named.

        """
        found = {name: value for name in names if (value := self.get(name)) and value.strip()}
        missing = [name for name in names if name not in found]
        if missing:
            raise UnsupportedError(f"{self._scheme} authentication lacks {', '.join(missing)}")
        return list(found.values())

    def only(self, name: str, value: str) -> None:
        """Refuse a field that asks for another way than the one there is.

        Raises:
            UnsupportedError: the field is present and says something else.

        """
        given = self.token(name)
        if given is not None and _folded(given) != _folded(value):
            raise UnsupportedError(f"{self._scheme} authentication supports only {name} {value}")

    def __repr__(self) -> str:
        return f"Fields({self._scheme})"


def _folded(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()
