"""What a name means: a variable or an argument; and which variables lack a value."""

import pytest

from naftiko_run.findings import Finding
from naftiko_run.mapping.scope import Scope
from naftiko_run.mapping.template import Placeholder
from naftiko_run.spec.document import Where
from naftiko_run.types import Binds
from tests.spec.documents import SECRET, Recorder, codes, rule, source, without_where

WHERE = Where(source("a: 1"))
BINDS = Binds(
    {
        "TOKEN": SECRET,
        "env.TOKEN": SECRET,
        "EMPTY": None,
        "env.EMPTY": None,
        "ours.KEY": "k",
        "KEY": "k",
    },
    {"UNDECLARED": "u", "signature": "s"},
)


def scope() -> tuple[Scope, list[str]]:
    findings: list[str] = []
    found = Scope(BINDS, report=lambda finding: findings.append(finding.code))
    return found.using("a test", frozenset({"PARAMETER"})), findings


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        rule("R-VAR-1", "a declared name", "TOKEN", "variable"),
        rule("R-VAR-2", "env and a name", "env.TOKEN", "variable"),
        rule("R-VAR-2", "env and a name that nobody declares", "env.lower", "variable"),
        rule("R-VAR-2", "the bind's namespace and a name", "ours.KEY", "variable"),
        rule(
            "R-VAR-2", "the bind's namespace and a name that it has not", "ours.OTHER", "variable"
        ),
        rule("R-VAR-3", "capitals that nobody declares", "UNDECLARED", "variable"),
        rule("R-TPL-1", "tools and a name", "tools.TOKEN", "TOKEN"),
        rule("R-TPL-1", "rest and a name", "rest.x", "x"),
        rule("R-TPL-1", "mcp and a dotted name", "mcp.id.project", "id.project"),
        rule("R-TPL-1", "any other name", "keyId", "keyId"),
        rule("R-TPL-1", "a dotted name of no known root", "id.project", "id.project"),
        rule("R-TPL-1", "capitals that are a parameter of the operation", "PARAMETER", "PARAMETER"),
        rule("R-TPL-1", "a root without a name", "tools", "tools"),
    ],
)
def test_a_name_in_double_braces_is_a_variable_or_an_argument(name: str, meaning: str) -> None:
    found, _ = scope()
    is_variable = found.is_variable(Placeholder(name))
    assert is_variable == (meaning == "variable")
    if not is_variable:
        assert found.resolve(Placeholder(name), WHERE).direct == meaning


def test_the_namespaces_of_adapters_are_roots_of_arguments() -> None:
    found = Scope(BINDS, frozenset({"tools", "ships"}))
    assert found.argument_name("ships.x") == "x"
    assert found.argument_name("rest.x") is None


@pytest.mark.parametrize("name", ["UUID", "TOKEN", "env.TOKEN"])
def test_r_path_1_single_braces_always_mean_a_parameter(name: str) -> None:
    found, findings = scope()
    assert found.resolve(Placeholder(name, single=True), WHERE).direct == name
    assert findings == []


@pytest.mark.parametrize(
    ("written", "value", "found_codes", "unset"),
    [
        rule("R-VAR-1", "declared", "{{TOKEN}}", SECRET, [], {}),
        rule("R-VAR-1", "inside a text", "a {{TOKEN}} {{KEY}}", f"a {SECRET} k", [], {}),
        rule("R-VAR-2", "with env", "{{env.TOKEN}}", SECRET, [], {}),
        rule("R-VAR-2", "with the bind's namespace", "{{ours.KEY}}", "k", [], {}),
        rule("R-VAR-3", "not declared", "{{UNDECLARED}}", "u", ["W-VAR-UNDECLARED"], {}),
        rule(
            "R-VAR-3", "not declared, with env", "{{env.UNDECLARED}}", "u", ["W-VAR-UNDECLARED"], {}
        ),
        rule("R-VAR-4", "declared, without a value", "{{EMPTY}}", "", [], {"EMPTY": "a test"}),
        rule("R-VAR-4", "with env, without a value", "{{env.EMPTY}}", "", [], {"EMPTY": "a test"}),
        rule("R-VAR-4", "nowhere", "{{NOWHERE}}", "", ["W-VAR-UNDECLARED"], {"NOWHERE": "a test"}),
    ],
)
def test_variables_are_resolved_at_load(
    written: str, value: str, found_codes: list[str], unset: dict[str, str]
) -> None:
    found, findings = scope()
    compiled = found.text(written, WHERE)
    assert (compiled.evaluate({}), compiled.constant) == (value, True)
    assert (findings, found.unset) == (found_codes, unset)


def test_the_values_of_variables_are_never_shown() -> None:
    found, _ = scope()
    compiled = found.text("Bearer {{TOKEN}} for {{tools.who}}", WHERE)
    assert compiled.evaluate({"who": "me"}) == f"Bearer {SECRET} for me"
    assert repr(compiled) == "Bearer {{TOKEN}} for {{who}}"
    assert SECRET not in f"{found!r}{BINDS!r}{Recorder()!r}"


def test_a_filter_applies_to_variables_as_well() -> None:
    found, _ = scope()
    assert found.text("{{signature | slug}}", WHERE).direct == ""
    slugged = Scope(Binds({"NAME": "Zoë's ship"})).text("{{NAME | slug}}", WHERE)
    assert slugged.evaluate({}) == "Zoe-s-ship"


def test_an_unknown_filter_is_an_error_that_names_the_known_ones() -> None:
    findings: list[Finding] = []
    Scope(BINDS, report=findings.append).text("{{x | upper}}", WHERE)
    assert [without_where(f) for f in findings] == [
        without_where(WHERE.error("E-FILTER", "unknown filter 'upper'", "use one of slug"))
    ]


def test_r_var_6_a_computed_name_in_a_credential_is_looked_up_with_a_warning() -> None:
    findings: list[Finding] = []
    found = Scope(BINDS, report=findings.append).using("authentication of 'up'")
    assert found.constant_text("HMAC {{TOKEN}}:{{signature}}", WHERE) == f"HMAC {SECRET}:s"
    assert (codes(findings), found.unset) == (["W-AUTH-COMPUTED"], {})
    assert found.constant_text("HMAC {{other}}", WHERE) == "HMAC "
    assert found.unset == {"other": "authentication of 'up'"}


def test_a_scope_for_another_text_keeps_its_own_unset_variables() -> None:
    first, _ = scope()
    first.text("{{EMPTY}}", WHERE)
    second = first.using("another", frozenset())
    assert (first.unset, second.unset) == ({"EMPTY": "a test"}, {})
