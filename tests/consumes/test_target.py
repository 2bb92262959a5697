"""Where a consumed API is: base URIs with variables, placeholders, and replacements."""

import pytest

from naftiko_run.consumes.target import placeholder_variable
from naftiko_run.types import Binds
from tests.spec.documents import SECRET, build, codes, rule

VALUES = {
    "KONG_ADDRESS": "kong.test:81",
    "FULL_URL": "http://full.test/pre",
    "FTP": "ftp://files.test",
    "PATH_OF": "acme inc",
    "exact": "exact.test",
    "AKKA_MANAGEMENT_HOST": "akka.test",
    "TWO_PORT": "1",
    "OTHER_PORT": "2",
    "UNSET_HOST": None,
}
ENVIRON = {"TENANT_NAME": "acme", "API_PORT": "82"}


@pytest.mark.parametrize(
    ("base_uri", "base", "found"),
    [
        rule(
            "R-URI-1",
            "a variable as host",
            "https://{{KONG_ADDRESS}}/x",
            "https://kong.test:81/x",
            [],
        ),
        rule(
            "R-URI-1",
            "a variable with env",
            "https://{{env.KONG_ADDRESS}}",
            "https://kong.test:81",
            [],
        ),
        rule("R-URI-1", "a whole URL", "{{FULL_URL}}/api/v2", "http://full.test/pre/api/v2", []),
        rule(
            "R-URI-1", "its scheme replaces", "https://{{FULL_URL}}/x", "http://full.test/pre/x", []
        ),
        rule(
            "R-URI-1",
            "a value is encoded",
            "https://a.test/{{PATH_OF}}",
            "https://a.test/acme%20inc",
            [],
        ),
        rule(
            "R-URI-1",
            "a host alone gets a scheme",
            "{{KONG_ADDRESS}}/v1",
            "https://kong.test:81/v1",
            [],
        ),
        rule(
            "R-URI-2", "the variable of its name", "https://{exact}/v1", "https://exact.test/v1", []
        ),
        rule(
            "R-URI-2",
            "its name in capitals",
            "https://a.test/{tenant_name}",
            "https://a.test/acme",
            [],
        ),
        rule("R-URI-2", "camel case", "https://a.test/{tenantName}", "https://a.test/acme", []),
        rule("R-URI-2", "kebab case", "https://a.test/{tenant-name}", "https://a.test/acme", []),
        rule("R-URI-2", "the one bind that ends in it", "http://{host}", "http://akka.test", []),
        rule("R-URI-2", "a dollar before it", "http://c.test:${api_port}", "http://c.test:82", []),
        rule("R-URI-2", "brackets", "https://[tenant_name].test", "https://acme.test", []),
        rule(
            "R-URI-3", "two slashes alone", "//a.test/m", "https://a.test/m", ["W-BASEURI-SCHEME"]
        ),
        rule("R-URI-3", "a host alone", "a.test/m", "https://a.test/m", ["W-BASEURI-SCHEME"]),
        rule("R-URI-6", "localhost", "http://localhost:8080/v1", "http://localhost:8080/v1", []),
        rule("R-URI-6", "an IPv6 address", "http://[::1]:8080/v1", "http://[::1]:8080/v1", []),
        rule("R-URI-7", "slashes at its end", "https://a.test/v1//", "https://a.test/v1", []),
        rule("R-URI-7", "spaces around it", " https://a.test/v1 ", "https://a.test/v1", []),
        rule(
            "R-URI-7",
            "what is encoded stays so",
            "https://a.test/a%20b",
            "https://a.test/a%20b",
            [],
        ),
    ],
)
def test_a_base_uri_is_resolved_at_load(base_uri: str, base: str, found: list[str]) -> None:
    values = {k: v for k, v in VALUES.items() if k != "UNSET_HOST"}
    built = build(f"baseUri: '{base_uri}'", declared=values, environ=ENVIRON)
    assert (built.target.base, dict(built.target.unset), built.problem) == (base, {}, None)
    assert codes(built.findings) == found


@pytest.mark.parametrize(
    ("base_uri", "unset", "found"),
    [
        rule(
            "R-URI-2", "none of several", "http://d.test:{port}", "port", ["W-BASEURI-PLACEHOLDER"]
        ),
        rule(
            "R-URI-2",
            "nothing at all",
            "https://[nobody].test",
            "nobody",
            ["W-BASEURI-PLACEHOLDER"],
        ),
        rule("R-URI-2", "a bind without value", "https://{unset_host}", "UNSET_HOST", []),
        rule("R-URI-1", "a variable without value", "https://{{UNSET_HOST}}", "UNSET_HOST", []),
        rule(
            "R-VAR-3", "nobody declares it", "https://{{NO_HOST}}", "NO_HOST", ["W-VAR-UNDECLARED"]
        ),
    ],
)
def test_r_var_4_what_has_no_value_is_named_and_served(
    base_uri: str, unset: str, found: list[str]
) -> None:
    built = build(f"baseUri: '{base_uri}'", declared=VALUES)
    assert (dict(built.target.unset), built.problem) == ({unset: "baseUri of 'up'"}, None)
    assert str(built.operation.refusal) == f"variable {unset} (baseUri of 'up') is not set"
    assert codes(built.findings) == found


