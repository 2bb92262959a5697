"""``naftiko-run inspect``: routes and tools, and the upstream request behind each."""

from collections.abc import Sequence

from naftiko_run.cli.status import INVALID, OK
from naftiko_run.cli.terminal import printable, show
from naftiko_run.findings import Finding
from naftiko_run.plan.plan import ServedUnit
from naftiko_run.server.prepare import NoClient, load_all, prepare, silent_sandboxes, with_files
from naftiko_run.settings import Settings


def inspect(paths: Sequence[str], settings: Settings) -> int:
    """Print the units of files; returns the exit status."""
    loaded, missing = load_all(paths, settings)
    sandboxes = silent_sandboxes(loaded) if settings.sandbox else None
    prepared = with_files(prepare(loaded, settings, NoClient(), sandboxes=sandboxes), missing)
    heading = ""
    for unit in prepared.plan.units:
        title = f"{unit.file}  {unit.adapter.type} {unit.adapter.namespace}"
        if title != heading:
            print(f"{'' if not heading else chr(10)}{printable(title)}")
            heading = title
        for line in _lines(unit):
            print(printable(line))
    for skill in prepared.plan.skills:
        print(printable(f"\nskill {skill.name}: {', '.join(t.name for t in skill.tools)}"))
    show([f for f in prepared.findings if f.severity == "error"])
    return OK if prepared.plan.serves_anything else INVALID


def _lines(served: ServedUnit) -> list[str]:
    compiled = served.compiled
    if isinstance(compiled, Finding):
        return [f"  {served.name}", f"      not served: {compiled.code} {compiled.message}"]
    operation = compiled.operation
    lines = [
        f"  {served.name}",
        f"      → {operation.method} {operation.template or '(no base URI)'}   {operation.name}",
    ]
    if operation.body.shown:
        lines.append(f"        body {operation.body.shown}")
    lines += [f"        header {slot.name}: {slot.value!r}" for slot in operation.headers]
    credentials = repr(compiled.called.api.credentials)
    if credentials != "none":
        lines.append(f"        credential: {credentials}")
    if operation.refusal is not None:
        lines.append(f"        refused for now: {operation.refusal}")
    width = max((len(name) for name, _ in compiled.bindings), default=0)
    places = {a.key: a for a in compiled.arguments}
    for name, source in compiled.bindings:
        key = source.removeprefix("{{").removesuffix("}}")
        argument = places.get(key)
        if argument is None:
            lines.append(f"        {name.ljust(width)} = {source}")
            continue
        kind = argument.type or "any"
        needed = ", required" if argument.required else ""
        where = argument.location or ("path, body or query" if served.unit.method else "argument")
        where = "whole body" if where == "content" else where
        lines.append(f"        {name.ljust(width)} ← {argument.name} ({where}; {kind}{needed})")
    return lines
