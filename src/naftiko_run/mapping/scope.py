"""What a name inside a text means: a variable, or an argument of the caller."""

import re
from collections.abc import Callable

from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.findings import Finding
from naftiko_run.mapping.template import (
    FILTERS,
    Expression,
    Placeholder,
    compile_text,
    constant,
    parse,
    reference,
)
from naftiko_run.spec.document import Where
from naftiko_run.types import Binds

_SCREAMING = re.compile(r"[A-Z][A-Z0-9_]*")
_DOTTED = r"(?:[a-z][\w-]*\.)?[A-Z][A-Z0-9_]*"
_UNBRACED = re.compile(rf"\$?({_DOTTED})|\{{({_DOTTED})\}}")
_SHELL = re.compile(rf"\$\{{({_DOTTED})\}}")
ARGUMENT_ROOTS = frozenset({"tools", "rest", "mcp"})
"""Roots that stand for the caller's arguments; the namespaces of adapters are added to them."""


class Scope(Struct):
    """Resolves the names of one consumed API's texts and notes which variables lack a value.

    ``unset`` collects, per variable without a value, what uses it; calls that need one are
    refused. ``parameters`` are names that mean an argument although they look like a variable.
    """

    binds: Binds
    roots: frozenset[str] = ARGUMENT_ROOTS
    report: Callable[[Finding], None] = lambda _: None
    parameters: frozenset[str] = frozenset()
    used_by: str = ""
    unset: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    """Placeholders whose filter nobody knows: what they stand in has no value."""

    def using(self, used_by: str, parameters: frozenset[str] = frozenset()) -> "Scope":
        """Return a scope for another text; its unset variables are its own."""
        scope = Scope(self.binds, self.roots, self.report, parameters, used_by)
        scope.unreadable = self.unreadable
        return scope

    def of_its_own(self) -> "Scope":
        """Return a scope that notes apart what cannot be read of the texts compiled with it."""
        return replace(self, unreadable=[])

    def left_out(self, where: Where) -> Finding | None:
        """Say why what was compiled with this scope is not served, if a text cannot be read."""
        if not self.unreadable:
            return None
        return where.error(
            "E-FILTER",
            f"the filter of {self.unreadable[0]!r} is not known",
            f"use one of {', '.join(FILTERS)}",
        )

    def argument_name(self, name: str) -> str | None:
        """Return the argument that a dotted reference means, None where it is no such reference."""
        root, dot, rest = name.partition(".")
        return rest if dot and rest and root in self.roots else None

    def is_variable(self, placeholder: Placeholder) -> bool:
        """Say whether a placeholder means a variable (published dialect, section 2)."""
        name = placeholder.name
        if placeholder.single or self.argument_name(name) is not None:
            return False
        if self.binds.declares(name) or self._of_a_bind(name):
            return True
        return name not in self.parameters and _SCREAMING.fullmatch(name) is not None

    def _of_a_bind(self, name: str) -> bool:
        namespace, dot, key = name.partition(".")
        known = (n for n in self.binds.names if n.startswith(f"{namespace}."))
        return bool(dot and key) and (namespace == "env" or any(known))

    def variable(self, name: str, where: Where) -> str:
        """Return a variable's value; one without a value is noted and reads as empty."""
        key = name.removeprefix("env.") if not self.binds.declares(name) else name
        value = self.binds.value(key)
        if not self.binds.declares(key):
            self.report(
                where.warning(
                    "W-VAR-UNDECLARED",
                    f"variable {name!r} is not declared in 'binds'",
                    "declare it: the environment variable of that name is used",
                )
            )
        if value is None:
            self.unset[name.removeprefix("env.")] = self.used_by
            return ""
        return value

    def text(self, text: str, where: Where, *, single: bool = False) -> Expression:
        """Compile a text of the consumed side."""
        return compile_text(
            parse(text, single=single), lambda placeholder: self.resolve(placeholder, where)
        )

    def resolve(self, placeholder: Placeholder, where: Where) -> Expression:
        """Give one placeholder its meaning."""
        if placeholder.filter and placeholder.filter not in FILTERS:
            self.report(
                where.error(
                    "E-FILTER",
                    f"unknown filter {placeholder.filter!r}",
                    f"use one of {', '.join(FILTERS)}",
                )
            )
            self.unreadable.append(f"{{{{{placeholder.name} | {placeholder.filter}}}}}")
            return constant("")
        if self.is_variable(placeholder):
            return _secret(self.variable(placeholder.name, where), placeholder)
        name = self.argument_name(placeholder.name) or placeholder.name
        return reference(name, placeholder.filter)

    def constant_text(self, text: str, where: Where) -> str:
        """Compile a text that may hold variables alone (a credential, a base URI).

        A name that would be an argument elsewhere is looked up as a variable here.
        """

        def resolve(placeholder: Placeholder) -> Expression:
            name = placeholder.name
            if self.is_variable(placeholder):
                return self.resolve(placeholder, where)
            self.report(
                where.warning(
                    "W-AUTH-COMPUTED",
                    f"nothing defines {name!r}: the environment variable of that name is used",
                    "declare a variable in 'binds'",
                )
            )
            value = self.binds.value(name)
            if value is None:
                self.unset[name] = self.used_by
            return _secret(value or "", placeholder)

        text = self._with_braces(text, where)
        value = compile_text(parse(text), resolve).evaluate({})
        return value if isinstance(value, str) else ""

    def _with_braces(self, text: str, where: Where) -> str:
        """Read as a variable what only lacks the braces of one: a name is nobody's credential."""
        alone = _UNBRACED.fullmatch(text.strip())
        name = (alone[1] or alone[2]) if alone else ""
        if name and self._names_variable(name):
            meant = f"{{{{{name}}}}}"
        else:
            meant = _SHELL.sub(lambda found: f"{{{{{found[1]}}}}}", text)
        if meant != text:
            self.report(
                where.warning(
                    "W-VAR-LITERAL", f"{text!r} is read as a variable", f"write {meant!r}"
                )
            )
        return meant

    def _names_variable(self, name: str) -> bool:
        return name.startswith("env.") or self.binds.declares(name) or self._of_a_bind(name)


def _secret(value: str, placeholder: Placeholder) -> Expression:
    """Make a variable's value, through its filter, which shows as its name alone."""
    apply = FILTERS.get(placeholder.filter, str)
    return constant(apply(value), f"{{{{{placeholder.name}}}}}")
