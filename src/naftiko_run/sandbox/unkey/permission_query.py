"""The query language of `permissions` in a verification.

    query      = and_query *( "OR" and_query )
    and_query  = operand *( "AND" operand )
    operand    = permission / "(" query ")"
    permission = 1*( letter / digit / "." / "_" / "-" / "*" / ":" / "/" )

AND and OR are read in any case. A permission is compared as it stands: nothing expands.
"""

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from naftiko_run.sandbox.unkey.errors import ApiError, bad_request

Check: TypeAlias = Callable[[AbstractSet[str]], bool]
"""Tells whether a set of permissions satisfies a query."""

_TOKEN = re.compile(r"[ \t\r\n]*(?:([A-Za-z0-9._\-*:/]+)|([()])|(.))", re.DOTALL)
_WANTED = "Expected a permission identifier or opening parenthesis."


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "permission", "and", "or", "(", ")", "invalid" or "end"
    text: str
    at: int


def compile_query(query: str) -> Check:
    """Turn a query into a check.

    Raises:
        ApiError: The query is malformed.

    """
    if not query.strip():
        raise _fault("Unexpected end of input. Please provide a valid permission query.")
    parser = _Parser(query)
    check = parser.either()
    if parser.token.kind != "end":
        parser.trailing()
    return check


class _Parser:
    def __init__(self, query: str) -> None:
        self._query = query
        self._at = 0
        self.token = self._read()

    def _read(self) -> _Token:
        found = _TOKEN.match(self._query, self._at)
        if found is None:
            return _Token("end", "", len(self._query))
        self._at = found.end()
        word, bracket, other = found.groups()
        if word is not None:
            operator = word.lower()
            kind = operator if operator in ("and", "or") else "permission"
            return _Token(kind, word, found.start(1))
        if bracket is not None:
            return _Token(bracket, bracket, found.start(2))
        at = found.start(3)
        text = f"invalid character '{other}' at position {at} in query"
        return _Token("invalid", text, at)

    def _take(self) -> _Token:
        taken, self.token = self.token, self._read()
        return taken

    def either(self) -> Check:
        check = self._both()
        while self.token.kind == "or":
            self._take()
            check = _either(check, self._both())
        return check

    def _both(self) -> Check:
        check = self._operand()
        while self.token.kind == "and":
            self._take()
            check = _both(check, self._operand())
        return check

    def _operand(self) -> Check:
        token = self._take()
        if token.kind == "permission":
            return lambda held: token.text in held
        if token.kind == "(":
            return self._group()
        if token.kind == "end":
            raise _fault(f"Unexpected end of query. {_WANTED}")
        raise _fault(f"Unexpected token '{token.text}' at position {token.at}. {_WANTED}")

    def _group(self) -> Check:
        if self.token.kind == ")":
            raise _fault(
                f"Empty parentheses found at position {self.token.at}. "
                "Parentheses must contain at least one permission or expression."
            )
        check = self.either()
        if self.token.kind not in (")", "end"):
            self.trailing()
        if self._take().kind != ")":
            raise _fault(
                f"Missing closing parenthesis ')' at position {len(self._query)}. "
                "Every opening parenthesis must have a matching closing parenthesis."
            )
        return check

    def trailing(self) -> NoReturn:
        raise _fault(
            f"Unexpected token '{self.token.text}' at position {self.token.at}. "
            "The query appears to have extra content after a valid expression."
        )


def _either(left: Check, right: Check) -> Check:
    return lambda held: left(held) or right(held)


def _both(left: Check, right: Check) -> Check:
    return lambda held: left(held) and right(held)


def _fault(detail: str) -> ApiError:
    return bad_request(detail, "user/bad_request/permissions_query_syntax_error")
