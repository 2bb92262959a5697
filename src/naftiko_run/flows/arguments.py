"""Which arguments a unit takes, and how they become the inputs of the operation that it calls.

``with`` first; every other input of the operation is bound to the caller's argument of the same
name. Declared parameters give type, description and ``required`` where they say so.
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from naftiko_run.errors import VariableError
from naftiko_run.flows.inputs import compile_check
from naftiko_run.flows.parameters import Declarations, Declared, Fixed, Place, default_of
from naftiko_run.mapping.scope import ARGUMENT_ROOTS, Scope
from naftiko_run.mapping.template import (
    FILTERS,
    Expression,
    Placeholder,
    compile_text,
    compile_value,
    constant,
    parse,
    reference,
)
from naftiko_run.spec.document import Adapter, Authentication, Parameter, Unit, Where
from naftiko_run.types import MISSING, Argument, Input, Inputs, Json, Missing

_REFERENCE = re.compile(r"([A-Za-z0-9_-]+)\.(\S+)")
_LOCATED = re.compile(r"(path|query|header|cookie|body)\.(.+)")
_PARAMETER_TARGET = re.compile(r"(?:path|pathParameters|query|queryParameters|header|body)\.(.+)")
_ALMOST = re.compile(r"(\$?)(\{?)([A-Za-z][\w-]*)\.([A-Za-z_][\w.-]*)\}?")
_OTHER_ROOTS = frozenset("tool arg args arguments inputs params parameters".split())
CONTENT = "body"
_PRIVATE_HEADERS = frozenset({"authorization", "cookie", "host", "proxy-authorization"})


def apikey_of(clause: Authentication) -> tuple[str, str]:
    """Return where an adapter's callers send their key: its name, and ``header`` or ``query``."""
    name = clause.fields.get("key") or clause.fields.get("name") or "X-API-Key"
    place = clause.fields.get("placement") or clause.fields.get("in") or "header"
    return str(name), str(place).lower()


def private_headers(adapter: Adapter) -> frozenset[str]:
    """Return the header fields, in lower case, that reach an upstream only where ``with`` says so.

    They are what callers authenticate with, and what belongs to this connection.
    """
    clause = adapter.authentication
    if clause is None or clause.type != "apikey":
        return _PRIVATE_HEADERS
    name, place = apikey_of(clause)
    return _PRIVATE_HEADERS | ({name.lower()} if place != "query" else set())


class _Reference(Struct):
    key: str
    name: str
    location: str
    places: tuple[Place, ...] = ()
    """Where it is declared to be, the first to look at first."""


