"""The query language of `permissions` in a verification.

    query      = and_query *( "OR" and_query )
    and_query  = operand *( "AND" operand )
    operand    = permission / "(" query ")"
    permission = 1*( letter / digit / "." / "_" / "-" / "*" / ":" / "/" )

AND and OR are read in any case. A permission is compared as it stands: nothing expands.
"""

import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

from naftiko_run.sandbox.unkey.errors import ApiError, bad_request

Check: TypeAlias = Callable[[AbstractSet[str]], bool]
"""Tells whether a set of permissions satisfies a query."""

_TOKEN = re.compile(r"[ \t\r\n]*(?:([A-Za-z0-9._\-*:/]+)|([()])|([^ \t\r\n]))")
_RANKS = {"or": 1, "and": 2}
_WANTED = "Expected a permission identifier or opening parenthesis."


class _Token(Struct, frozen=True):
    kind: str  # "permission", "and", "or", "(", ")", "invalid" or "end"
    text: str
    at: int


@lru_cache(maxsize=256)
def compile_query(query: str) -> Check:
    """Turn a query into a check.

    Raises:
        ApiError: The query is malformed.

    """
    if not query.strip():
        raise _fault("Unexpected end of input. Please provide a valid permission query.")
    program = _in_postfix(query)

    def check(held: AbstractSet[str]) -> bool:
        values: list[bool] = []
        for token in program:
            if token.kind == "permission":
                values.append(token.text in held)
            else:
                right, left = values.pop(), values.pop()
                values.append((left and right) if token.kind == "and" else (left or right))
        return values[0]

    return check


def _in_postfix(query: str) -> list[_Token]:
    """Put operators behind their operands. A stack and no recursion: parentheses nest deep."""
    program: list[_Token] = []
    waiting: list[_Token] = []
    opened = 0
    wants_operand = True
    for token in _tokens(query):
        if wants_operand:
            if token.kind == "permission":
                program.append(token)
                wants_operand = False
            elif token.kind == "(":
                waiting.append(token)
                opened += 1
            else:
                raise _no_operand(token, after=waiting[-1] if waiting else None)
        elif token.kind in _RANKS:
            while waiting and _RANKS.get(waiting[-1].kind, 0) >= _RANKS[token.kind]:
                program.append(waiting.pop())
            waiting.append(token)
            wants_operand = True
        elif token.kind == ")" and opened:
            opened -= 1
            while waiting[-1].kind != "(":
                program.append(waiting.pop())
            waiting.pop()
        elif token.kind != "end":
            raise _fault(
                f"Unexpected token '{token.text}' at position {token.at}. "
                "The query appears to have extra content after a valid expression."
            )
        elif opened:
            raise _fault(
                f"Missing closing parenthesis ')' at position {token.at}. "
                "Every opening parenthesis must have a matching closing parenthesis."
            )
    return [*program, *reversed(waiting)]


def _tokens(query: str) -> Iterator[_Token]:
    at = 0
    while found := _TOKEN.match(query, at):
        at = found.end()
        word, bracket, other = found.groups()
        if word is not None:
            kind = word.lower() if word.lower() in _RANKS else "permission"
            yield _Token(kind, word, found.start(1))
        elif bracket is not None:
            yield _Token(bracket, bracket, found.start(2))
        else:
            place = found.start(3)
            text = f"invalid character '{other}' at position {place} in query"
            yield _Token("invalid", text, place)
    yield _Token("end", "", len(query))


def _no_operand(token: _Token, after: _Token | None) -> ApiError:
    if token.kind == ")" and after is not None and after.kind == "(":
        return _fault(
            f"Empty parentheses found at position {token.at}. "
            "Parentheses must contain at least one permission or expression."
        )
    if token.kind == "end":
        return _fault(f"Unexpected end of query. {_WANTED}")
    return _fault(f"Unexpected token '{token.text}' at position {token.at}. {_WANTED}")


def _fault(detail: str) -> ApiError:
    return bad_request(detail, "user/bad_request/permissions_query_syntax_error")
