"""Reads ``authentication``: of a consumed API and of an adapter."""

from naftiko_run.findings import did_you_mean
from naftiko_run.spec.document import Authentication
from naftiko_run.spec.node import Node

_SCHEMES = {
    **dict.fromkeys(("api-key", "api_key", "api key"), "apikey"),
    **dict.fromkeys(("bearer-token", "bearer_token"), "bearer"),
    **dict.fromkeys(("basic-auth", "basic_auth"), "basic"),
}
"""Other spellings of a scheme."""
_KEY = ("authentication",)


def read_authentication(node: Node) -> Authentication | None:
    """Read how those who call prove who they are; None asks for nothing.

    What is written but cannot be read is a clause of no scheme: whoever meant something by it does
    not want to do without. For the same reason a misspelt key, which the schema warns of, is read.
    """
    key = _key(node)
    written = node.data.get(key)
    if written is None:
        return None
    where = node.where.at(key)
    if isinstance(written, list) and len(written) == 1:
        written, where = written[0], where.at(0)
    if not isinstance(written, dict):
        node.mapping(key)  # says what is wrong
        return Authentication(where=where, type="", fields={})
    block = Node(written, where, node.report)
    scheme = _scheme(block.text("type"))
    if scheme == "http":  # as OpenAPI says it
        scheme = _scheme(block.text("scheme"))
    if scheme == "none":
        return None
    return Authentication(
        where=where,
        type=scheme,
        fields={k: v for k, v in written.items() if k != "type" and v is not None},
    )


def _key(node: Node) -> str:
    for key in ("authentication", "auth"):
        if node.data.get(key) is not None:
            return key
    for key, value in node.data.items():
        # The cutoff is below what 'authorization' has.
        near = key[:3].lower() == "aut" and did_you_mean(key.lower(), _KEY, cutoff=0.72)
        if near and value is not None:
            return key
    return "authentication"


def _scheme(text: str | None) -> str:
    name = (text or "").strip().lower()
    return _SCHEMES.get(name, name)