class Binder:
    """Binds what one unit runs: one operation, or those of its steps one after the other.

    ``route`` holds the names of the route's placeholders, ``context`` names that are no arguments:
    outputs of steps that have run, and values that the unit derives.
    """

    def __init__(self, unit: Unit, adapter: Adapter, scope: Scope, route: frozenset[str]) -> None:
        """Read the unit's ``with`` and its declared parameters."""
        self.unit = unit
        self.scope = scope.using(f"'with' of {unit.name or unit.call!r}").of_its_own()
        self.route = route
        self.roots = ARGUMENT_ROOTS | {adapter.written_as or adapter.namespace}
        self.private = private_headers(adapter)
        self.declared = Declarations(unit, self.scope)
        self.references: dict[str, _Reference] = {}
        self.implicit: set[str] = set()
        self.context: set[str] = set()
        self.clause: dict[str, Json] = {**_mapped(unit), **unit.arguments}
        self._direct: dict[str, list[Input]] = {}
        self._needed: set[str] = set()
        self._passes_content = False

    @property
    def given(self) -> list[str]:
        """The names of operation inputs that ``with`` gives a value."""
        return [key for key, value in self.clause.items() if value is not None]

    def bind(
        self,
        inputs: Sequence[Input],
        *,
        passes_content: bool,
        clause: Mapping[str, Json] | None = None,
        where: Where | None = None,
    ) -> list[tuple[str, Expression]]:
        """Bind every input of an operation; ``clause`` is a step's own ``with``."""
        clause = self.clause if clause is None else clause
        where = where or self.unit.where
        known = {i.name: i for i in inputs}
        written = {
            key: self.expression(value, where.at("with", key), known.get(key))
            for key, value in clause.items()
            if value is not None
        }
        for each in inputs:
            if each.name not in written and each.name not in clause:
                written[each.name] = self._implicit(each)
        for name, expression in written.items():
            target = known.get(name)
            self._needed |= expression.required
            if expression.direct and target is not None:
                self._direct.setdefault(expression.direct, []).append(target)
        self._passes_content |= passes_content
        return list(written.items())

    def finish(self) -> tuple[list[Argument], list[Parameter]]:
        """Give the arguments that the unit takes, and the declared ones that feed nothing."""
        used = {ref.name for ref in self.references.values()}
        unused = [p for p in self._open_parameters() if p.name not in used]
        return self._arguments(), unused

    def take_all(self) -> list[tuple[str, Expression]]:
        """Take whatever is declared, and each placeholder of the route: a script may read any.

        Gives the values that no caller has to say.
        """
        declared = list(self.declared)
        for name in self.route - {each.parameter.name for each in declared}:
            self._refer(name, None)
        fixed: list[tuple[str, Expression]] = []
        for each in declared:
            value = self._refer(each.parameter.name, None)
            unset, self.scope.unset = self.scope.unset, {}
            if each.fixed is not None:
                value = _refusing(value, unset, self.scope.used_by) if unset else value
                fixed.append((each.parameter.name, value))
        return fixed

    # ------------------------------------------------------------------------- expressions

    def expression(self, value: Json, where: Where, target: Input | None = None) -> Expression:
        """Compile a value of ``with``, or of a lookup."""
        if isinstance(value, str):
            expression = self._text(value, where, target)
        else:
            value = _without_nulls(value)
            expression = compile_value(value, lambda text: self._text(text, where, None))
        unset, self.scope.unset = self.scope.unset, {}
        return _refusing(expression, unset, self.scope.used_by) if unset else expression

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
            return self.scope.resolve(Placeholder(text), where)
        if "{{" not in text:
            self._say_if_meant(text, where)
            return constant(text)
        parts = parse(text)
        alone = target if len(parts) == 1 else None

        def resolve(placeholder: Placeholder) -> Expression:
            name = self._argument_of(placeholder)
            if name is None or placeholder.filter not in ("", *FILTERS):
                return self.scope.resolve(placeholder, where)
            found = self._refer(name, alone)
            if placeholder.filter and found.direct:
                return reference(found.direct, placeholder.filter)
            return found

        return compile_text(parts, resolve)

    def _say_if_meant(self, text: str, where: Where) -> None:
        """Warn of a text that is sent as it stands, and looks as if an argument were meant."""
        match = _ALMOST.fullmatch(text)
        if match is None:
            return
        decorated = match[1] or match[2]
        if decorated or match[3] in self.scope.roots or match[3] in _OTHER_ROOTS:
            root = "rest" if self.unit.method else "tools"
            argument = match[4].partition(".")[2] if match[3] == "this" else match[4]
            self.scope.report(
                where.warning(
                    "W-WITH-LITERAL",
                    f"{text!r} is sent as it stands: it is no argument",
                    f"write '{root}.{argument}' for the argument {argument!r}",
                )
            )

    def _argument_of(self, placeholder: Placeholder) -> str | None:
        match = _REFERENCE.fullmatch(placeholder.name)
        if match and match[1] in self.roots:
            return match[2]
        return None if self.scope.is_variable(placeholder) else placeholder.name

    def _refer(self, name: str, target: Input | None) -> Expression:
        if name.partition(".")[0] in self.context:
            return _within(name)
        declared = self.declared.get(name)
        if declared is not None and not declared.open:
            return self._fixed(declared.fixed)
        located = _LOCATED.fullmatch(name)
        if located and self.unit.method and not self._is_name(name):
            return self._located(located[1], located[2])
        if (
            name == CONTENT
            and target is not None
            and _is_content(target)
            and not _selects(declared)
        ):
            found = _Reference(CONTENT, CONTENT, "content")
        else:
            found = _Reference(name, name, "", declared.places if declared else ())
        found = self.references.setdefault(found.key, found)
        return self._or_fixed(reference(found.key), declared)

    def _located(self, location: str, name: str) -> Expression:
        """Refer to an argument in one place of the request alone."""
        if (fixed := self.declared.fixed_at(name, location)) is not None:
            return self._fixed(fixed)
        declared = self.declared.get(name)
        place = declared.at(location) if declared else None
        found = _Reference(f"{location}.{name}", name, location, (place,) if place else ())
        self.references.setdefault(found.key, found)
        return reference(found.key)

    def _fixed(self, fixed: Fixed | None) -> Expression:
        """Use a value that no caller gives; what it lacks refuses the calls of what uses it."""
        if fixed is None:
            return constant(None)
        self.scope.unset.update(fixed.unset)
        return fixed.value

    def _or_fixed(self, found: Expression, declared: Declared | None) -> Expression:
        if declared is None or declared.fixed is None:
            return found
        first, second = found.evaluate, self._value_of(declared.fixed).evaluate

        def either(inputs: Inputs) -> Json | Missing:
            value = first(inputs)
            return second(inputs) if value is MISSING else value

        return replace(found, evaluate=either)

    def _value_of(self, fixed: Fixed) -> Expression:
        """Give a value that no caller gives; without its variables it refuses the calls."""
        if not fixed.unset:
            return fixed.value
        return _refusing(fixed.value, fixed.unset, self.scope.used_by)

    def _is_name(self, name: str) -> bool:
        return self.declared.get(name) is not None or name in self.route

    def _implicit(self, target: Input) -> Expression:
        if target.name in self.context:
            return _within(target.name)
        declared = self.declared.get(target.name)
        if declared is not None and not declared.open and declared.fixed is not None:
            return self._value_of(declared.fixed)
        self.implicit.add(target.name)
        content = _is_content(target) and not _selects(declared)
        places = declared.places if declared and not content else ()
        if self._is_private(target.name):
            places = tuple(place for place in places if place.location != "header")
        found = _Reference(target.name, target.name, "content" if content else "", places)
        self.references.setdefault(target.name, found)
        return self._or_fixed(reference(target.name), declared)

    def _is_private(self, name: str) -> bool:
        return name.lower() in self.private

    # --------------------------------------------------------------------------- arguments

    def _arguments(self) -> list[Argument]:
        arguments = []
        for key, ref in self._ordered():
            targets, parameter = self._direct.get(key, []), self._parameter_of(ref)
            argument = _argument(ref, targets, parameter, required=key in self._needed)
            if argument.default is not MISSING or self._has_fixed(ref):
                argument = replace(argument, required=False)
            in_header = ref.name in self.implicit and not self._is_private(ref.name)
            argument = replace(argument, header=argument.header and in_header)
            if self.unit.method:
                # A body that is passed on as it is has no fields to look into, except those that
                # the operation takes by name.
                fields = any(t.location == "body" for t in self._direct.get(key, []))
                opaque = self._passes_content and not fields
                places = [replace(argument, location=p.location, selection=p.selection)
                          for p in ref.places]  # fmt: skip
                first, *others = [
                    self._placed(each, opaque=opaque) for each in places or [argument]
                ]
                argument = replace(first, others=tuple(others))
            arguments.append(self._with_sound_schema(argument))
        return _with_whole(arguments) if self.unit.method else arguments

    def _has_fixed(self, ref: _Reference) -> bool:
        declared = self.declared.get(ref.name)
        return ref.key == ref.name and declared is not None and declared.fixed is not None

    def _parameter_of(self, ref: _Reference) -> Parameter | None:
        declared = self.declared.get(ref.name)
        if declared is None or not declared.open:
            return None
        if ref.location not in ("", "content") and ref.places:
            return ref.places[0].parameter
        return declared.parameter

    def _placed(self, argument: Argument, *, opaque: bool) -> Argument:
        """Say where REST takes an argument from, as far as that is known beforehand."""
        if argument.name in self.route and argument.location in ("", "path"):
            return replace(argument, location="path", required=True)
        if opaque and argument.location == "":
            return replace(argument, location="query")
        if opaque and argument.location == "content":
            return replace(argument, type="")  # whatever JSON it is, it is passed on
        return argument

    def _with_sound_schema(self, argument: Argument) -> Argument:
        try:
            compile_check(argument)
        except ValueError as error:
            declared = self.declared.get(argument.name)
            self.scope.report(
                (declared.parameter if declared else self.unit).where.warning(
                    "W-SCHEMA",
                    f"the schema of {argument.name!r} cannot be checked: {error}",
                    "mend it: only the type is checked",
                )
            )
            return replace(argument, schema={})
        return argument

    def _ordered(self) -> list[tuple[str, _Reference]]:
        """Order arguments as declared, then as referred to."""
        located = {(ref.name, ref.location) for ref in self.references.values()}
        for declared in self.declared:
            name = declared.parameter.name
            places = tuple(p for p in declared.places if (name, p.location) not in located)
            if name not in self.references and places:
                self.references[name] = _Reference(name, name, "", places)
        order = {p.name: n for n, p in enumerate(self.unit.parameters)}
        return sorted(self.references.items(), key=lambda r: order.get(r[1].name, len(order)))

    def _open_parameters(self) -> list[Parameter]:
        return [declared.parameter for declared in self.declared if declared.open]


