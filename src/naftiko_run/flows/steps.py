"""Orchestration: steps that feed one another, and the mappings that make one result of them.

A step runs as soon as what it reads is there, so steps that do not depend on one another run at the
same time. That changes no result: a step that may change something upstream (any method but GET
and HEAD) waits for all steps before it, and all steps after it wait for it. A step that fails ends
the flow with its error, the first one in the order of the document, unless it says otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct, field

from naftiko_run.errors import NaftikoError, UnreadableReply
from naftiko_run.flows.flow import Results
from naftiko_run.flows.inputs import Checker
from naftiko_run.flows.progress import Progress
from naftiko_run.mapping.json_codec import dumps, loads
from naftiko_run.mapping.template import Evaluate, text_of
from naftiko_run.types import MISSING, Inputs, Json, Missing, Operation, Outcome, Reply

Context = dict[str, Json]
"""The caller's arguments, and the output of each step under the step's name."""


class StepFailedError(Exception):
    """An upstream refused a step: the flow ends with its answer."""

    def __init__(self, outcome: Outcome) -> None:
        """Keep the answer."""
        super().__init__(outcome.status)
        self.outcome = outcome


class CallStep(Struct, frozen=True):
    """Calls an operation; its output is the reply as JSON, projected by the consumed outputs."""

    bindings: Sequence[tuple[str, Evaluate]]
    operation: Operation
    results: Results
    project: Callable[[Json], Json] | None = None
    final: bool = False
    """Whether its outcome may become the flow's."""

    async def run(self, context: Context) -> tuple[Json | Missing, Outcome | None]:
        """Call the upstream; gives the output, and the outcome as a simple call would have it."""
        inputs: dict[str, Json] = {}
        for name, evaluate in self.bindings:
            value = evaluate(context)
            if value is not MISSING:
                inputs[name] = value
        reply = await self.operation(inputs)
        if reply.status >= 400:
            raise StepFailedError(self.results.outcome(reply))
        return self._output(reply), self.results.outcome(reply) if self.final else None

    def _output(self, reply: Reply) -> Json | Missing:
        if not reply.body:
            return MISSING
        if self.results.opaque:
            # Steps pass JSON on: a text is one, bytes are none.
            try:
                return reply.body.decode()
            except UnicodeDecodeError:
                return MISSING
        if self.results.decode is not None:
            value = self.results.decode(reply)
        else:
            try:
                value = loads(reply.body)
            except ValueError as error:
                raise UnreadableReply("the upstream's reply is not JSON") from error
        return value if self.project is None else self.project(value)


class LookupStep(Struct, frozen=True):
    """Finds entries of an earlier step's output whose field equals a value, as text."""

    index: str
    match: str
    value: Evaluate
    outputs: tuple[str, ...]

    async def run(self, context: Context) -> tuple[Json | Missing, Outcome | None]:
        """Look the value up; several values give a list, and no match gives no output."""
        index = context.get(self.index)
        entries = index if isinstance(index, list) else [index]
        wanted = self.value(context)
        if isinstance(wanted, list):
            found = [self._find(entries, each) for each in wanted]
            matched: list[Json] = [each for each in found if each is not None]
            return matched or MISSING, None
        if wanted is MISSING or wanted is None:
            return MISSING, None
        entry = self._find(entries, wanted)
        return MISSING if entry is None else entry, None

    def _find(self, entries: Sequence[Json], wanted: Json) -> dict[str, Json] | None:
        text = text_of(wanted)
        for entry in entries:
            if isinstance(entry, dict) and self.match in entry:
                value = entry[self.match]
                if value is not None and text_of(value) == text:
                    return {name: entry.get(name) for name in self.outputs}
        return None


