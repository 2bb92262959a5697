"""URIs of resources: ``data://ships/{imo}`` has the variable ``imo``, which is one segment's text.

No other expression of RFC 6570 is part of the language.
"""

import re

_VARIABLE = re.compile(r"\{([A-Za-z0-9_-]+)\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.")


class UriError(ValueError):
    """A text that is no URI with variables; the message follows the URI in a sentence."""


def parts(uri: str) -> tuple[list[str], list[str]]:
    """Take a URI apart: literals, and the variables between them (there is one less of them).

    Raises:
        UriError: it cannot be the URI of a resource.
    """
    literals, names = split(uri)
    if not _SCHEME.match(uri):
        raise UriError("has no scheme")
    if re.search(r"[\s{}\x00-\x1f]", "".join(literals)):
        raise UriError("has a space or a brace that is no variable")
    if len(set(names)) < len(names):
        raise UriError("has a variable twice")
    if not all(literals[1:-1]):
        raise UriError("has two variables with nothing between them")
    return literals, names


def split(text: str) -> tuple[list[str], list[str]]:
    """Take a part of a sound URI apart: literals, and the variables between them."""
    pieces = _VARIABLE.split(text)
    return pieces[::2], pieces[1::2]


def variables(uri: str) -> tuple[str, ...]:
    """Name the variables of a URI.

    Raises:
        UriError: it cannot be the URI of a resource.
    """
    return tuple(parts(uri)[1])
