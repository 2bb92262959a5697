"""Cases 63 to 71: steps that run scripts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from naftiko_run.findings import Severity
from naftiko_run.flows.steps import StepsFlow
from naftiko_run.plan.compiled import Compiled
from naftiko_run.server.prepare import NoClient, prepare
from naftiko_run.settings import Settings
from tests.cases.serving import Serve, Served, paths, text_of
from tests.e2e.wire import Json

LANGUAGES = ("javascript", "python")
SUFFIX = {"javascript": "js", "python": "py", "groovy": "groovy"}
Script = Mapping[str, Any]
Files = Mapping[str, str | bytes]

USERS = [
    {"login": "alice", "type": "User"},
    {"login": "bot-ci", "type": "Bot"},
    {"login": "bob", "type": "User"},
]
ORDERS = [{"amount": 10.5}, {"amount": 20}, {"amount": 30}]
STOCK = [
    {"name": "Widget", "stock": 5},
    {"name": "Gadget", "stock": 15},
    {"name": "Gizmo", "stock": 3},
]
REPLIES: Mapping[str, Json] = {"/users": USERS, "/orders": ORDERS, "/stock": STOCK}


def named(members: Mapping[str, Any], *, keyed: bool) -> Any:  # noqa: ANN401 - a map or a list
    """Write a collection as either form of the language has it."""
    if keyed:
        return dict(members)
    return [{"name": name, **member} for name, member in members.items()]


def document(
    steps: Mapping[str, Script],
    *,
    keyed: bool = True,
    inputs: Sequence[str] = (),
    scripting: Mapping[str, Any] | None = None,
    target: str = "$.run",
) -> str:
    """Write a document with one unit, as a route and as a tool, that runs these steps."""
    label, of = ("display", "target") if keyed else ("label", "targetName")
    unit = {
        "steps": named(steps, keyed=keyed),
        "mappings": [{of: "found", "value": target}],
    }

    def parameters(**more: str) -> dict[str, Any]:
        given = {name: {"type": "integer", **more} for name in inputs}
        return {"inputParameters": named(given, keyed=keyed)} if inputs else {}

    reads = {name: {"method": "GET"} for name in ("users", "orders", "stock")}
    consumed = {
        name: {"path": f"/{name}", "operations": named({f"list-{name}": read}, keyed=keyed)}
        for name, read in reads.items()
    }
    operation = {"method": "POST", **parameters(**{"in": "body"}), **unit}
    route = {"path": "/run", "operations": named({"run": operation}, keyed=keyed)}
    tool = {"description": "Runs.", **parameters(description="A number."), **unit}
    exposes: list[dict[str, Any]] = [
        {
            "type": "rest",
            "namespace": "rest",
            "port": 8080,
            "resources": named({"run": route}, keyed=keyed),
        },
        {
            "type": "mcp",
            "namespace": "mcp",
            "port": 9090,
            "tools": named(
                {
                    "run": tool,
                    "hello": {
                        "description": "Says hello.",
                        "outputParameters": named(
                            {"hi": {"type": "string", "value": "Hi"}}, keyed=keyed
                        ),
                    },
                },
                keyed=keyed,
            ),
        },
    ]
    if scripting is not None:
        control = {"type": "control", "port": 9900, "management": {"scripting": dict(scripting)}}
        exposes.append(control)
    whole = {
        "ikanos" if keyed else "naftiko": "1.0.0-beta5" if keyed else "1.0.0-alpha3",
        "info": {label: "Scripts", "description": "Scripts."},
        "capability": {
            "consumes": [
                {
                    "type": "http",
                    "namespace": "up",
                    "description": "Lists.",
                    "baseUri": "http://up.test",
                    "resources": named(consumed, keyed=keyed),
                }
            ],
            "exposes": exposes,
        },
    }
    return json.dumps(whole)


def script(language: str, file: str = "", **more: Any) -> Script:  # noqa: ANN401 - as written
    """Write a script step."""
    return {
        "type": "script",
        "language": language,
        "location": "file:///./scripts",
        "file": file or f"main.{SUFFIX[language]}",
        **more,
    }


def lists(name: str) -> Mapping[str, Script]:
    """Write a call step."""
    return {f"list-{name}": {"type": "call", "call": f"up.list-{name}"}}


def serving(serve: Serve, text: str, files: Files, **more: Any) -> Served:  # noqa: ANN401
    served = serve(text, files={f"scripts/{name}": value for name, value in files.items()}, **more)
    served.upstream.reply = paths(REPLIES)
    return served


def run(served: Served, **arguments: Json) -> Json:
    """Run the unit through both faces, which agree."""
    by_rest = served.ask("POST", "/run", arguments)
    assert by_rest.status == 200, by_rest
    assert served.result("run", **arguments) == by_rest.json
    found: Json = by_rest.json
    return found


def refusal(served: Served, **arguments: Json) -> dict[str, Any]:
    """Run a unit whose script fails; gives the problem that REST tells, and MCP too."""
    by_rest = served.ask("POST", "/run", arguments)
    assert by_rest.status == 500, by_rest
    assert by_rest.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = by_rest.json
    assert "Traceback" not in json.dumps(told)
    called = served.call("run", **arguments)
    assert called.is_error
    assert told["detail"] in text_of(called)
    return told


def one(serve: Serve, language: str, source: str, **scripting: Any) -> Served:  # noqa: ANN401
    """Serve a unit of one script."""
    text = document({"run": script(language)}, scripting=scripting or None)
    return serving(serve, text, {f"main.{SUFFIX[language]}": source})


FILTER = {
    "javascript": "var result = context['list-users'].filter(u => u.type === 'User')"
    ".map(u => ({login: u.login}));",
    "python": "result = [{'login': u['login']} for u in context['list-users']"
    " if u['type'] == 'User']",
}


@pytest.mark.case(63)
@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "lists"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_case_63_a_script_filters_what_a_step_gave(
    serve: Serve, language: str, keyed: bool
) -> None:
    text = document({**lists("users"), "run": script(language)}, keyed=keyed)
    served = serving(serve, text, {f"main.{SUFFIX[language]}": FILTER[language]})
    assert not [f for f in served.findings if f.severity is not Severity.NOTICE]
    assert run(served) == {"found": [{"login": "alice"}, {"login": "bob"}]}


TOTALS = {
    "javascript": """
        let totalAmount = 0;
        for (const order of context['list-orders']) totalAmount += order.amount;
        var result = { totalAmount, orderCount: context['list-orders'].length };
    """,
    "python": """
        orders = context['list-orders']
        result = {'totalAmount': sum(o['amount'] for o in orders), 'orderCount': len(orders)}
    """,
}


@pytest.mark.case(64)
@pytest.mark.parametrize("language", LANGUAGES)
def test_case_64_a_script_computes_a_total(serve: Serve, language: str) -> None:
    text = document({**lists("orders"), "run": script(language)})
    served = serving(serve, text, {f"main.{SUFFIX[language]}": TOTALS[language]})
    assert run(served) == {"found": {"totalAmount": 60.5, "orderCount": 3}}


LOW = {
    "javascript": "result = context['list-stock'].filter(p => p.stock < context.threshold)"
    ".map(p => p.name)",
    "python": "result = [p['name'] for p in context['list-stock']"
    " if p['stock'] < int(context['threshold'])]",
}


@pytest.mark.case(65)
@pytest.mark.parametrize("language", LANGUAGES)
def test_case_65_a_script_gets_the_values_of_with(serve: Serve, language: str) -> None:
    step = {**script(language), "with": {"threshold": "{{minStock}}"}}
    text = document({**lists("stock"), "run": step}, inputs=["minStock"])
    served = serving(serve, text, {f"main.{SUFFIX[language]}": LOW[language]})
    assert run(served, minStock=10) == {"found": ["Widget", "Gizmo"]}


SHARED: Mapping[str, Files] = {
    "javascript": {
        "lib/array-utils.js": "const sum = (a) => a.reduce((x, y) => x + y, 0);\n"
        "function average(a) { return sum(a) / a.length; }",
        "main.js": "var values = [20, 25, 30];\n"
        "var result = { average: average(values), count: values.length };",
    },
    "python": {
        "lib/stats.py": "def average(values):\n    return sum(values) / len(values)\n",
        "main.py": "values = [20, 25, 30]\n"
        "result = {'average': average(values), 'count': len(values)}\n",
    },
}


@pytest.mark.case(66)
@pytest.mark.parametrize("language", LANGUAGES)
def test_case_66_dependencies_come_first_in_the_same_scope(serve: Serve, language: str) -> None:
    dependency, main = SHARED[language]
    step = script(language, main, dependencies=[dependency])
    served = serving(serve, document({"run": step}), SHARED[language])
    assert run(served) == {"found": {"average": 25.0, "count": 3}}


@pytest.mark.case(67)
@pytest.mark.parametrize("source", ["x = 1", "result = null", "result = None"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_case_67_without_a_result_there_is_no_output(
    serve: Serve, language: str, source: str
) -> None:
    none = {"javascript": source.replace("None", "null"), "python": source.replace("null", "None")}
    text = document({**lists("orders"), "run": script(language)})
    served = serving(serve, text, {f"main.{SUFFIX[language]}": none[language]})
    # No mapping leads anywhere: the answer is that of the last call.
    assert run(served) == ORDERS


LOOPS = {
    "javascript": ["while (true) {}", "for (;;);", "do {} while (1)", "(function f() { f() })()"],
    "python": ["while True:\n    pass", "while True: x = 1", "[0 for x in iter(int, 1)]"],
}


@pytest.mark.case(68)
@pytest.mark.parametrize(
    ("language", "source"), [(name, source) for name in LANGUAGES for source in LOOPS[name]]
)
def test_case_68_an_endless_loop_exceeds_the_statement_limit(
    serve: Serve, language: str, source: str
) -> None:
    told = refusal(one(serve, language, source, statementLimit=10))
    file = f"main.{SUFFIX[language]}"
    expected = f"Script step 'run' ({file}) exceeded the statement limit (10)"
    assert (told["detail"], told["step"], told["script"]) == (expected, "run", file)


def left_out(served: Served, code: str) -> str:
    """Say why the unit is not served; the other tool is."""
    assert served.codes.count(code) == 2, served.findings
    answer = served.ask("POST", "/run", {})
    assert (answer.status, answer.json["code"]) == (501, code)
    assert list(served.tools()) == ["hello"]
    finding = served.finding(code)
    assert finding.line
    assert finding.fix
    return finding.message


@pytest.mark.case(69, differs="Found when the document is loaded: the unit is left out.")
@pytest.mark.parametrize(
    ("step", "code", "said"),
    [
        ({"file": "../../etc/passwd"}, "E-SCRIPT-PATH", "no path inside the folder of scripts"),
        ({"file": "/etc/passwd"}, "E-SCRIPT-PATH", "no path inside the folder of scripts"),
        ({"file": "a/../main.js"}, "E-SCRIPT-PATH", "no path inside the folder of scripts"),
        ({"file": "a b.js"}, "E-SCRIPT-PATH", "no path inside the folder of scripts"),
        ({"file": "main.js\0"}, "E-SCRIPT-PATH", "no path inside the folder of scripts"),
        ({"dependencies": ["../x.js"]}, "E-SCRIPT-PATH", "no path inside the folder of scripts"),
        ({"file": "none.js"}, "E-SCRIPT-FILE", "'none.js' cannot be read: no such file"),
        ({"dependencies": ["no.js"]}, "E-SCRIPT-FILE", "'no.js' cannot be read: no such file"),
        ({"file": None}, "E-SCRIPT-FILE", "has no file"),
        ({"location": None}, "E-SCRIPT-FILE", "has no location"),
        ({"location": "file:///./none"}, "E-SCRIPT-FILE", "cannot be read: no such file"),
        ({"location": "http://elsewhere/"}, "E-SCRIPT-FILE", "no folder of this machine"),
        ({"language": None}, "E-SCRIPT-LANGUAGE", "has no language"),
        ({"language": "ruby"}, "E-SCRIPT-LANGUAGE", "no scripts in 'ruby'"),
    ],
)
def test_case_69_what_cannot_be_found_is_told_at_load(
    serve: Serve, step: Script, code: str, said: str
) -> None:
    written = {k: v for k, v in {**script("javascript"), **step}.items() if v is not None}
    served = serving(serve, document({"run": written}), {"main.js": "result = 1"})
    assert said in left_out(served, code)


@pytest.mark.case(69, differs="Found when the document is loaded: the unit is left out.")
def test_case_69_a_link_does_not_lead_out_of_the_folder(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "outside.js").write_text("result = 1")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "main.js").symlink_to(tmp_path / "outside.js")
    served = serving(serve, document({"run": script("javascript")}), {})
    assert "leads out of the folder" in left_out(served, "E-SCRIPT-PATH")


@pytest.mark.case(70, differs="Groovy is not there at all: it needs a Java virtual machine.")
@pytest.mark.parametrize("source", ["System.exit(1)", "'ls'.execute()", "new Thread({}).start()"])
def test_case_70_groovy_is_refused_with_the_reason(serve: Serve, source: str) -> None:
    text = document({"run": script("groovy")})
    served = serving(serve, text, {"main.groovy": source})
    message = left_out(served, "E-SCRIPT-LANGUAGE")
    assert "Java virtual machine" in message
    assert "JavaScript or Python" in served.finding("E-SCRIPT-LANGUAGE").fix


HOST: Mapping[str, Sequence[str]] = {
    "javascript": [
        "process.exit()",
        "require('fs').readFileSync('/etc/passwd')",
        "constructor.constructor('return process')().exit()",
        "(async () => {}).constructor('return 1')()",
        "(function* () {}).constructor('return 1')()",
        "Reflect.construct(Object.getPrototypeOf(() => 1).constructor, ['return 1'])()",
        "eval('1')",
        "new Function('return this')()",
        "fetch('http://127.0.0.1')",
        "new XMLHttpRequest()",
        "Java.type('java.lang.System').exit(1)",
        "load('/etc/passwd')",
        "std.getenv('HOME')",
        "os.exec(['ls'])",
        "setTimeout(() => 1, 1)",
        "WebAssembly.instantiate()",
        "console.log(1)",
    ],
    "python": [
        "import os\nos.environ['HOME']",
        "import os\nos.system('ls')",
        "import os\nos.listdir('/')",
        "import socket",
        "import subprocess",
        "import ctypes",
        "import threading",
        "open('/etc/passwd').read()",
        "open('/tmp/written', 'w')",
        "from pathlib import Path\nPath('/etc/passwd').read_text()",
        "().__class__.__base__.__subclasses__()",
        "(lambda: 0).__globals__",
        "(lambda: 0).__code__",
        "eval('1')",
        "exec('1')",
        "compile('1', '', 'eval')",
        "__import__('os')",
        "globals()",
        "getattr(1, '__class__')",
        "import java",
        "breakpoint()",
        "input()",
    ],
}


@pytest.mark.case(70)
@pytest.mark.parametrize("language", LANGUAGES)
def test_case_70_nothing_of_the_host_is_in_reach(serve: Serve, language: str) -> None:
    steps = {}
    files = {}
    for number, source in enumerate(HOST[language]):
        file = f"s{number}.{SUFFIX[language]}"
        files[file] = source + "\nresult = 1\n"
        steps[f"s{number}"] = script(language, file, onError="continue")
    last = {"javascript": "result = Object.keys(context)", "python": "result = list(context)"}
    suffix = SUFFIX[language]
    text = document({**steps, "run": script(language, f"last.{suffix}")})
    served = serving(serve, text, {**files, f"last.{suffix}": last[language]})
    assert run(served) == {"found": []}


@pytest.mark.case(71, differs="Found when the document is loaded: the unit is left out.")
@pytest.mark.parametrize("language", ["groovy", "python"])
def test_case_71_a_language_that_is_not_allowed_is_refused(serve: Serve, language: str) -> None:
    text = document({"run": script(language)}, scripting={"allowedLanguages": ["javascript"]})
    served = serving(serve, text, {f"main.{SUFFIX[language]}": "result = 1"})
    message = left_out(served, "E-SCRIPT-LANGUAGE")
    assert message == f"{language!r} is not in the allowed languages (javascript)"


@pytest.mark.case(71)
@pytest.mark.parametrize("allowed", [[], ["python", "javascript"]])
@pytest.mark.parametrize("language", LANGUAGES)
def test_case_71_an_empty_list_allows_all(serve: Serve, language: str, allowed: list[str]) -> None:
    assert run(one(serve, language, "result = 1", allowedLanguages=allowed)) == {"found": 1}


# ------------------------------------------------------------------------------- beyond the cases


def test_defaults_of_the_control_adapter_stand_for_what_a_step_does_not_say(serve: Serve) -> None:
    scripting = {"defaultLocation": "file:///./scripts", "defaultLanguage": "python"}
    text = document({"run": {"type": "script", "file": "main.py"}}, scripting=scripting)
    assert run(serving(serve, text, {"main.py": "result = [1]"})) == {"found": [1]}


@pytest.mark.parametrize(
    ("environ", "enabled", "off"),
    [
        ({"NAFTIKO_SCRIPTING": "false"}, None, "NAFTIKO_SCRIPTING=false"),
        ({"IKANOS_SCRIPTING": "FALSE"}, None, "IKANOS_SCRIPTING=FALSE"),
        ({"NAFTIKO_SCRIPTING": "false"}, True, ""),
        ({"NAFTIKO_SCRIPTING": "true"}, False, "'management.scripting.enabled: false'"),
        ({"NAFTIKO_SCRIPTING": "true"}, None, ""),
    ],
)
def test_scripts_can_be_switched_off_and_the_document_has_the_last_word(
    serve: Serve, environ: Mapping[str, str], enabled: bool | None, off: str
) -> None:
    scripting = {} if enabled is None else {"enabled": enabled}
    text = document({"run": script("python")}, scripting=scripting)
    served = serving(serve, text, {"main.py": "result = 1"}, environ=environ)
    if off:
        assert left_out(served, "E-SCRIPT-OFF") == f"scripts are switched off by {off}"
    else:
        assert run(served) == {"found": 1}


@pytest.mark.parametrize(
    ("language", "source", "said"),
    [
        ("javascript", "var a = 1;\nvar b = ;\n", "main.js:2:7: this is no JavaScript"),
        ("javascript", "import x from 'y'\n", "main.js:1:1: 'import' and 'export' are for modules"),
        ("python", "a = 1\n\ndef f(:\n", "main.py:3:7: invalid syntax"),
        ("python", "if 1:\nx = 1", "main.py:2:1: expected an indented block"),
    ],
)
def test_a_script_that_is_not_in_its_language_is_told_at_load(
    serve: Serve, language: str, source: str, said: str
) -> None:
    assert left_out(one(serve, language, source), "E-SCRIPT-SYNTAX").startswith(said)


@pytest.mark.parametrize(
    ("language", "source", "line", "said"),
    [
        ("javascript", "\n\nnull.x", 3, "TypeError: cannot read property 'x' of null"),
        ("javascript", "throw new RangeError('no')", 1, "RangeError: no"),
        ("python", "\nx = 1\nx / 0", 3, "ZeroDivisionError: division by zero"),
        ("python", "def f():\n  raise ValueError('no')\nf()", 2, "ValueError: no"),
    ],
)
def test_an_error_of_a_script_says_where_it_arose(
    serve: Serve, language: str, source: str, line: int, said: str
) -> None:
    told = refusal(one(serve, language, source))
    file = f"main.{SUFFIX[language]}"
    assert told["detail"] == f"Script step 'run' ({file}:{line}) failed: {said}"
    assert (told["step"], told["script"], told["line"]) == ("run", file, line)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("javascript", "throw new Error('<b>\\n' + 'x'.repeat(2e6))"),
        ("python", "raise ValueError('<b>\\n' + 'x' * 2000000)"),
    ],
)
def test_a_long_message_of_a_script_is_cut(serve: Serve, language: str, source: str) -> None:
    detail = refusal(one(serve, language, source))["detail"]
    assert "x" * 900 in detail
    assert len(detail) < 1200


def test_an_error_in_a_dependency_names_its_file(serve: Serve) -> None:
    files = {"lib.js": "\nfunction f() {\n  null.x }", "main.js": "\n\n\nf()"}
    text = document({"run": script("javascript", dependencies=["lib.js"])})
    told = refusal(serving(serve, text, files))
    assert (told["script"], told["line"]) == ("lib.js", 3)


def test_a_step_that_may_fail_leaves_the_rest_to_run(serve: Serve) -> None:
    steps = {
        "bad": script("python", "bad.py", onError="continue"),
        "run": script("python"),
    }
    files = {"bad.py": "1 / 0", "main.py": "result = {'bad': 'bad' in context}"}
    assert run(serving(serve, document(steps), files)) == {"found": {"bad": False}}


VALUES: Json = {
    "null": None,
    "true": True,
    "integer": 7,
    "large": 123456789012345678901234567890,
    "negative": -(2**63) - 1,
    "edge": 2**53,
    "rate": 0.1,
    "text": 'é€\U0001f600"\\\n\u2028 12345678901234567890',
    "nested": [[], {}, [{"a": [1, 2.5]}]],
    "__proto__": {"a": 1},
    "": "empty",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_keep_their_types_both_ways(serve: Serve, language: str) -> None:
    text = document({**lists("users"), "run": script(language)})
    served = serving(serve, text, {f"main.{SUFFIX[language]}": "result = context['list-users']"})
    served.upstream.reply = paths({"/users": VALUES})
    assert run(served) == {"found": VALUES}


@pytest.mark.parametrize(
    ("language", "source", "said"),
    [
        ("javascript", "result = NaN", "'result' has NaN, which is no number of JSON"),
        ("javascript", "result = {a: [1 / 0]}", "'result' has Infinity"),
        ("javascript", "result = () => 1", "'result' is a function, which is no JSON"),
        ("javascript", "result = Promise.resolve(1)", "'result' has a promise"),
        ("javascript", "result = {}; result.self = result", "circular reference"),
        ("python", "result = float('nan')", "not JSON compliant: nan"),
        ("python", "result = [1e400]", "not JSON compliant: inf"),
        ("python", "result = {1, 2}", "Object of type set is not JSON serializable"),
        ("python", "result = []\nresult.append(result)", "failed"),
        ("javascript", "result = 'x'.repeat(4194303)", "has a result of 4.0 MB; at most 4 MB"),
        ("python", "result = 'x' * 4194303", "has a result of 4.0 MB; at most 4 MB"),
    ],
)
def test_a_result_that_is_no_json_or_too_long_is_refused(
    serve: Serve, language: str, source: str, said: str
) -> None:
    assert said in refusal(one(serve, language, source))["detail"]


def test_a_script_waits_for_all_steps_before_it_and_holds_no_call_up(serve: Serve) -> None:
    steps = {
        **lists("users"),
        "first": script("python"),
        **lists("orders"),
        "run": script("python"),
    }
    files = {"scripts/main.py": "result = sorted(context)"}
    loaded = serve.load(document(steps), files=files)
    (unit, *_) = prepare([loaded], Settings(), NoClient()).plan.units
    assert isinstance(unit.compiled, Compiled)
    assert isinstance(unit.compiled.flow, StepsFlow)
    assert [step.needs for step in unit.compiled.flow.steps] == [(), (0,), (), (0, 1, 2)]
    served = serving(serve, document(steps), {"main.py": "result = sorted(context)"})
    assert run(served) == {"found": ["first", "list-orders", "list-users"]}


def test_arguments_that_nothing_names_are_in_the_context(serve: Serve) -> None:
    text = document({"run": script("python")}, inputs=["first", "second"])
    served = serving(serve, text, {"main.py": "result = [context['first'], context.get('second')]"})
    assert "W-TOOL-PARAM-UNUSED" not in served.codes
    assert run(served, first=1, second=2) == {"found": [1, 2]}


def test_a_script_changes_nothing_but_its_own_output(serve: Serve) -> None:
    steps = {
        **lists("users"),
        "spoil": script("javascript", "spoil.js"),
        "run": script("javascript"),
    }
    spoil = "context['list-users'].length = 0; context.more = 1; Array.prototype.filter = null;"
    files = {"spoil.js": spoil, "main.js": FILTER["javascript"]}
    served = serving(serve, document(steps), files)
    for _ in range(2):
        assert run(served) == {"found": [{"login": "alice"}, {"login": "bob"}]}


def test_nothing_is_left_of_a_run_in_the_next(serve: Serve) -> None:
    sources = {
        "javascript": "result = typeof seen + typeof Object.prototype.seen;"
        " globalThis.seen = 1; Object.prototype.seen = 1; Array.prototype.map = 1;"
        " JSON.stringify = () => '1'; Object.freeze(Object);",
        "python": "try:\n    result = seen\nexcept NameError:\n    result = 'none'\nseen = 1\n"
        "import json\njson_loads = None\n",
    }
    for language, source in sources.items():
        served = one(serve, language, source)
        found = [run(served) for _ in range(3)]
        assert (
            found == [{"found": "undefinedundefined" if language == "javascript" else "none"}] * 3
        )
