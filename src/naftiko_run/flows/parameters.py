"""What a unit declares of its arguments: where each one comes from, and what it is otherwise.

A name may be declared by the adapter, the resource and the operation, and in several places at
once. The operation's declaration goes before the resource's, and that before the adapter's; of one
level the last one goes first. Where one gives nothing, the next one is asked.
"""

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.findings import Finding
from naftiko_run.flows.inputs import compile_check
from naftiko_run.mapping.jsonpath import JsonPathError, compile_path
from naftiko_run.mapping.scope import Scope
from naftiko_run.mapping.template import (
    Expression,
    Placeholder,
    compile_text,
    constant,
    parse,
    text_of,
)
from naftiko_run.spec.document import UNSET, Parameter, Unit, Unset
from naftiko_run.types import MISSING, Input, Json, Missing, Selection, Text

PLACES = frozenset({"path", "query", "header", "cookie", "body"})
"""Where a request can have an argument."""

_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object"})
_FIX = "write a value that fits what is declared beside it"


class Fixed(Struct, frozen=True):
    """A value that no caller gives: a constant, or a variable.

    ``unset`` are the variables without a value that it needs: calls that use it are refused.
    """

    value: Expression
    unset: Mapping[str, str] = field(default_factory=dict)


class Place(Struct, frozen=True):
    """One place of a request where an argument may be."""

    parameter: Parameter
    location: str
    selection: Selection | None = None


class Declared(Struct, frozen=True):
    """All that a unit declares of one name.

    ``places`` are where callers may say it, the first to look at first; ``fixed`` is what it is
    where none of them has it. ``parameter`` describes it.
    """

    parameter: Parameter
    places: tuple[Place, ...] = ()
    fixed: Fixed | None = None

    @property
    def open(self) -> bool:
        """Whether a caller may say it."""
        return bool(self.places)

    def at(self, location: str) -> Place | None:
        """Return where a place of the request is read, None where it is not declared."""
        return next((place for place in self.places if place.location == location), None)


class Declarations:
    """What a unit declares, by name; findings about it are reported once."""

    def __init__(self, unit: Unit, scope: Scope) -> None:
        """Read the declared parameters of a unit."""
        self._scope = scope
        self._exposed = bool(unit.method)
        self.problem: Finding | None = None
        """Why the unit cannot be served."""
        self._by_name: dict[str, Declared] = {}
        self._fixed_at: dict[tuple[str, str], Fixed] = {}
        for parameter in reversed(unit.parameters):
            known = self._by_name.get(parameter.name)
            self._by_name[parameter.name] = self._declared(parameter, known)
        self._by_name = {n: self._with_default(each) for n, each in self._by_name.items()}
        for parameter in unit.parameters:
            for finding in misfits(parameter):
                scope.report(finding)

    def __iter__(self) -> Iterator[Declared]:
        """Give all declarations in the order of the document."""
        return reversed(self._by_name.values())

    def get(self, name: str) -> Declared | None:
        """Return what is declared of a name."""
        return self._by_name.get(name)

    def fixed_at(self, name: str, location: str) -> Fixed | None:
        """Return the value that is fixed for one place of a name."""
        return self._fixed_at.get((name, location))

    def _declared(self, parameter: Parameter, known: Declared | None) -> Declared:
        fixed = self._fixed(parameter)
        if fixed is not None:
            self._fixed_at.setdefault((parameter.name, parameter.location), fixed)
        if known is None:
            places = () if fixed else (self._place(parameter),)
            return Declared(parameter, places, fixed)
        if known.fixed is not None:
            return known  # it always has a value: nothing behind it is ever asked
        if fixed is not None and known.parameter.default is not UNSET:
            return known
        described = _described(known.parameter, parameter)
        if fixed is not None:
            described = replace(described, required=False, default=UNSET)
            return Declared(described, known.places, fixed)
        place = self._place(parameter)
        seen = {(p.location, p.selection) for p in known.places}
        new = (place,) if (place.location, place.selection) not in seen else ()
        return Declared(described, (*known.places, *new))

    def _with_default(self, declared: Declared) -> Declared:
        """Make a default that has variables in it what is used where no place has a value."""
        parameter = declared.parameter
        if not declared.open or not _is_template(parameter.default):
            return declared
        fixed = self._text(parameter, "default")
        plain = replace(parameter, required=False, default=UNSET)
        return replace(declared, parameter=plain, fixed=fixed)

    def _place(self, parameter: Parameter) -> Place:
        location = parameter.location if parameter.location in PLACES else ""
        if not self._exposed:
            return Place(parameter, "")
        value = parameter.value
        if not isinstance(value, str) or not value.startswith("$"):
            return Place(parameter, location)
        where = parameter.where.at("value")
        if location not in ("", "body"):
            self._scope.report(
                where.warning(
                    "W-PARAM-VALUE",
                    f"a path into the body says nothing of a parameter in {location!r}",
                    "write 'in: body', or remove 'value'",
                )
            )
            return Place(parameter, location)
        try:
            path = compile_path(value)
        except JsonPathError as error:
            self.problem = where.error(
                "E-MAPPING",
                f"the value of {parameter.name!r} is no JSONPath: {error}",
                "write a path such as $.user.id; a constant with '$' is written as 'const'",
            )
            return Place(parameter, "body")
        # A test inside the path may read further fields of the body.
        first = path.first if value.count("$") == 1 else None
        return Place(parameter, "body", Selection(value, path.find, first, path.names))

    def _fixed(self, parameter: Parameter) -> Fixed | None:
        value = parameter.value
        if value is UNSET:
            return self._variable(parameter) if parameter.location == "environment" else None
        if isinstance(value, str) and value.startswith("$") and not parameter.constant:
            return None
        return self._text(parameter, "value")

    def _text(self, parameter: Parameter, key: str) -> Fixed:
        """Compile a value that may have variables in it; nothing else stands in braces here."""
        value = parameter.value if key == "value" else parameter.default
        value = None if value is UNSET else value
        where = parameter.where.at(key)
        scope = self._scope.using(f"parameter {parameter.name!r}")

        def resolve(placeholder: Placeholder) -> Expression:
            if scope.is_variable(placeholder):
                return scope.resolve(placeholder, where)
            return constant(f"{{{{{placeholder.name}}}}}")

        expression = (
            compile_text(parse(value), resolve) if isinstance(value, str) else constant(value)
        )
        if scope.unset:
            return Fixed(expression, dict(scope.unset))
        return Fixed(self._typed(parameter, expression.evaluate({}), repr(expression)))

    def _variable(self, parameter: Parameter) -> Fixed:
        """Read ``in: environment``: a variable of the process or of a bind."""
        scope = self._scope.using(f"parameter {parameter.name!r}")
        found = scope.resolve(Placeholder(f"env.{parameter.name}"), parameter.where)
        if not scope.unset:
            return Fixed(self._typed(parameter, found.evaluate({}), repr(found)))
        if parameter.default is not UNSET:
            return self._text(parameter, "default")
        if parameter.required is False:
            return Fixed(Expression(lambda _: MISSING, shown=repr(found)))
        return Fixed(found, dict(scope.unset))

    def _typed(self, parameter: Parameter, value: Json | Missing, shown: str) -> Expression:
        """Give a fixed value its declared type; one that does not fit stays as it is."""
        if value is MISSING:
            return constant("", shown)
        fitting, problem = fit(parameter, value)
        if problem:
            self._scope.report(
                parameter.where.warning(
                    "W-PARAM-VALUE",
                    f"the value of {parameter.name!r} {problem}: it is used as it is",
                    _FIX,
                )
            )
        return constant(value if fitting is MISSING else fitting, shown)


