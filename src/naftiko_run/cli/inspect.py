"""``naftiko-run inspect``: what is served, and the upstream request behind each of it."""

from collections.abc import Mapping, Sequence

from naftiko_run.cli.status import INVALID, OK
from naftiko_run.cli.terminal import printable, show
from naftiko_run.findings import Finding
from naftiko_run.plan.compiled import Call, Run
from naftiko_run.plan.served import ServedContent, ServedUnit
from naftiko_run.server.prepare import NoClient, load_all, prepare, silent_sandboxes, with_files
from naftiko_run.settings import Settings
from naftiko_run.types import Argument


def inspect(paths: Sequence[str], settings: Settings) -> int:
    """Print the units of files; returns the exit status."""
    loaded, missing = load_all(paths, settings)
    sandboxes = silent_sandboxes(loaded) if settings.sandbox else None
    prepared = with_files(prepare(loaded, settings, NoClient(), sandboxes=sandboxes), missing)
    shown: dict[str, list[str]] = {}
    for unit in prepared.plan.units:
        shown.setdefault(_title(unit), []).extend(_lines(unit))
    for content in prepared.plan.contents:
        shown.setdefault(_title(content), []).extend(_content_lines(content))
    for number, (title, lines) in enumerate(shown.items()):
        print(f"{chr(10) if number else ''}{printable(title)}")
        for line in lines:
            print(printable(line))
    if not prepared.plan.serves_anything:
        show(prepared.findings)
        return INVALID
    show([f for f in prepared.findings if f.severity == "error"])
    return OK


def _title(served: ServedUnit | ServedContent) -> str:
    return f"{served.file}  {served.adapter.type} {served.adapter.namespace}"


def _content_lines(served: ServedContent) -> list[str]:
    what = served.shown
    if isinstance(what, Finding):
        return [f"  {served.name}", f"      not served: {what.code} {what.message}"]
    return [f"  {served.name}", f"      → {what}"]


def _lines(served: ServedUnit) -> list[str]:
    compiled = served.compiled
    if isinstance(compiled, Finding):
        return [f"  {served.name}", f"      not served: {compiled.code} {compiled.message}"]
    places = {a.key: a for a in compiled.arguments}
    lines = [f"  {served.name}"]
    if not compiled.calls:
        lines.append("      → a mock: nothing is called")
    for call in compiled.calls:
        if isinstance(call, Run):
            lines.append(f"      → {call.step}: {call.shown}")
        else:
            lines += _operation_lines(call)
        lines += _binding_lines(call, places, served)
    return lines


def _operation_lines(call: Call) -> list[str]:
    operation = call.operation
    step = f"{call.step}: " if call.step else ""
    target = operation.template or "(no base URI)"
    lines = [f"      → {step}{operation.method} {target}   {operation.name}"]
    if operation.body.shown:
        lines.append(f"        body {operation.body.shown}")
    lines += [f"        header {slot.name}: {slot.value!r}" for slot in operation.headers]
    if call.credentials != "none":
        lines.append(f"        credential: {call.credentials}")
    if operation.refusal is not None:
        lines.append(f"        refused for now: {operation.refusal}")
    return lines


def _binding_lines(
    call: Call | Run, places: Mapping[str, Argument], served: ServedUnit
) -> list[str]:
    lines: list[str] = []
    width = max((len(name) for name, _ in call.bindings), default=0)
    for name, source in call.bindings:
        key = source.removeprefix("{{").removesuffix("}}")
        argument = places.get(key)
        if argument is None:
            lines.append(f"        {name.ljust(width)} = {source}")
            continue
        kind = argument.type or "any"
        needed = ", required" if argument.required else ""
        anywhere = "path, body or query" if served.unit.method else "argument"
        where = ", else ".join(_place(each, anywhere) for each in (argument, *argument.others))
        lines.append(f"        {name.ljust(width)} ← {argument.name} ({where}; {kind}{needed})")
    return lines


def _place(argument: Argument, anywhere: str) -> str:
    if argument.selection is not None:
        return f"body {argument.selection.path}"
    return {"": anywhere, "content": "whole body", "whole": "body, or a field of it"}.get(
        argument.location, argument.location
    )
