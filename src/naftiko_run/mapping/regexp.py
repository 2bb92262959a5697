"""Regular expressions of JSONPath tests, matched in time linear in the text."""

from collections.abc import Callable

from naftiko_run.mapping.jsonpath_syntax import JsonPathError, Pattern


def compile_pattern(pattern: Pattern) -> Callable[[str], bool]:
    """Compile the pattern of ``=~``; it must match the whole text.

    Raises:
        JsonPathError: it is malformed.

    """
    raise JsonPathError("'=~' is not supported", pattern.position)
