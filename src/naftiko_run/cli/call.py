"""``naftiko-run call``: one call through the same flow that the faces serve."""

import sys
from collections.abc import Sequence

from naftiko_run.cli.status import INVALID, OK
from naftiko_run.cli.terminal import say, show
from naftiko_run.errors import NaftikoError
from naftiko_run.exposes.router import Router
from naftiko_run.findings import Finding
from naftiko_run.mapping.json_codec import loads
from naftiko_run.plan.plan import ServedUnit
from naftiko_run.plan.runs import Compiled
from naftiko_run.server.http import run
from naftiko_run.server.prepare import Prepared, load_all, with_files
from naftiko_run.server.runtime import running
from naftiko_run.settings import Settings, UsageError
from naftiko_run.types import Json, Outcome, Text


def call(path: str, name: str, values: Sequence[str], settings: Settings) -> int:
    """Call a unit and print its answer; returns the exit status."""
    given = _arguments(values)
    loaded, missing = load_all([path], settings)

    async def main() -> int:
        async with running(loaded, settings) as runtime:
            prepared = with_files(runtime.prepare(loaded), missing)
            return await _call(prepared, name, given)

    result = run(main)
    return result if isinstance(result, int) else INVALID


async def _call(prepared: Prepared, name: str, given: dict[str, Json]) -> int:
    found = _find(prepared, name)
    if found is None:
        show([f for f in prepared.findings if f.severity == "error"])
        names = ", ".join(unit.name for unit in prepared.plan.units)
        raise UsageError(f"no tool or route {name!r}; there is {names or 'none'}")
    unit, captured = found
    if isinstance(unit.compiled, Finding):
        show([unit.compiled])
        return INVALID
    keys = {a.name: a.key for a in unit.compiled.arguments}
    inputs = {keys.get(n, n): v for n, v in {**captured, **given}.items()}
    try:
        outcome = await unit.compiled.flow(inputs)
    except NaftikoError as error:
        say(str(error))
        return INVALID
    _print(outcome)
    return INVALID if outcome.failed else OK


def _find(prepared: Prepared, name: str) -> tuple[ServedUnit, dict[str, Json]] | None:
    wanted = name.strip()
    for unit in prepared.plan.units:
        if wanted in (unit.name, unit.unit.name, unit.unit.call):
            return unit, {}
    method, space, path = wanted.rpartition(" ")
    if not path.startswith("/"):
        return None
    router: Router[ServedUnit] = Router()
    for unit in prepared.plan.units:
        if unit.unit.method and isinstance(unit.compiled, Compiled):
            router.add(unit.unit.path, unit.unit.method, unit)
    for match in router.find(path.encode()):
        methods = [method.upper()] if space else list(match.values)
        if len(methods) == 1 and methods[0] in match.values:
            captured: dict[str, Json] = {n: Text(v) for n, v in match.captures.items()}
            unit = match.values[methods[0]]
            if isinstance(unit.compiled, Compiled):
                known = {a.name for a in unit.compiled.arguments}
                return unit, {n: v for n, v in captured.items() if n in known}
    return None


def _arguments(values: Sequence[str]) -> dict[str, Json]:
    given: dict[str, Json] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.strip(":"):
            raise UsageError(f"write arguments as name=value or name:=json, not {value!r}")
        if not name.endswith(":"):
            given[name] = Text(text)
            continue
        try:
            given[name[:-1]] = loads(text.encode())
        except ValueError as error:
            raise UsageError(f"{name[:-1]}: the value after := must be JSON: {error}") from None
    return given


def _print(outcome: Outcome) -> None:
    if outcome.failed:
        print(f"the upstream answered {outcome.status}", file=sys.stderr)
    sys.stdout.buffer.write(outcome.body)
    if outcome.body and not outcome.body.endswith(b"\n") and sys.stdout.isatty():
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
