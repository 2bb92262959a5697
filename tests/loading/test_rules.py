"""Rules beyond form: what each one says, and what it leaves alone."""

from pathlib import Path

import pytest

from naftiko_run.findings import Finding
from naftiko_run.loading import rules
from naftiko_run.loading.files import parse
from naftiko_run.spec.reader import read


def found(text: str) -> list[Finding]:
    source = parse(text.encode(), "ships.yaml", Path("/specs/ships.yaml"))
    document, _ = read(source, source.data)
    assert document is not None
    return rules.check(document, source, source.data)


def told(text: str) -> list[str]:
    return [f"{f.code} [{f.pointer}] {f.message}" for f in found(text)]


def capability(
    exposes: str = "{type: mcp, namespace: m, tools: {a: {call: x.a}}}",
    *,
    aggregates: str = "",
    consumes: str = "",
    root: str = "",
) -> str:
    return f"""
ikanos: 1.0.0-beta5
{root}
capability:
  aggregates: [{aggregates}]
  exposes: [{exposes}]
  consumes: [{consumes}]
"""


def api(authentication: str) -> str:
    return capability(
        consumes=f"{{namespace: x, baseUri: https://a.test, authentication: {authentication}}}"
    )


def test_a_bind_hides_behind_an_adapter_of_its_name() -> None:
    assert told(capability(root="binds: [{namespace: m, keys: {A: A}}]")) == [
        (
            "W-NS-SHARED [binds[0].namespace] an adapter is called 'm' as well: '{{m.NAME}}' means"
            " an argument of its caller, not a variable"
        )
    ]
    consumes = "{namespace: m, baseUri: https://a.test}"
    assert told(capability(root="binds: [{namespace: env, keys: {A: A}}]", consumes=consumes)) == []


def test_an_aggregate_needs_a_name() -> None:
    assert told(capability(aggregates="{display: A, flows: {a: {call: x.a}}}")) == [
        (
            "W-AGGREGATE-UNNAMED [capability.aggregates[0]] an aggregate without a namespace:"
            " nothing can refer to its flows"
        )
    ]


SAFE = "{display: S, namespace: s, flows: {a: {call: x.a, semantics: {safe: true}}}}"
UNSAFE = SAFE.replace("safe: true", "safe: false")
REPEATABLE = SAFE.replace("safe: true", "idempotent: true")


@pytest.mark.parametrize(
    ("aggregate", "hints", "message"),
    [
        (SAFE, "readOnly: false", "readOnly] the hint 'readOnly' {} which is safe"),
        (UNSAFE, "readOnly: true", "readOnly] the hint 'readOnly' {} which is not safe"),
        (SAFE, "destructive: true", "destructive] the hint 'destructive' {} which is safe"),
        (
            REPEATABLE,
            "idempotent: false",
            "idempotent] the hint 'idempotent' {} which is idempotent",
        ),
        (SAFE, "readOnly: true, destructive: false, idempotent: true", ""),
        (UNSAFE, "destructive: true", ""),
        (REPEATABLE, "readOnly: true", ""),
    ],
)
def test_hints_agree_with_the_flow(aggregate: str, hints: str, message: str) -> None:
    tool = f"{{type: mcp, namespace: m, tools: {{a: {{ref: s.a, hints: {{{hints}}}}}}}}}"
    said = message.format("says otherwise than 's.a',")
    expected = [f"W-SEMANTICS [capability.exposes[0].tools.a.hints.{said}"] if message else []
    assert told(capability(tool, aggregates=aggregate)) == expected


@pytest.mark.parametrize(
    ("aggregate", "method", "count"),
    [
        (SAFE, "POST", 1),
        (SAFE, "GET", 0),
        (UNSAFE, "GET", 1),
        (UNSAFE, "POST", 0),
        (REPEATABLE, "POST", 1),
        (REPEATABLE, "PUT", 0),
    ],
)
def test_a_method_agrees_with_the_flow(aggregate: str, method: str, count: int) -> None:
    operation = f"{{a: {{path: /a, operations: {{a: {{method: {method}, ref: s.a}}}}}}}}"
    exposes = f"{{type: rest, namespace: r, resources: {operation}}}"
    codes = [f.code for f in found(capability(exposes, aggregates=aggregate))]
    assert codes == ["W-SEMANTICS"] * count


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("{type: bearer, token: sk-123}", "token] the token"),
        ("{type: basic, username: me, password: secret}", "password] the password"),
        ("{type: apikey, key: X-Key, placement: header, value: abc}", "value] the value"),
        ("{type: bearer, token: '{{TOKEN}}'}", ""),
        ("{type: bearer, token: 'Bearer {TOKEN}'}", ""),
        ("{type: bearer, token: env.TOKEN}", ""),
        ("{type: bearer, token: '${TOKEN}'}", ""),
        ("{type: bearer}", ""),
        ("{type: hmac, secret: abc}", ""),
        ("bearer", ""),
    ],
)
def test_a_credential_does_not_stand_in_the_file(block: str, message: str) -> None:
    rest = " is written into the file: everybody who reads it has it"
    path = "W-AUTH-LITERAL [capability.consumes[0].authentication."
    assert told(api(block)) == ([f"{path}{message}{rest}"] if message else [])
    assert all("sk-123" not in f.message + f.fix for f in found(api(block)))


