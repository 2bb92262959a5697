"""Reads ``authentication``: of a consumed API and of an adapter."""

from naftiko_run.spec.document import Authentication
from naftiko_run.spec.node import Node

_SCHEMES = {
    **dict.fromkeys(("api-key", "api_key", "api key"), "apikey"),
    **dict.fromkeys(("bearer-token", "bearer_token"), "bearer"),
    **dict.fromkeys(("basic-auth", "basic_auth"), "basic"),
}
"""Other spellings of a scheme."""


def read_authentication(node: Node) -> Authentication | None:
    """Read how those who call prove who they are; None asks for nothing.

    What is written but cannot be read is a clause of no scheme: whoever meant something by it does
    not want to do without.
    """
    key = "authentication" if node.data.get("authentication") is not None else "auth"
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


def _scheme(text: str | None) -> str:
    name = (text or "").strip().lower()
    return _SCHEMES.get(name, name)
