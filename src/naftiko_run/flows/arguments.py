"""Which arguments a unit takes, and how they become the inputs of the operation that it calls.

``with`` first; every other input of the operation is bound to the caller's argument of the same
name. Declared parameters give type, description and ``required`` where they say so.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from naftiko_run.mapping.scope import ARGUMENT_ROOTS, Scope
from naftiko_run.mapping.template import (
    Expression,
    Placeholder,
    compile_text,
    compile_value,
    constant,
    parse,
    reference,
)
from naftiko_run.spec.document import UNSET, Adapter, Parameter, Unit, Where
from naftiko_run.types import Argument, Input, Json

_REFERENCE = re.compile(r"([A-Za-z0-9_-]+)\.(\S+)")
_LOCATED = re.compile(r"(path|query|header|cookie|body)\.(.+)")
_PARAMETER_TARGET = re.compile(r"(?:path|pathParameters|query|queryParameters|header|body)\.(.+)")
CONTENT = "body"


@dataclass(slots=True)
class Binding:
    """The arguments of a unit and the expression of each input of its operation."""

    arguments: list[Argument] = field(default_factory=list)
    inputs: list[tuple[str, Expression]] = field(default_factory=list)
    unused: list[Parameter] = field(default_factory=list)


@dataclass(slots=True)
class _Reference:
    key: str
    name: str
    location: str


class Binder:
    """Binds one unit; ``route`` holds the names of its route's placeholders."""

    def __init__(self, unit: Unit, adapter: Adapter, scope: Scope, route: frozenset[str]) -> None:
        """Read the unit's ``with`` and its declared parameters."""
        self.unit = unit
        self.scope = scope
        self.route = route
        self.roots = ARGUMENT_ROOTS | {adapter.namespace}
        self.declared = {p.name: p for p in unit.parameters}
        self.references: dict[str, _Reference] = {}
        self.clause = {**_mapped(unit.parameters), **unit.arguments}

    @property
    def given(self) -> list[str]:
        """The names of operation inputs that ``with`` gives a value."""
        return [key for key, value in self.clause.items() if value is not None]

    def bind(self, inputs: Sequence[Input], *, passes_content: bool) -> Binding:
        """Bind every input of the operation."""
        known = {i.name: i for i in inputs}
        written = {
            key: self._expression(value, self.unit.where.at("with", key), known.get(key))
            for key, value in self.clause.items()
            if value is not None
        }
        for each in inputs:
            if each.name not in written and each.name not in self.clause:
                written[each.name] = self._implicit(each)
        used = {ref.name for ref in self.references.values()}
        return Binding(
            unused=[p for p in self.unit.parameters if p.name not in used and not _constant(p)],
            arguments=self._arguments(written, known, passes_content=passes_content),
            inputs=list(written.items()),
        )

    # ------------------------------------------------------------------------- expressions

    def _expression(self, value: Json, where: Where, target: Input | None) -> Expression:
        if isinstance(value, str):
            return self._text(value, where, target)
        return compile_value(value, lambda text: self._text(text, where, None))

    def _text(self, text: str, where: Where, target: Input | None) -> Expression:
        match = _REFERENCE.fullmatch(text)
        if match and match[1] in self.roots:
            return self._refer(match[2], target)
        if match and match[1] == "env" and re.fullmatch(r"\w+", match[2]):
            self.scope.report(
                where.warning(
                    "W-VAR-LITERAL",
                    f"{text!r} is read as a variable",
                    f"write '{{{{{match[2]}}}}}'",
                )
            )
            return constant(self.scope.variable(text, where))
        if "{{" not in text:
            return constant(text)

        def resolve(placeholder: Placeholder) -> str | Expression:
            name = self._argument_of(placeholder)
            if name is None:
                return self.scope.resolve(placeholder, where)
            found = self._refer(name, None)
            return reference(found.direct, placeholder.filter) if found.direct else found

        return compile_text(parse(text), resolve)

    def _argument_of(self, placeholder: Placeholder) -> str | None:
        match = _REFERENCE.fullmatch(placeholder.name)
        if match and match[1] in self.roots:
            return match[2]
        return None if self.scope.is_variable(placeholder) else placeholder.name

    def _refer(self, name: str, target: Input | None) -> Expression:
        parameter = self.declared.get(name)
        if parameter is not None and _constant(parameter):
            return constant(parameter.value)  # type: ignore[arg-type]
        located = _LOCATED.fullmatch(name)
        if located and self.unit.method and not self._is_name(name):
            found = _Reference(f"{located[1]}.{located[2]}", located[2], located[1])
        elif name == CONTENT and target is not None and _is_content(target):
            found = _Reference(CONTENT, CONTENT, "content")
        else:
            location = parameter.location if parameter and self.unit.method else ""
            found = _Reference(name, name, location)
        self.references.setdefault(found.key, found)
        return reference(found.key)

    def _is_name(self, name: str) -> bool:
        return name in self.declared or name in self.route

    def _implicit(self, target: Input) -> Expression:
        parameter = self.declared.get(target.name)
        if parameter is not None and _constant(parameter):
            return constant(parameter.value)  # type: ignore[arg-type]
        location = "content" if _is_content(target) else ""
        if parameter is not None and self.unit.method and not location:
            location = parameter.location
        self.references.setdefault(
            target.name, _Reference(target.name, target.name, location)
        )
        return reference(target.name)

    # --------------------------------------------------------------------------- arguments

    def _arguments(
        self,
        written: Mapping[str, Expression],
        known: Mapping[str, Input],
        *,
        passes_content: bool,
    ) -> list[Argument]:
        direct: dict[str, list[Input]] = {}
        needed: set[str] = set()
        for name, expression in written.items():
            target = known.get(name)
            needed |= expression.required
            if expression.direct and target is not None:
                direct.setdefault(expression.direct, []).append(target)
        arguments = []
        for key, ref in self._ordered():
            parameter = self.declared.get(ref.name)
            argument = _argument(ref, direct.get(key, []), parameter, required=key in needed)
            if passes_content and argument.location == "" and ref.name in self.route:
                argument = replace(argument, location="path")
            elif passes_content and argument.location == "":
                argument = replace(argument, location="query")
            if self.unit.method and ref.name in self.route and argument.location in ("", "path"):
                argument = replace(argument, location="path", required=True)
            arguments.append(argument)
        return arguments

    def _ordered(self) -> list[tuple[str, _Reference]]:
        """Order arguments as declared, then as referred to."""
        for parameter in self.unit.parameters:
            if parameter.name not in self.references and not _constant(parameter):
                location = parameter.location if self.unit.method else ""
                self.references[parameter.name] = _Reference(
                    parameter.name, parameter.name, location
                )
        order = {p.name: n for n, p in enumerate(self.unit.parameters)}
        return sorted(self.references.items(), key=lambda r: order.get(r[1].name, len(order)))