@pytest.mark.parametrize(
    ("uri", "count"),
    [
        ("http://login.test", 1),
        ("HTTP://login.test", 1),
        ("https://login.test", 0),
        ("http://localhost:8080", 0),
        ("http://[::1]/a", 0),
        ("http://[", 0),
    ],
)
def test_oauth2_is_spoken_over_https(uri: str, count: int) -> None:
    block = f"{{type: oauth2, authorizationServerUri: '{uri}', resource: https://a.test}}"
    assert [f.code for f in found(api(block))] == ["W-OAUTH-HTTP"] * count


def test_stdio_has_no_authentication() -> None:
    exposes = (
        "{type: mcp, transport: stdio, namespace: m, tools: {a: {call: x.a}},"
        " authentication: {type: bearer, token: '{{A}}'}}"
    )
    assert [f.code for f in found(capability(exposes))] == ["W-AUTH-STDIO"]
    assert found(capability(exposes.replace("stdio", "http"))) == []


def test_a_control_adapter_is_alone() -> None:
    tool = "{type: mcp, port: 1, namespace: m, tools: {a: {call: x.a}}}"
    control = "{type: control, port: 1}"
    assert told(capability(f"{tool}, {control}, {control}")) == [
        "W-CONTROL [capability.exposes[2]] a second control adapter: one is enough",
        (
            "W-CONTROL [capability.exposes[1].port] the control adapter shares port 1:"
            " who reaches the others reaches it"
        ),
        (
            "W-CONTROL [capability.exposes[2].port] the control adapter shares port 1:"
            " who reaches the others reaches it"
        ),
    ]
    assert told(capability(f"{tool}, {{type: control, port: 2}}")) == []


def test_a_tunnel_is_not_used() -> None:
    consumes = "{namespace: x, baseUri: https://a.test, tunnel: {type: ziti}}"
    assert told(capability(consumes=consumes)) == [
        (
            "I-NOT-SERVED [capability.consumes[0].tunnel] there are no tunnels here:"
            " requests go straight to 'baseUri'"
        )
    ]


@pytest.mark.parametrize("text", ["<script>x()</script>", "< SCRIPT src=x>", "call eval (x)"])
def test_a_description_holds_no_code(text: str) -> None:
    tool = f"{{type: mcp, namespace: m, tools: {{a: {{call: x.a, description: '{text}'}}}}}}"
    (finding,) = found(capability(tool, root="info: {display: A retrieval(x) of <scripts>}"))
    assert (finding.code, finding.pointer) == (
        "W-TEXT-SCRIPT",
        "capability.exposes[0].tools.a.description",
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[{{#ids}}1{{/ids}}]", "{{#ids}}"),
        ("{{^none}}x{{/none}}", "{{^none}}"),
        ("a{{ . }}", "{{ . }}"),
        ("{{& raw}}", "{{& raw}}"),
        ("{{> part}}", "{{> part}}"),
        ("{{! note }}", "{{! note }}"),
    ],
)
def test_what_templates_here_do_not_have_is_told_where_it_stands(text: str, part: str) -> None:
    operation = f"{{do: {{method: POST, body: {{type: json, data: {{a: ['{text}']}}}}}}}}"
    consumed = f"{{namespace: x, resources: {{r: {{path: /, operations: {operation}}}}}}}"
    (finding,) = found(capability(consumes=consumed))
    assert finding.code == "W-TEMPLATE"
    assert finding.pointer == ("capability.consumes[0].resources.r.operations.do.body.data.a[0]")
    assert finding.message.startswith(f"'{part}' is sent as it is written")


@pytest.mark.parametrize(
    "text", ["{{a}} {{ a.b | slug }}", "{ ship { name } } # {{a}}", '{"a": {{{a}}}}', "{{1}}"]
)
def test_what_other_texts_have_is_no_section(text: str) -> None:
    prompts = "prompts: {p: {template: [{role: user, content: '{{#a}}'}]}}"
    tool = f"{{call: x.a, description: '{{{{#a}}}}', with: {{q: '{text}'}}}}"
    assert found(capability(f"{{type: mcp, namespace: m, tools: {{a: {tool}}}, {prompts}}}")) == []


def test_every_rule_gives_warnings_and_notices_alone() -> None:
    assert {finding.severity for finding in found(api("{type: bearer, token: a}"))} == {"warning"}


def test_what_is_no_mapping_has_no_rules() -> None:
    source = parse(b"ikanos: 1.0.0-beta5\ncapability: {exposes: [{}]}", "a.yaml", Path("/a.yaml"))
    document, _ = read(source, source.data)
    assert document is not None
    assert rules.check(document, source, []) == []
    assert rules.check(document, source, source.data) == []
