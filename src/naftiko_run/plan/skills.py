"""Skills, compiled: what their tools stand for, and what MCP clients read of them."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, count
from typing import Literal
from urllib.parse import quote

from msgspec import Struct, field

from naftiko_run.exposes.units import Skill, SkillTool
from naftiko_run.findings import Finding, did_you_mean
from naftiko_run.spec import document as spec
from naftiko_run.spec.skills import MOST_COMPATIBILITY, MOST_DESCRIPTION, MOST_NAME, is_name
from naftiko_run.types import Json

# What no YAML parser takes as it is (YAML 1.2.2, section 5.1), and its other line breaks.
_NOT_PLAIN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


class Action(Struct, frozen=True):
    """What a tool may stand for: the name that callers use, and how they call it."""

    name: str
    description: str
    how: str
    served: bool


class Sibling(Struct, frozen=True):
    """An adapter that skills may name, under the namespace that it is served as."""

    mode: Literal["rest", "mcp"]
    namespace: str
    actions: Mapping[str, Action]


class Compiled(Struct):
    """One skill with what ``inspect`` shows of it, and the MCP adapters whose tools it names."""

    skill: Skill
    shown: str
    needs: frozenset[str]


class Skills(Struct):
    """Compiles the skills of one document; no two of them have one URI."""

    siblings: Mapping[str, Sibling]
    report: Callable[[Finding], None]
    uris: set[str] = field(default_factory=set)

    def of(self, adapter: spec.Adapter) -> Iterator[Compiled]:
        """Compile the skills of an adapter; what is wrong with them is reported, and left out."""
        names: set[str] = set()
        for written in adapter.skills:
            if written.name in names:
                self.report(
                    written.where.error(
                        "E-SKILL-NAME",
                        f"an earlier skill is called {written.name!r}",
                        "rename one of them",
                    )
                )
                continue
            names.add(written.name)
            for finding in written.findings:
                self.report(finding)
            yield self._compiled(written, adapter)

    def _compiled(self, written: spec.Skill, adapter: spec.Adapter) -> Compiled:
        tools = [(tool, how) for tool, how in map(self._tool, written.tools) if tool is not None]
        front, text = self._text(written, tools)
        skill = Skill(
            name=written.name,
            description=written.description,
            license=written.license,
            compatibility=written.compatibility,
            metadata=written.metadata,
            allowed_tools=" ".join(written.allowed_tools),
            argument_hint=written.argument_hint,
            user_invocable=written.user_invocable,
            disable_model_invocation=written.disable_model_invocation,
            tools=tuple(tool for tool, _ in tools),
            folder=written.folder,
            uri=self._uri(str(front["name"]), adapter.namespace),
            text=text,
            front=front,
            state=written.state,
        )
        needs = frozenset(tool.namespace for tool, _ in tools if tool.mode == "mcp")
        return Compiled(skill, _shown(skill, written), needs)

    def _uri(self, name: str, namespace: str) -> str:
        below = f"skill://{quote(namespace, safe='')}"
        options = chain([f"skill://{name}"], (f"{below}{n or ''}/{name}" for n in count()))
        uri = next(uri for uri in options if uri not in self.uris)
        self.uris.add(uri)
        return uri

    # --------------------------------------------------------------------------------- tools

    def _tool(self, written: spec.SkillTool) -> tuple[SkillTool | None, str]:
        """Compile a tool, with the words that tell how to use it."""
        problem = written.problem or self._unknown_source(written)
        if problem is not None:
            self.report(problem)
            return None, ""
        name, description = written.name, written.description
        if written.instruction:
            instruction = written.instruction.removeprefix("./")
            made = SkillTool(name=name, description=description, instruction=instruction)
            return made, f"Read [{instruction}](<{instruction}>)."
        sibling = self.siblings.get(written.source)
        if sibling is None:
            return SkillTool(name=name, description=description), ""
        action = sibling.actions.get(written.action)
        if action is None or not action.served:
            self.report(_unknown_action(written, sibling, action))
        made = SkillTool(
            name=name,
            description=description or (action.description if action else ""),
            namespace=sibling.namespace,
            action=action.name if action and sibling.mode == "mcp" else written.action,
            mode=sibling.mode,
        )
        return made, action.how if action and action.served else ""

    def _unknown_source(self, written: spec.SkillTool) -> Finding | None:
        if not written.source or written.source in self.siblings:
            return None
        known = ", ".join(map(repr, sorted(self.siblings))) or "none"
        return written.where.at("from", "sourceNamespace").error(
            "E-SKILL-SOURCE",
            f"no REST or MCP adapter {written.source!r} in this document",
            f"{_meant(written.source, self.siblings)}there is {known}",
        )

    # ------------------------------------------------------------------------------ SKILL.md

    def _text(
        self, written: spec.Skill, tools: Iterable[tuple[SkillTool, str]]
    ) -> tuple[Mapping[str, Json], str]:
        found = written.text
        if found is not None and found.front is not None:
            return found.front, found.text
        front = self._front(written)
        body = found.body if found is not None else _body(written, tools)
        lines = "".join(f"{key}: {_yaml(value)}\n" for key, value in front.items())
        return front, _HALF_PAIR.sub("\ufffd", f"---\n{lines}---\n\n{body.lstrip()}")

    def _front(self, written: spec.Skill) -> dict[str, Json]:
        name = _name(written.name)
        if name != written.name:
            self.report(
                written.where.warning(
                    "W-SKILL-NAME",
                    f"the skill {written.name!r} is {name!r} to MCP clients",
                    "use lower case letters, digits and single hyphens, at most 64 in all",
                )
            )
        description = written.description.strip() or f"The skill {name}."
        front: dict[str, Json] = {
            "name": name,
            "description": _short(description, MOST_DESCRIPTION),
            "license": written.license,
            "compatibility": _short(written.compatibility, MOST_COMPATIBILITY),
            "metadata": dict(written.metadata),
            "allowed-tools": " ".join(written.allowed_tools),
            "argument-hint": written.argument_hint,
            "user-invocable": written.user_invocable,
            "disable-model-invocation": written.disable_model_invocation,
        }
        return {key: _whole(value) for key, value in front.items() if value not in ("", {}, None)}


def _unknown_action(written: spec.SkillTool, sibling: Sibling, action: Action | None) -> Finding:
    where = written.where.at("from", "action")
    what = "tool" if sibling.mode == "mcp" else "operation"
    if action is not None:
        return where.warning(
            "W-SKILL-ACTION",
            f"the {what} {written.action!r} of {sibling.namespace!r} is not served",
            "mend it",
        )
    known = ", ".join(map(repr, list(sibling.actions)[:10])) or "none"
    return where.warning(
        "W-SKILL-ACTION",
        f"no {what} {written.action!r} in {sibling.namespace!r}",
        f"{_meant(written.action, sibling.actions)}it has {known}",
    )


def _meant(name: str, known: Iterable[str]) -> str:
    close = did_you_mean(name, known, most=1)
    return f"{close} " if close else ""


def _name(written: str) -> str:
    """Make a name of the Agent Skills format: lower case letters, digits and single hyphens."""
    if is_name(written):
        return written
    return re.sub(r"[^a-z0-9]+", "-", written.lower())[:MOST_NAME].strip("-") or "skill"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _whole(value: Json) -> Json:
    """Replace halves of surrogate pairs, which no text that is sent can have."""
    if isinstance(value, str):
        return _HALF_PAIR.sub("\ufffd", value)
    if isinstance(value, dict):
        return {str(_whole(key)): _whole(item) for key, item in value.items()}
    return value


def _yaml(value: Json) -> str:
    """Write a value as YAML: JSON is, but for the characters that YAML wants escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _body(written: spec.Skill, tools: Iterable[tuple[SkillTool, str]]) -> str:
    lines = [f"# {_line(written.name)}", "", written.description.strip(), ""]
    named = [f"- `{_line(tool.name)}`{_said(tool.description, how)}" for tool, how in tools]
    if named:
        lines += ["## Tools", "", *named, ""]
    return "\n".join(lines)


def _said(*sentences: str) -> str:
    said = " ".join(_line(sentence) for sentence in sentences if sentence)
    return f": {said}" if said else ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _shown(skill: Skill, written: spec.Skill) -> str:
    names = [
        f"{tool.name} ({tool.instruction or f'{tool.namespace}.{tool.action}'})"
        if tool.instruction or tool.action
        else f"{tool.name} (not served)"
        for tool in skill.tools
    ]
    files = [f"the files of {written.location}"] if skill.folder is not None else []
    return ", ".join([*names, *files]) or "described only"