class FunctionStep(Struct, frozen=True):
    """Runs a function over what is known so far: a script in its sandbox."""

    function: Callable[[Inputs], Awaitable[Json | Missing]]
    arguments: Sequence[tuple[str, Evaluate]] = ()

    async def run(self, context: Context) -> tuple[Json | Missing, Outcome | None]:
        """Run it over a copy, so that it changes nothing but its own output."""
        given = dict(context)
        for name, evaluate in self.arguments:
            value = evaluate(context)
            if value is not MISSING:
                given[name] = value
        return await self.function(given), None


StepBody = CallStep | LookupStep | FunctionStep


class Step(Struct, frozen=True):
    """A step in its place: its name, the positions that it waits for, and what a failure means."""

    name: str
    body: StepBody
    needs: tuple[int, ...] = ()
    tolerant: bool = False


class Target(Struct, frozen=True):
    """One mapping: where in the result a value goes, and where it comes from."""

    path: tuple[str, ...]
    value: Callable[[Json], Json | Missing]


class StepsFlow(Struct, frozen=True):
    """Runs steps and makes one result of their outputs.

    Without mappings, or where none of them leads to anything, the outcome is that of the last call.
    """

    check: Checker
    steps: Sequence[Step]
    targets: Sequence[Target] = ()
    derived: Sequence[tuple[str, Evaluate]] = ()
    sequential: bool = field(default=False)

    async def __call__(self, arguments: Inputs) -> Outcome:
        """Run the flow once; nothing is shared with another run."""
        context: Context = self.check(arguments)
        for name, evaluate in self.derived:
            value = evaluate(context)
            if value is not MISSING:
                context[name] = value
        progress = Progress(len(self.steps))
        await progress.begin()
        try:
            outcomes = await self._run(context, progress)
        except StepFailedError as failure:
            return failure.outcome
        result = self._mapped(context)
        if result is not MISSING:
            return Outcome(200, dumps(result), "application/json", written=True)
        last = next((o for o in reversed(outcomes) if o is not None), None)
        return last or Outcome(204, b"", "")

    async def _run(self, context: Context, progress: Progress) -> list[Outcome | None]:
        if self.sequential:
            return [await self._step(step, context, progress) for step in self.steps]
        tasks: list[asyncio.Task[Outcome | None]] = []

        async def when_ready(step: Step) -> Outcome | None:
            if step.needs:
                await asyncio.wait([tasks[position] for position in step.needs])
                for position in step.needs:
                    if tasks[position].cancelled() or tasks[position].exception() is not None:
                        raise asyncio.CancelledError
            return await self._step(step, context, progress)

        tasks.extend(asyncio.create_task(when_ready(step)) for step in self.steps)
        try:
            return [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _step(self, step: Step, context: Context, progress: Progress) -> Outcome | None:
        try:
            output, outcome = await step.body.run(context)
        except (StepFailedError, NaftikoError):
            if not step.tolerant:
                raise
            await progress.step()
            return None
        if output is not MISSING:
            context[step.name] = output
        await progress.step()
        return outcome

    def _mapped(self, context: Mapping[str, Json]) -> Json | Missing:
        root: Json = dict(context)
        result: dict[str, Json] = {}
        for target in self.targets:
            value = target.value(root)
            if value is not MISSING:
                _put(result, target.path, value)
        return result or MISSING


def _put(result: dict[str, Json], path: Sequence[str], value: Json) -> None:
    *parents, last = path
    for name in parents:
        inner = result.setdefault(name, {})
        if not isinstance(inner, dict):
            inner = result[name] = {}
        result = inner
    result[last] = value


def plan_needs(
    reads: Sequence[frozenset[int]], changes: Sequence[bool]
) -> tuple[tuple[int, ...], ...]:
    """Work out what each step waits for.

    ``reads`` are the earlier steps whose output it reads; ``changes`` says whether it may change
    something upstream.
    """
    needs: list[tuple[int, ...]] = []
    barrier = -1
    for position, (read, changing) in enumerate(zip(reads, changes, strict=True)):
        if changing:
            needs.append(tuple(range(position)))
            barrier = position
        else:
            needs.append(tuple(sorted(read | ({barrier} if barrier >= 0 else set()))))
    return tuple(needs)
