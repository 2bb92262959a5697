"""Flows: checked arguments in, one call or one per element, a mapped outcome out."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from naftiko_run.errors import (
    FieldProblem,
    InputError,
    UnreadableReply,
    UnsupportedError,
    UpstreamError,
    UpstreamReset,
    UpstreamTimeout,
    VariableError,
)
from naftiko_run.flows.flow import CONCURRENCY, CallFlow, ForEachFlow, Results, told
from naftiko_run.flows.inputs import Checker
from naftiko_run.types import MISSING, Argument, Input, Inputs, Json, Outcome, Reply
from tests.spec.documents import JSON

pytestmark = pytest.mark.anyio


class Upstream:
    """An operation that keeps its inputs and answers with what a function makes of them."""

    def __init__(self, answer: Callable[[Inputs], Reply]) -> None:
        self.answer = answer
        self.calls: list[dict[str, Json]] = []
        self.under_way = 0
        self.most = 0

    async def __call__(self, inputs: Inputs) -> Reply:
        self.calls.append(dict(inputs))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        for _ in range(len(self.calls) % 5):  # later calls end before earlier ones
            await asyncio.sleep(0)
        self.under_way -= 1
        return self.answer(inputs)


def ok(inputs: Inputs) -> Reply:
    return Reply(200, JSON, json.dumps(inputs, separators=(",", ":")).encode())


def flow(operation: Upstream, results: Results | None = None, **names: str) -> CallFlow:
    arguments = [
        Argument(key="ids", name="ids", type="array"),
        Argument(key="limit", name="limit", type="integer"),
    ]
    return CallFlow(
        Checker(arguments),
        (
            ("keyIds", lambda given: given.get("ids", MISSING)),
            ("n", lambda given: given.get("limit", MISSING)),
        ),
        operation,
        results or Results(),
        names,
    )


def each(operation: Upstream) -> ForEachFlow:
    return ForEachFlow(flow(operation, keyIds="ids"), "keyIds", "keyId")


# ----------------------------------------------------------------------------------- one call


async def test_a_call_checks_binds_sends_and_gives_the_reply() -> None:
    operation = Upstream(ok)
    assert await flow(operation)({"limit": 5}) == Outcome(200, b'{"n":5}', "application/json")
    assert operation.calls == [{"n": 5}]


async def test_r_impl_2_nothing_is_sent_where_an_argument_is_wrong() -> None:
    operation = Upstream(ok)
    with pytest.raises(InputError) as caught:
        await flow(operation)({"limit": "5", "other": 1})
    assert [p.field for p in caught.value.problems] == ["limit", "other"]
    assert operation.calls == []


async def test_what_the_operation_refuses_is_told_under_the_callers_names() -> None:
    def refuse(_: Inputs) -> Reply:
        raise InputError(
            [FieldProblem("n", "must not be empty", "path"), FieldProblem("x", "is odd", "header")]
        )

    with pytest.raises(InputError) as caught:
        await flow(Upstream(refuse), n="limit")({"limit": 5})
    assert caught.value.problems == (
        FieldProblem("limit", "must not be empty"),
        FieldProblem("x", "is odd", "header"),
    )


@pytest.mark.parametrize(
    ("reply", "results", "outcome"),
    [
        (Reply(201, JSON, b'{"a":1}'), Results(), Outcome(201, b'{"a":1}', "application/json")),
        (Reply(200, (), b"[1]"), Results(), Outcome(200, b"[1]", "application/json")),
        (
            Reply(200, (("content-type", "text/csv; charset=utf-8"),), b"a,b"),
            Results(),
            Outcome(200, b"a,b", "text/csv; charset=utf-8"),
        ),
        (Reply(204, (), b""), Results(lambda _: 1), Outcome(204, b"", "")),
        (
            Reply(200, JSON, b'{"a": [1, 2]}'),
            Results(lambda value: {"mapped": value}),
            Outcome(200, b'{"mapped":{"a":[1,2]}}', "application/json", written=True),
        ),
        (
            Reply(200, (("content-type", "application/xml"),), b"<a/>"),
            Results(lambda value: [value], decode=lambda reply: reply.body.decode()),
            Outcome(200, b'["<a/>"]', "application/json", written=True),
        ),
        (
            Reply(200, (("content-type", "application/xml"),), b"<a/>"),
            Results(decode=lambda reply: reply.body.decode()),
            Outcome(200, b'"<a/>"', "application/json", written=True),
        ),
        (
            Reply(200, (("content-type", "image/png"),), b"\x89PNG"),
            Results(lambda _: 1, opaque=True),
            Outcome(200, b"\x89PNG", "image/png"),
        ),
        (
            Reply(404, (("content-type", "text/html"),), b"<h1>no</h1>"),
            Results(lambda _: 1),
            Outcome(404, b"<h1>no</h1>", "text/html", failed=True),
        ),
        (
            Reply(302, (("location", "https://b.test/"),), b""),
            Results(),
            Outcome(302, b"", "", (("location", "https://b.test/"),), failed=True),
        ),
        (
            Reply(500, JSON, b'{"e":'),
            Results(),
            Outcome(500, b'{"e":', "application/json", failed=True),
        ),
    ],
)
async def test_replies_become_outcomes(reply: Reply, results: Results, outcome: Outcome) -> None:
    assert await flow(Upstream(lambda _: reply), results)({}) == outcome


@pytest.mark.parametrize(
    ("reply", "results", "message"),
    [
        (Reply(200, JSON, b"<html>"), Results(), "is not the JSON that it claims to be"),
        (Reply(200, (), b"text"), Results(), "is not the JSON that it claims to be"),
        (
            Reply(200, (("content-type", "application/problem+json"),), b"{"),
            Results(),
            "is not the JSON that it claims to be",
        ),
        (
            Reply(200, (("content-type", "text/plain"),), b"text"),
            Results(lambda v: v),
            "is not JSON",
        ),
    ],
)
async def test_a_reply_that_breaks_its_promise_is_an_error(
    reply: Reply, results: Results, message: str
) -> None:
    with pytest.raises(UnreadableReply, match=message):
        await flow(Upstream(lambda _: reply), results)({})


def test_headers_that_callers_see() -> None:
    passed = (
        ("location", "/x"),
        ("etag", '"1"'),
        ("retry-after", "5"),
        ("link", "</y>"),
        ("ratelimit-limit", "1"),
        ("ratelimit-policy", "2"),
    )
    hidden = (("set-cookie", "a=b"), ("server", "x"), ("x-request-id", "1"), ("date", "d"))
    kind = ("content-type", "text/csv")
    assert told((*hidden, kind, *passed)) == ("text/csv", passed)


# ----------------------------------------------------------------------------------- forEach


async def test_one_element_gives_the_plain_reply() -> None:
    operation = Upstream(ok)
    outcome = await each(operation)({"ids": ["a"], "limit": 5})
    assert outcome == Outcome(200, b'{"n":5,"keyId":"a"}', "application/json")
    assert operation.calls == [{"n": 5, "keyId": "a"}]


async def test_several_elements_give_their_results_in_order_within_the_limit() -> None:
    operation = Upstream(lambda inputs: Reply(200, JSON, json.dumps(inputs["keyId"]).encode()))
    ids: list[Json] = list(range(40))
    outcome = await each(operation)({"ids": ids})
    results = [{"status": 200, "body": number} for number in ids]
    assert json.loads(outcome.body) == {"results": results}
    assert (outcome.status, outcome.media_type, outcome.failed) == (200, "application/json", False)
    assert [call["keyId"] for call in operation.calls] == ids
    assert operation.most == CONCURRENCY


@pytest.mark.parametrize(("most", "count"), [(None, 1000), (5, 1000), (1200, 1200)])
@pytest.mark.parametrize("consumed", [False, True])
async def test_the_elements_are_limited_unless_the_array_is_larger_by_its_schema(
    most: int | None,
    count: int,
    consumed: bool,
) -> None:
    schema: dict[str, Json] = {"maxItems": most} if most is not None else {}

    class Known(Upstream):
        inputs = (Input(name="keyIds", type="array", schema=schema if consumed else {}),)

    class Unchecked(Checker):
        __slots__ = ()

        def __call__(self, given: Inputs) -> dict[str, Json]:
            return dict(given)

    argument = Argument(key="ids", name="ids", type="array", schema={} if consumed else schema)
    operation = Known(lambda _: Reply(204, (), b""))
    call = replace(flow(operation, keyIds="ids"), check=Unchecked([argument]))
    over = ForEachFlow(call, "keyIds", "keyId")
    with pytest.raises(InputError) as caught:
        await over({"ids": list(range(count + 1))})
    assert caught.value.problems == (FieldProblem("ids", f"has more than {count:,} elements"),)
    assert operation.calls == []
    assert (await over({"ids": list(range(count))})).status == 204
    assert len(operation.calls) == count


async def test_no_element_is_begun_once_the_call_is_cancelled() -> None:
    begun: list[Json] = []
    full = asyncio.Event()

    async def stubborn(inputs: Inputs) -> Reply:
        begun.append(inputs["keyId"])
        if len(begun) == CONCURRENCY:
            full.set()
        # As a client that turns a cancellation into an answer.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return Reply(200, JSON, b"1")

    over = ForEachFlow(replace(flow(Upstream(ok)), operation=stubborn), "keyIds", "keyId")
    call = asyncio.create_task(over({"ids": list(range(40))}))
    await full.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert begun == list(range(CONCURRENCY))


async def test_a_failure_in_one_neither_hides_nor_repeats_the_others() -> None:
    errors: dict[str, Exception] = {
        "timeout": UpstreamTimeout("too slow"),
        "reset": UpstreamReset("broken"),
        "input": InputError([FieldProblem("keyId", "must not be empty", "path")]),
    }

    def answer(inputs: Inputs) -> Reply:
        key = str(inputs["keyId"])
        if key in errors:
            raise errors[key]
        if key == "gone":
            return Reply(404, (("content-type", "text/plain"), ("etag", "x")), b"no such key")
        return Reply(204, (("location", "/x"),), b"")

    operation = Upstream(answer)
    outcome = await each(operation)({"ids": ["a", "gone", "timeout", "reset", "input", "b"]})
    assert outcome == Outcome(207, outcome.body, "application/json", failed=True)
    assert json.loads(outcome.body)["results"] == [
        {"status": 204, "body": None},
        {"status": 404, "body": "no such key"},
        {"status": 504, "body": {"detail": "too slow"}},
        {"status": 502, "body": {"detail": "broken"}},
        {"status": 400, "body": {"detail": "keyId: must not be empty"}},
        {"status": 204, "body": None},
    ]
    assert len(operation.calls) == 6


async def test_equal_statuses_are_the_status_of_the_whole() -> None:
    operation = Upstream(lambda _: Reply(404, JSON, b'{"e":1}'))
    outcome = await each(operation)({"ids": ["a", "b"]})
    results = [{"status": 404, "body": {"e": 1}}] * 2
    assert (outcome.status, outcome.failed, json.loads(outcome.body)) == (
        404,
        True,
        {"results": results},
    )


@pytest.mark.parametrize("ids", [[], None])
async def test_an_empty_array_is_refused(ids: Json) -> None:
    operation = Upstream(ok)
    with pytest.raises(InputError) as caught:
        await each(operation)({"ids": ids})
    assert caught.value.problems == (FieldProblem("ids", "needs at least one element"),)
    assert operation.calls == []


@pytest.mark.parametrize(
    "error", [VariableError(["TOKEN"], "authentication of 'up'"), UnsupportedError("no scheme")]
)
async def test_what_concerns_all_elements_is_told_once(error: Exception) -> None:
    def refuse(_: Inputs) -> Reply:
        raise error

    operation = Upstream(refuse)
    with pytest.raises(type(error)) as caught:
        await each(operation)({"ids": list(range(40))})
    assert caught.value is error
    assert len(operation.calls) <= CONCURRENCY


async def test_one_element_that_fails_is_a_plain_failure() -> None:
    def refuse(_: Inputs) -> Reply:
        raise UpstreamError("broken")

    with pytest.raises(UpstreamError, match="broken"):
        await each(Upstream(refuse))({"ids": ["a"]})


def results_of(outcome: Outcome) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(outcome.body)["results"]


async def test_bodies_that_are_no_json_are_text_in_the_results() -> None:
    operation = Upstream(lambda _: Reply(200, (("content-type", "image/png"),), b"\xff\x00"))
    call = flow(operation, Results(opaque=True))
    outcome = await ForEachFlow(call, "keyIds", "keyId")({"ids": [1, 2]})
    assert results_of(outcome) == [{"status": 200, "body": "\ufffd\x00"}] * 2
