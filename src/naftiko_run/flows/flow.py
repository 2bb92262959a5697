"""A flow: checked arguments in, one upstream call (or one per element), a mapped outcome out."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.errors import (
    FieldProblem,
    InputError,
    UnreadableReply,
    UpstreamError,
    UpstreamTimeout,
)
from naftiko_run.flows.inputs import Checker, most_items
from naftiko_run.mapping.json_codec import dumps, is_json, loads
from naftiko_run.mapping.template import Evaluate
from naftiko_run.types import MISSING, Headers, Input, Inputs, Json, Operation, Outcome, Reply

_PASSED_HEADERS = frozenset({"location", "etag", "retry-after", "link"})
_PASSED_PREFIX = "ratelimit-"
CONCURRENCY = 8
"""How many requests of one ``forEach`` are under way at once."""
MOST_ELEMENTS = 1000
"""How many elements ``forEach`` takes of an array whose ``maxItems`` does not allow more."""


class Results(Struct, frozen=True):
    """How replies become outcomes.

    ``shape`` maps the decoded body, None passes it on as it is. ``decode`` turns the raw format
    into JSON, None where the format is JSON itself; ``opaque`` formats are never decoded: they are
    ``media_type``, or what the upstream says, or ``unnamed``, at most ``limit`` bytes, and have
    ``status`` where it is not the upstream's.
    """

    shape: Callable[[Json], Json] | None = None
    decode: Callable[[Reply], Json] | None = None
    opaque: bool = False
    media_type: str = ""
    unnamed: str = ""
    limit: int | None = None
    status: int | None = None

    def outcome(self, reply: Reply) -> Outcome:
        """Map a reply; raises :class:`UnreadableReply` for one that breaks its format's promise."""
        media_type, headers = told(reply.headers)
        if reply.status >= 300 or not reply.body:
            return Outcome(
                reply.status, reply.body, media_type, headers, failed=reply.status >= 300
            )
        if self.opaque:
            if self.limit is not None and len(reply.body) > self.limit:
                raise UnreadableReply(
                    f"the upstream's reply exceeds maxBinarySize (limit={self.limit} bytes)"
                )
            media_type = self.media_type or media_type or self.unnamed
            return Outcome(self.status or reply.status, reply.body, media_type, headers)
        if self.decode is not None:
            value = self.decode(reply)
        elif self.shape is None:
            if _claims_json(media_type) and not is_json(reply.body):
                raise UnreadableReply("the upstream's reply is not the JSON that it claims to be")
            return Outcome(reply.status, reply.body, media_type or "application/json", headers)
        else:
            try:
                value = loads(reply.body)
            except ValueError as error:
                raise UnreadableReply("the upstream's reply is not JSON") from error
        shaped = value if self.shape is None else self.shape(value)
        if shaped is not value or self.decode is not None:
            return Outcome(reply.status, dumps(shaped), "application/json", headers, written=True)
        # The mapping leads to the whole reply: its own bytes say it best.
        own = media_type if _claims_json(media_type) else ""
        return Outcome(reply.status, reply.body, own or "application/json", headers)


@lru_cache(256)
def _claims_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return not essence or essence == "application/json" or essence.endswith("+json")


def told(headers: Headers) -> tuple[str, Headers]:
    """Return the upstream's media type, and its header fields that callers see."""
    media_type = ""
    passed: Headers = ()
    for header in headers:
        name = header[0]
        if name == "content-type":
            media_type = media_type or header[1]
        elif name in _PASSED_HEADERS or name.startswith(_PASSED_PREFIX):
            passed += (header,)
    return media_type, passed


