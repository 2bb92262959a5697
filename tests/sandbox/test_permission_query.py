import pytest

from naftiko_run.sandbox.unkey.errors import ApiError
from naftiko_run.sandbox.unkey.permission_query import compile_query


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("a", True),
        ("c", False),
        ("a AND b", True),
        ("a and c", False),
        ("c OR a", True),
        ("a OR c AND d", True),
        ("(a OR c) AND d", False),
        ("((a))", True),
        ("a.*", False),
        ("x:y/z-1_*", True),
        ("\ta\nAnD(b) ", True),
    ],
)
def test_a_query_is_decided_by_exact_permissions(query: str, allowed: bool) -> None:
    assert compile_query(query)({"a", "b", "x:y/z-1_*"}) is allowed


EXTRA = "The query appears to have extra content after a valid expression."
ODD = "invalid character '{char}' at position {at} in query"
WANTED = "Expected a permission identifier or opening parenthesis."


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        (" ", "Unexpected end of input. Please provide a valid permission query."),
        ("a and", f"Unexpected end of query. {WANTED}"),
        (
            "()",
            (
                "Empty parentheses found at position 1."
                " Parentheses must contain at least one permission or expression."
            ),
        ),
        (
            "(documents.read",
            (
                "Missing closing parenthesis ')' at position 15."
                " Every opening parenthesis must have a matching closing parenthesis."
            ),
        ),
        ("a b", f"Unexpected token 'b' at position 2. {EXTRA}"),
        ("a ~", f"Unexpected token '{ODD.format(char='~', at=2)}' at position 2. {EXTRA}"),
        ("a)", f"Unexpected token ')' at position 1. {EXTRA}"),
        ("NOT a", f"Unexpected token 'a' at position 4. {EXTRA}"),
        ("a AND b$", f"Unexpected token '{ODD.format(char='$', at=7)}' at position 7. {EXTRA}"),
        ("AND a", f"Unexpected token 'AND' at position 0. {WANTED}"),
        ("a OR )", f"Unexpected token ')' at position 5. {WANTED}"),
    ],
)
def test_a_malformed_query_is_refused(query: str, detail: str) -> None:
    with pytest.raises(ApiError) as raised:
        compile_query(query)
    assert raised.value.detail == detail
    assert raised.value.kind == "user/bad_request/permissions_query_syntax_error"


def test_a_query_may_nest_as_deep_as_its_length_allows() -> None:
    assert compile_query("(" * 499 + "a" + ")" * 499)({"a"})