def constants(unit: Unit) -> Iterator[tuple[str, str]]:
    """Give the name and place of each parameter that always has the value which is written.

    A caller may send one of that name; it counts for nothing.
    """
    for parameter in unit.parameters:
        value = parameter.value
        path = isinstance(value, str) and value.startswith("$") and not parameter.constant
        if value is not UNSET and not path:
            yield parameter.name, parameter.location


def fit(parameter: Parameter, value: Json) -> tuple[Json | Missing, str]:
    """Give a value that the document writes its declared type: a text may stand for it.

    Gives MISSING where it cannot have it, and what is wrong.
    """
    try:
        check = compile_check(as_input(parameter))
    except ValueError:
        return value, ""  # what is wrong with the keywords is told elsewhere
    try:
        return check(Text(value) if isinstance(value, str) else value), ""
    except ValueError as error:
        problem = str(error)
    try:
        return check(Text(text_of(value))), problem
    except ValueError:
        return MISSING, problem


def as_input(parameter: Parameter) -> Input:
    """Describe a parameter as an input."""
    written = parameter.type
    return Input(
        name=parameter.name,
        type=written if written in _TYPES else ("string" if written else ""),
        nullable=parameter.nullable,
        schema=parameter.schema,
    )


def default_of(parameter: Parameter) -> Json | Missing:
    """Return the value where a caller gives none; templates are no values yet."""
    default = parameter.default
    return MISSING if default is UNSET or _is_template(default) else fit(parameter, default)[0]


def _is_template(value: Json | Unset) -> bool:
    return isinstance(value, str) and "{{" in value


def misfits(parameter: Parameter) -> Iterator[Finding]:
    """Report a default, and values of ``enum``, that break what is declared beside them."""
    values = parameter.schema.get("enum")
    default = parameter.default
    if default is UNSET and not isinstance(values, list):
        return
    schema = {k: v for k, v in parameter.schema.items() if k != "enum"}
    plain = _checked(replace(parameter, schema=schema))
    for index, value in enumerate(values if isinstance(values, list) else ()):
        problem = _exact(parameter, plain, value)
        if problem:
            yield parameter.where.at("enum", index).warning(
                "W-PARAM-VALUE",
                f"a value of 'enum' of {parameter.name!r} {problem}: nobody can send it",
                _FIX,
            )
    if default is UNSET or "{{" in text_of(default):
        return
    problem = _exact(parameter, _checked(parameter), default)
    if problem:
        used = fit(parameter, default)[0] is not MISSING
        yield parameter.where.at("default").warning(
            "W-PARAM-VALUE",
            f"the default of {parameter.name!r} {problem}"
            + (": it is read as if it were" if used else ": it is not used"),
            _FIX,
        )


def _checked(parameter: Parameter) -> Callable[[Json], Json | Missing]:
    try:
        return compile_check(as_input(parameter))
    except ValueError:
        return lambda value: value  # what is wrong with the keywords is told elsewhere


def _exact(parameter: Parameter, check: Callable[[Json], Json | Missing], value: Json) -> str:
    try:
        check(value)
    except ValueError as error:
        return str(error)
    return "" if value is not None or parameter.nullable else "is empty"


def _described(first: Parameter, other: Parameter) -> Parameter:
    """Add what a declaration leaves open from the one behind it."""
    typed = first if first.type or first.schema else other
    return replace(
        first,
        type=typed.type,
        schema=typed.schema,
        nullable=typed.nullable,
        required=other.required if first.required is None else first.required,
        description=first.description or other.description,
        default=other.default if first.default is UNSET else first.default,
    )