@pytest.mark.parametrize(
    ("base_uri", "code", "message"),
    [
        rule("R-URI-4", "empty", "", "E-BASEURI-MISSING", "no base URI"),
        rule("R-URI-4", "relative", "/api/v1", "E-BASEURI-MISSING", "no base URI with a host"),
        rule("R-URI-4", "no host", "https://", "E-BASEURI-MISSING", "no base URI with a host"),
        rule(
            "R-URI-4", "no port", "http://a.test:x1", "E-BASEURI-MISSING", "no base URI with a host"
        ),
        rule("R-URI-4", "a bracket", "http://[a b", "E-BASEURI-MISSING", "no base URI with a host"),
        rule(
            "R-URI-5",
            "another protocol",
            "tcp://localhost:8194",
            "E-UPSTREAM-SCHEME",
            "upstream scheme 'tcp' is not supported",
        ),
        rule(
            "R-URI-5",
            "another protocol from a variable",
            "{{FTP}}/x",
            "E-UPSTREAM-SCHEME",
            "upstream scheme 'ftp' is not supported",
        ),
    ],
)
def test_a_base_uri_that_cannot_be_called_is_a_problem_of_its_units(
    base_uri: str, code: str, message: str
) -> None:
    problem = build(f"baseUri: '{base_uri}'", declared=VALUES).problem
    assert problem is not None
    assert (problem.code, problem.message) == (code, message)
    assert "--upstream up=URL" in problem.fix


@pytest.mark.parametrize("base_uri", ["https://a.test/v1", "tcp://a.test", "", "https://{nobody}"])
def test_r_uri_4_an_upstream_replaces_the_whole_base_uri(base_uri: str) -> None:
    built = build(f"baseUri: '{base_uri}'", upstream="http://127.0.0.1:9/x/")
    assert built.request().url == "http://127.0.0.1:9/x"
    assert (built.problem, built.operation.refusal, built.findings) == (None, None, [])


@pytest.mark.parametrize(
    ("base_uri", "base"),
    [
        ("https://a.test/v1/", "http://127.0.0.1:9/v1"),
        ("https://{nobody}.test/v1", "http://127.0.0.1:9/v1"),
        ("{{NO_URL}}/api/v2", "http://127.0.0.1:9/api/v2"),
        ("{{FULL_URL}}/api/v2", "http://127.0.0.1:9/pre/api/v2"),
        ("tcp://localhost:8194/x", "http://127.0.0.1:9/x"),
        ("/api/v1", "http://127.0.0.1:9/api/v1"),
        ("", "http://127.0.0.1:9"),
        ("a.test/m", "http://127.0.0.1:9/m"),
    ],
)
def test_an_origin_replaces_scheme_and_authority_and_keeps_the_path(
    base_uri: str, base: str
) -> None:
    built = build(f"baseUri: '{base_uri}'", declared=VALUES, origin="http://127.0.0.1:9/")
    assert built.target.base == base
    assert (built.problem, built.operation.refusal) == (None, None)


@pytest.mark.parametrize("base_uri", ["https://{nobody}.test/{tenant}", "{nobody}/{tenant}"])
def test_an_origin_still_needs_the_placeholders_of_the_path(base_uri: str) -> None:
    built = build(f"baseUri: '{base_uri}'", origin="http://127.0.0.1:9")
    assert dict(built.target.unset) == {"tenant": "baseUri of 'up'"}


def test_the_placeholder_of_a_credential_is_left_for_it() -> None:
    built = build(
        """
        baseUri: https://a.test/bot{token}
        authentication: {type: apikey, key: token, value: "{{TOKEN}}", placement: path}
        path: /getMe
        """,
        declared={"TOKEN": "12:ab c"},
    )
    assert built.request().url == "https://a.test/bot12:ab%20c/getMe"
    assert built.findings == []


@pytest.mark.parametrize(
    ("base_uri", "shown"),
    [
        ("https://hooks.test/{{SECRET_PATH}}", "https://hooks.test/{{SECRET_PATH}}/x"),
        ("{{SECRET_URL}}", "{{SECRET_URL}}/x"),
        ("https://user:canary@a.test/v1", "https://a.test/v1/x"),
    ],
)
def test_what_a_variable_holds_is_not_shown(base_uri: str, shown: str) -> None:
    values = {"SECRET_PATH": SECRET, "SECRET_URL": f"https://a.test/{SECRET}"}
    built = build(f"{{baseUri: '{base_uri}', path: /x}}", declared=values)
    assert built.operation.template == shown
    assert SECRET not in f"{built.target!r}{built.operation!r}{built.request()!r}"


def test_of_the_variables_that_fill_a_placeholder_one_with_a_value_goes_first() -> None:
    binds = Binds({"region": None, "REGION": None, "API_REGION": "eu"}, {})
    assert placeholder_variable("region", binds) == "API_REGION"
    assert placeholder_variable("region", Binds({"region": None, "X_REGION": None})) == "region"
    assert placeholder_variable("region", Binds({"A_REGION": "1", "B_REGION": "2"})) is None
