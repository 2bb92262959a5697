"""What each error means to a caller: one table for every face."""

import logging

import pytest

from naftiko_run.errors import (
    FieldProblem,
    InputError,
    NaftikoError,
    UnreadableReply,
    UnsupportedError,
    UpstreamError,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamUnreachable,
    VariableError,
)
from naftiko_run.exposes.problems import Problem, problem_of, unservable
from naftiko_run.findings import Finding, Severity
from naftiko_run.mapping.json_codec import loads

ERRORS: list[tuple[NaftikoError, int]] = [
    (InputError([FieldProblem("name", "is required")]), 400),
    (VariableError(["KEY"], "authentication of 'shop'"), 503),
    (UnsupportedError("no such signature"), 501),
    (UpstreamUnreachable("cannot reach it"), 502),
    (UpstreamReset("it broke"), 502),
    (UnreadableReply("not JSON"), 502),
    (UpstreamTimeout("too slow"), 504),
]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda each: type(each).__name__)
def test_each_error_has_its_status_and_keeps_its_text(error: NaftikoError, status: int) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.detail) == (status, str(error))
    document = loads(problem.dumps())
    assert isinstance(document, dict)
    assert (document["type"], document["status"]) == ("about:blank", status)


def test_every_kind_of_error_that_a_flow_raises_is_in_the_table() -> None:
    def kinds(base: type[NaftikoError]) -> set[type[NaftikoError]]:
        return {base, *(kind for sub in base.__subclasses__() for kind in kinds(sub))}

    raised = kinds(InputError) | kinds(VariableError) | kinds(UnsupportedError)
    raised |= kinds(UpstreamError)
    ours = {kind for kind in raised if kind.__module__ == NaftikoError.__module__}
    assert {type(error) for error, _ in ERRORS} == ours - {UpstreamError}


def test_a_variable_is_named_so_that_programs_can_read_it() -> None:
    document = problem_of(VariableError(["KEY", "ID"], "the path of 'shop.get'")).members
    assert document["variables"] == ["KEY", "ID"]
    assert document["title"] == "Service Unavailable"


def test_each_field_is_named_with_its_place() -> None:
    error = InputError([FieldProblem("id", "is required", "path"), FieldProblem("x", "is unknown")])
    assert problem_of(error).members == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "id: is required; x: is unknown",
        "errors": [
            {"field": "id", "detail": "is required", "in": "path"},
            {"field": "x", "detail": "is unknown"},
        ],
    }


def test_what_was_not_foreseen_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        problem = problem_of(RuntimeError("the password is secret"))
    assert problem.status == 500
    assert "secret" not in problem.dumps().decode()
    (record,) = caplog.records
    assert record.exc_info is not None


def test_what_is_repeated_is_short() -> None:
    fields = [FieldProblem("f" * 10_000, "d" * 10_000)] * 1000
    problem = problem_of(InputError(fields))
    assert len(problem.dumps()) < 200_000
    assert problem.detail.endswith("; and 950 more")
    assert problem.errors[0].detail.endswith("… (10000 characters)")


def test_what_was_left_out_has_its_code() -> None:
    finding = Finding(code="E-CALL-OPERATION", severity=Severity.ERROR, message="no operation 'x'")
    document = unservable(finding).members
    assert (document["status"], document["code"]) == (501, "E-CALL-OPERATION")


def test_titles_are_those_of_http_in_every_python() -> None:
    assert Problem(413, "").members["title"] == "Content Too Large"
    assert Problem(421, "").members["title"] == "Misdirected Request"
