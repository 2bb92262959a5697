"""``naftiko-run call``: one call through the same flow that the faces serve."""

import sys
from collections.abc import Callable, Mapping, Sequence

from naftiko_run.cli.status import INVALID, OK
from naftiko_run.cli.terminal import say, show
from naftiko_run.errors import NaftikoError
from naftiko_run.exposes.messages import parse_pairs
from naftiko_run.exposes.router import Router
from naftiko_run.findings import Finding
from naftiko_run.mapping.json_codec import loads
from naftiko_run.plan.served import ServedUnit
from naftiko_run.server.http import run
from naftiko_run.server.prepare import Prepared, all_loaded, check_names, load_all, with_files
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
            if not prepared.plan.units:
                show(prepared.findings)
                say("nothing can be called")
                return INVALID
            strictly = all_loaded(prepared, missing)
            for line in check_names(settings, prepared, strictly=strictly):
                say(line)
            return await _call(prepared, name, given)

    result = run(main)
    return result if isinstance(result, int) else INVALID


async def _call(prepared: Prepared, name: str, given: dict[str, Json]) -> int:
    found = _find(prepared.plan.units, name.strip())
    if not found:
        names = ", ".join(unit.name for unit in prepared.plan.units)
        why = f"no tool or route {name!r}; there is {names}"
        if prepared.has_errors:  # it may be there, but for an error
            show([f for f in prepared.findings if f.severity == "error"])
            say(why)
            return INVALID
        raise UsageError(why)
    if len(found) > 1:
        names = ", ".join(repr(_qualified(unit)) for unit, _ in found)
        raise UsageError(f"{name!r} may be any of {names}: name one of them")
    ((unit, captured),) = found
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


_Found = list[tuple[ServedUnit, dict[str, Json]]]


def _find(units: Sequence[ServedUnit], wanted: str) -> _Found:
    """Find what a name may mean: what is served under it, then what it says in the file."""
    spellings: tuple[Callable[[ServedUnit], str], ...] = (
        _qualified,
        lambda unit: unit.name,
        lambda unit: unit.unit.name,
        lambda unit: f"{unit.adapter.namespace}/{unit.unit.name}",
    )
    for spelling in spellings:
        found: _Found = [(unit, {}) for unit in units if spelling(unit) == wanted]
        if found:
            return found
    return _routed(units, wanted) or [(unit, {}) for unit in units if unit.unit.call == wanted]


def _qualified(unit: ServedUnit) -> str:
    """Write the name that no other unit has."""
    if unit.unit.method:
        return f"{unit.unit.method} /{unit.adapter.namespace}/{unit.unit.path.lstrip('/')}"
    return f"{unit.adapter.namespace}/{unit.name}"


def _routed(units: Sequence[ServedUnit], wanted: str) -> _Found:
    """Find the routes that answer a path, each adapter by itself, as they are served."""
    method, space, target = wanted.rpartition(" ")
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        return []
    try:
        queried = parse_pairs(query.encode())
    except ValueError as error:
        raise UsageError(f"the query of {path!r} cannot be read: {error}") from None
    routers: dict[tuple[str, str], Router[ServedUnit]] = {}
    for unit in units:
        if unit.unit.method:
            key = (unit.file, unit.adapter.namespace)
            router = routers.setdefault(key, Router())
            router.add(unit.unit.path, unit.unit.method, unit)
    found: _Found = []
    for (_, namespace), router in routers.items():
        _, prefix, below = path.partition(f"/{namespace}/")
        paths = [path, f"/{below}"] if prefix and path.startswith(prefix) else [path]
        for match in (each for one in paths for each in router.find(one.encode())):
            methods = [method.strip().upper()] if space else list(match.values)
            answering = [each for each in methods if each in match.values]
            for each in answering:
                unit = match.values[each]
                found.append((unit, _taken(unit, match.captures(each)) | queried))
            if answering:
                break
    return found


def _taken(unit: ServedUnit, captures: Mapping[str, str]) -> dict[str, Json]:
    if isinstance(unit.compiled, Finding):
        return {}
    known = {argument.name for argument in unit.compiled.arguments}
    return {name: Text(value) for name, value in captures.items() if name in known}


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