class CallFlow(Struct, frozen=True):
    """Calls one operation with inputs made from the caller's arguments."""

    check: Checker
    bindings: Sequence[tuple[str, Evaluate]]
    operation: Operation
    results: Results
    names: Mapping[str, str] = field(default_factory=dict)
    """The caller's name of each input that is one argument and nothing else."""

    def __call__(self, arguments: Inputs) -> Coroutine[Any, Any, Outcome]:
        """Run the flow once."""
        return self.send(self.inputs(arguments))

    async def send(self, inputs: Inputs) -> Outcome:
        """Call the operation; what it refuses is told under the caller's names."""
        try:
            reply = await self.operation(inputs)
        except InputError as error:
            if not self.names:
                raise
            raise InputError(self._renamed(p) for p in error.problems) from None
        return self.results.outcome(reply)

    def _renamed(self, problem: FieldProblem) -> FieldProblem:
        name = self.names.get(problem.field, problem.field)
        return problem if name == problem.field else replace(problem, field=name, location="")

    def inputs(self, arguments: Inputs) -> dict[str, Json]:
        """Check the arguments and make the operation's inputs of them."""
        checked = self.check(arguments)
        inputs: dict[str, Json] = {}
        for name, evaluate in self.bindings:
            value = evaluate(checked)
            if value is not MISSING:
                inputs[name] = value
        return inputs


class ForEachFlow(Struct, frozen=True):
    """Calls one operation once per element of an array input (our ``forEach``)."""

    call: CallFlow
    name: str
    element: str

    async def __call__(self, arguments: Inputs) -> Outcome:
        """Run the flow; several elements give ``{"results": [...]}`` in their order."""
        return await self.over(self.call.inputs(arguments))

    async def over(self, inputs: dict[str, Json]) -> Outcome:
        """Call the operation for each element of the array among the inputs."""
        elements = inputs.pop(self.name, None)
        if not isinstance(elements, list) or not elements:
            name = self.call.names.get(self.name, self.name)
            raise InputError([FieldProblem(name, "needs at least one element")])
        if len(elements) == 1:
            return await self.call.send({**inputs, self.element: elements[0]})
        if len(elements) > MOST_ELEMENTS and len(elements) > (most := self._most()):
            name = self.call.names.get(self.name, self.name)
            raise InputError([FieldProblem(name, f"has more than {most:,} elements")])
        outcomes: dict[int, Outcome] = {}
        waiting = iter(enumerate(elements))
        caller = asyncio.current_task()
        before = caller.cancelling() if caller is not None else 0

        async def work() -> None:
            for position, element in waiting:
                if caller is not None and caller.cancelling() > before:
                    return
                outcomes[position] = await self._told({**inputs, self.element: element})

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(CONCURRENCY, len(elements))):
                    group.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return _gathered([outcomes[position] for position in range(len(elements))])

    def _most(self) -> int:
        said = [self.call.check.most_items(self.call.names.get(self.name, self.name))]
        inputs: Sequence[Input] = getattr(self.call.operation, "inputs", ())
        said += [most_items(each) for each in inputs if each.name == self.name]
        return max(MOST_ELEMENTS, *said)

    async def _told(self, inputs: Inputs) -> Outcome:
        """Send one request; what goes wrong is told in its place.

        The others have happened: they are neither hidden nor repeated. What concerns all of them
        (a variable that is not set) is no failure of one.
        """
        try:
            return await self.call.send(inputs)
        except (InputError, UpstreamError) as error:
            return _failed(error)


def _failed(error: InputError | UpstreamError) -> Outcome:
    status = 504 if isinstance(error, UpstreamTimeout) else 502
    if isinstance(error, InputError):
        status = 400
    return Outcome(status, dumps({"detail": str(error)}), "application/json", failed=True)


def _gathered(outcomes: Sequence[Outcome]) -> Outcome:
    results: list[Json] = [{"status": o.status, "body": _json_of(o)} for o in outcomes]
    statuses = {o.status for o in outcomes}
    status = statuses.pop() if len(statuses) == 1 else 207
    failed = any(o.failed for o in outcomes)
    return Outcome(status, dumps({"results": results}), "application/json", failed=failed)


def _json_of(outcome: Outcome) -> Json:
    if not outcome.body:
        return None
    try:
        return loads(outcome.body)
    except ValueError:
        return outcome.body.decode("utf-8", "replace")