def _constant(parameter: Parameter) -> bool:
    """Say whether a declared parameter is a constant, whatever the caller sends."""
    value = parameter.value
    return value is not UNSET and not (isinstance(value, str) and value.startswith("$"))


def _is_content(target: Input) -> bool:
    return target.location == "content"


def _argument(
    ref: _Reference, targets: Sequence[Input], parameter: Parameter | None, *, required: bool
) -> Argument:
    target = targets[0] if targets else None
    declared = parameter.type if parameter else ""
    json_type = declared or (target.type if target else "")
    return Argument(
        key=ref.key,
        name=ref.name,
        location=ref.location,
        type=json_type if json_type in _TYPES else ("string" if json_type else ""),
        required=required
        or any(t.required for t in targets)
        or bool(parameter and parameter.required),
        nullable=any(t.nullable for t in targets) or bool(parameter and parameter.nullable),
        description=(parameter.description if parameter else "")
        or next((t.description for t in targets if t.description), ""),
        schema=(parameter.schema if parameter and parameter.schema else {})
        or (target.schema if target else {}),
        header=any(t.location == "header" for t in targets),
    )


_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object"})


def _mapped(parameters: Sequence[Parameter]) -> dict[str, Json]:
    """Read ``mapping`` of declared inputs (published dialect): where each one goes."""
    clause: dict[str, Json] = {}
    for parameter in parameters:
        if parameter.mapping and not parameter.mapping.startswith("$"):
            match = _PARAMETER_TARGET.fullmatch(parameter.mapping)
            target = match[1] if match else parameter.mapping.rpartition(".")[2]
            clause[target] = f"tools.{parameter.name}"
    return clause