def _within(name: str) -> Expression:
    """Read a value of the context, or a member of it by a dotted name."""
    first, *rest = name.split(".")

    def walk(inputs: Inputs) -> Json | Missing:
        value: Json | Missing = inputs.get(first, MISSING)
        for part in rest:
            value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
        return value

    return Expression(walk, (first,), shown=f"{{{{{name}}}}}")


def _refusing(expression: Expression, unset: Mapping[str, str], used_by: str) -> Expression:
    """Refuse the calls that need a variable without a value."""

    def refuse(_: Inputs) -> Json:
        raise VariableError(unset, used_by)

    return replace(expression, evaluate=refuse)


def _without_nulls(value: Json) -> Json:
    """Leave out nulls: in ``with`` they are absent (R-WITH-3)."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value if v is not None]
    return value


def _is_content(target: Input) -> bool:
    return target.location == "content"


def _selects(declared: Declared | None) -> bool:
    """Say whether an argument is declared to be a part of the body."""
    return declared is not None and any(place.selection for place in declared.places)


def _with_whole(arguments: list[Argument]) -> list[Argument]:
    """Let the one argument of a body be the body itself, where the body has no such field.

    That is so for structures alone: a text that is missing in an object is missing. Where others
    are declared to be fields of the body too, it is an object of named fields and nothing else.
    """
    places = [place for a in arguments for place in (a, *a.others)]
    named = [p for p in places if p.location in ("body", "content") and p.selection is None]
    if len(named) != 1:
        return arguments
    only = named[0]
    declared = only.location == "body" and only.key == only.name
    if not declared or only.type not in ("", "object", "array"):
        return arguments
    return [
        replace(only, location="whole", others=a.others)
        if a is only
        else replace(
            a, others=tuple(replace(o, location="whole") if o is only else o for o in a.others)
        )
        for a in arguments
    ]


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
        default=_default(targets, parameter),
        header=any(t.location == "header" for t in targets),
    )


def _default(targets: Sequence[Input], parameter: Parameter | None) -> Json | Missing:
    """Return an argument's default: its own, or the one that all inputs that it feeds have."""
    own = MISSING if parameter is None else default_of(parameter)
    if own is not MISSING or not targets:
        return own
    first, *others = targets
    return first.default if all(o.default == first.default for o in others) else MISSING


_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object"})


def _mapped(unit: Unit) -> dict[str, Json]:
    """Read ``mapping`` of declared inputs: where each one goes (R-MCP-6)."""
    clause: dict[str, Json] = {}
    for parameter in unit.parameters:
        mapping = parameter.mapping.removeprefix("$").removeprefix(".")
        match = _PARAMETER_TARGET.fullmatch(mapping)
        if match:
            target = match[1]
        elif unit.call and mapping.startswith(f"{unit.call}."):
            target = mapping.removeprefix(f"{unit.call}.")
        else:
            target = mapping.rpartition(".")[2]
        if target:
            clause[target] = f"tools.{parameter.name}"
    return clause
