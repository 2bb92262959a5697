"""Migration, word by word: what is rewritten, what stays, what is refused."""

import time
from pathlib import Path

import pytest

from naftiko_run.loading.files import Source, parse
from naftiko_run.loading.migrate.document import Migrated, migrate
from naftiko_run.loading.migrate.language import VERSIONS, versions
from naftiko_run.loading.schema import check
from tests.loading.ships import IKANOS, NAFTIKO


def source(text: str) -> Source:
    return parse(text.encode(), "ships.yaml", Path("/specs/ships.yaml"))


def to(text: str, target: str) -> Migrated:
    (version,) = versions(target)
    return migrate(source(text), version)


def told(migrated: Migrated) -> list[str]:
    return [f"{f.line}:{f.code} [{f.pointer}] {f.message}" for f in migrated.findings]


def tools(text: str, *, language: str) -> str:
    lines = "".join(f"      {line}\n" for line in text.strip("\n").split("\n"))
    return (
        f"{language}: 1.0.0-alpha3\ncapability:\n  exposes:\n    - type: mcp\n"
        f"      port: 9090\n      namespace: m\n{lines}"
    )


BOTH_WAYS = [
    (
        "a block list and a block map",
        """
tools:
  - name: a  # the first

    # of a
    description: A.

  # before b
  - name: "b c"
    description: |
      - name: text

      # text
    inputParameters:
      - name: x
        type: string
""",
        """
tools:
  a:  # the first

    # of a
    description: A.

  # before b
  "b c":
    description: |
      - name: text

      # text
    inputParameters:
      x:
        type: string
""",
    ),
    (
        "flow collections",
        "tools: [{name: a, call: x.a}, {name: b}, ]",
        "tools: {a: {call: x.a}, b: {}, }",
    ),
    (
        "flow entries in a block",
        'tools:\n  - {name: a, call: "x.a"} # a\n  - {name: b}',
        'tools:\n  a: {call: "x.a"} # a\n  b: {}',
    ),
    ("nothing in it", "tools: []", "tools: {}"),
    (
        "names that are no texts to YAML",
        'tools: [{name: "404"}, {name: "true"}, {name: \'null\'}]',
        'tools: {"404": {}, "true": {}, \'null\': {}}',
    ),
    (
        "labels, and what is called like a label",
        "tools:\n  - name: a\n    label: A\n    with: {label: x, name: y}",
        "tools:\n  a:\n    display: A\n    with: {label: x, name: y}",
    ),
    (
        "targets",
        "tools:\n  - name: a\n    mappings: [{targetName: x.y, value: $.a}]",
        "tools:\n  a:\n    mappings: [{target: x.y, value: $.a}]",
    ),
    (
        "prompts and their arguments",
        "prompts: [{name: p, arguments: [{name: a, label: A}], template: [{role: user}]}]",
        "prompts: {p: {arguments: {a: {display: A}}, template: [{role: user}]}}",
    ),
]


@pytest.mark.parametrize(
    ("naftiko", "ikanos"), [row[1:] for row in BOTH_WAYS], ids=[row[0] for row in BOTH_WAYS]
)
def test_both_languages_become_one_another(naftiko: str, ikanos: str) -> None:
    there = tools(naftiko, language="naftiko")
    here = tools(ikanos, language="ikanos")
    assert to(there, "ikanos alpha3").text == here
    assert to(here, "naftiko alpha3").text == there


@pytest.mark.parametrize(
    ("naftiko", "ikanos"),
    [
        ("tools:\n- name: a\n  call: x.a", "tools:\n  a:\n    call: x.a"),
        ("tools:\n-   name: a\n    call: x.a", "tools:\n  a:\n      call: x.a"),
        ("tools:\n  - call: x.a\n    name: a", "tools:\n  a:\n    call: x.a"),
        ("tools:\n  - call: x.a\n    name: a # b", "tools:\n  a:\n    call: x.a\n    # b"),
        ("tools:\n  - # b\n    call: x.a\n    name: a", "tools:\n  a: # b\n    call: x.a"),
        ("tools:\n  -\n    name: a", "tools:\n  a: {}"),
        ("tools:\n  - name: a", "tools:\n  a: {}"),
        ("tools: [{call: x.a, name: a}]", "tools: {a: {call: x.a}}"),
        ("tools: [{call: x.a,\n  name: a,\n  label: b}]", "tools: {a: {call: x.a,\n  display: b}}"),
        ("tools: [name: a]", "tools: {a: {}}"),
        ("tools: [{name: 404}]", 'tools: {"404": {}}'),
        ('tools: [{"name": "a", "call": "x.a"}]', 'tools: {"a": {"call": "x.a"}}'),
        ("tools: [{ref: x.a}]", "tools: {a: {ref: x.a}}"),
        (
            "tools:\n- call: |\n    x\n\n    # y\n  name: a\n# end",
            "tools:\n  a:\n    call: |\n      x\n\n      # y\n# end",
        ),
    ],
)
def test_every_way_to_write_a_list_becomes_a_map(naftiko: str, ikanos: str) -> None:
    migrated = to(tools(naftiko, language="naftiko"), "ikanos alpha3")
    assert migrated.text == tools(ikanos, language="ikanos")
    assert migrated.findings == []


@pytest.mark.parametrize(
    ("ikanos", "naftiko"),
    [
        ("tools:\n  a:\n    call: x.a", "tools:\n  - name: a\n    call: x.a"),
        ("tools:\n  a:\n      call: x.a", "tools:\n  -   name: a\n      call: x.a"),
        (
            "tools:\n  a:\n   call: |\n    x\n   label: b",
            "tools:\n  - name: a\n    call: |\n     x\n    label: b",
        ),
        ("tools:\n  a: # b\n    call: x.a", "tools:\n  - name: a # b\n    call: x.a"),
        ("tools:\n  a: # b", "tools:\n  - name: a # b"),
        ("tools:\n  a: ~\n  b: {}", "tools:\n  - name: a\n  - {name: b}"),
        ("tools:\n  a:\n    {call: x.a}", "tools:\n  -\n    {name: a, call: x.a}"),
        ("tools: {a: , b}", "tools: [{name: a}, {name: b}]"),
        ("tools:\n  a:\n    name: b\n    call: x.a", "tools:\n  -\n    name: b\n    call: x.a"),
        ("tools: {a: {name: b}}", "tools: [{name: b}]"),
        ("tools: {true: {}}", 'tools: [{name: "true"}]'),
    ],
)
def test_every_way_to_write_a_map_becomes_a_list(ikanos: str, naftiko: str) -> None:
    migrated = to(tools(ikanos, language="ikanos"), "naftiko alpha3")
    assert migrated.text == tools(naftiko, language="naftiko")
    assert migrated.findings == []


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("naftiko: 1.0.0-alpha2", "ikanos: 1.0.0-beta5"),
        ("naftiko: '1.0.0-alpha2' # v", "ikanos: '1.0.0-beta5' # v"),
        ('"naftiko": "0.5"', 'ikanos: "1.0.0-beta5"'),
        ("naftiko:\n  version: 1.0.0-alpha2", "ikanos:\n  1.0.0-beta5"),
        ("naftiko: {version: 1.0.0-alpha2}", 'ikanos: "1.0.0-beta5"'),
        ("naftiko:", 'ikanos: "1.0.0-beta5"'),
    ],
)
def test_the_version_is_written_as_it_was(written: str, becomes: str) -> None:
    rest = "\ncapability: {exposes: [{type: mcp, tools: []}]}\n"
    rest_there = "\ncapability: {exposes: [{type: mcp, tools: {}}]}\n"
    assert to(written + rest, "beta5").text == becomes + rest_there


def test_line_ends_and_marks_of_the_file_stay() -> None:
    text = tools("tools:\n- label: é\n  name: \U0001d6fc\n- name: b", language="naftiko")
    wanted = tools("tools:\n  \U0001d6fc:\n    display: é\n  b: {}", language="ikanos")
    assert to(text.replace("\n", "\r\n"), "ikanos alpha3").text == wanted.replace("\n", "\r\n")


def test_a_migration_to_the_same_version_changes_nothing() -> None:
    assert to(NAFTIKO, "naftiko alpha3").text == NAFTIKO
    assert to(IKANOS, "beta5").text == IKANOS


@pytest.mark.parametrize("target", VERSIONS[3:], ids=str)
def test_what_is_written_fits_its_version_strictly(target: object) -> None:
    migrated = to(NAFTIKO, str(target))
    assert migrated.text is not None
    assert check(source(migrated.text), strict=True) == []


def test_what_fits_ikanos_fits_naftiko_when_it_was_rewritten() -> None:
    for target in ("naftiko alpha2", "naftiko alpha3"):
        migrated = to(IKANOS, target)
        assert migrated.text is not None
        assert check(source(migrated.text), strict=True) == []


def test_static_outputs_are_called_otherwise_in_the_first_version() -> None:
    text = tools(
        "tools:\n- name: a\n  call: x.a\n  outputParameters:\n"
        "  - {type: object, properties: {a: {type: string, value: A}}}",
        language="naftiko",
    )
    migrated = to(text, "naftiko alpha1")
    assert migrated.text == text.replace("alpha3", "alpha1").replace("value: A", "const: A")
    assert to(migrated.text, "naftiko alpha3").text == text


def test_shared_files_are_rewritten_as_well() -> None:
    text = "naftiko: 1.0.0-alpha2\nconsumes:\n- {import: a, location: ./a.yaml, description: A.}\n"
    there = "ikanos: 1.0.0-alpha4\nconsumes:\n- {import: a, from: ./a.yaml, description: A.}\n"
    assert to(text, "alpha4").text == there
    back = to(there, "naftiko alpha1")
    assert back.text == "naftiko: 1.0.0-alpha1\nconsumes:\n- {import: a, location: ./a.yaml}\n"
    assert told(back) == [
        (
            "3:I-MIGRATE [consumes[0].description] 'description' is left out:"
            " naftiko 1.0.0-alpha1 does not have it"
        )
    ]


NEWEST = """\
ikanos: 1.0.0-beta5
info:
  display: Ships
  description: Ships.
  # of the document
  version: "2"  # not of the language
capability:
  exposes:
    - type: mcp
      port: 1
      namespace: m
      ttlMs: 5
      cacheScope: public
      tools: {a: {tags: [x], description: A., call: x.a}}
    - {type: rest, port: 2, namespace: r, maxBinarySize: 1MiB, resources: {a: {path: /a, tags: [],
       operations: {a: {responses: {"200": {}}, method: GET, call: x.a, tags: [x]}}}}}
  consumes:
    - type: http
      namespace: x
      baseUri: https://a.test
      resources: {a: {path: /a, operations: {a: {outputMediaType: image/png, method: GET}}}}
"""


def test_what_is_harmless_is_left_out_and_told() -> None:
    beta3 = to(NEWEST, "beta3")
    assert [line.rpartition("] ")[0] for line in told(beta3)] == [
        "6:I-MIGRATE [info.version",
        "12:I-MIGRATE [capability.exposes[0].ttlMs",
        "13:I-MIGRATE [capability.exposes[0].cacheScope",
    ]
    assert beta3.text is not None
    assert "  # of the document\n  # not of the language\ncapability:" in beta3.text
    assert "      namespace: m\n      tools: {a: {tags: [x], " in beta3.text
    alpha3 = to(NEWEST, "ikanos alpha3")
    assert alpha3.text is not None
    assert check(source(alpha3.text), strict=True) == []
    assert "operations: {a: {method: GET, call: x.a, tags: [x]}}}}}" in alpha3.text
    naftiko = to(NEWEST, "naftiko alpha3")
    assert naftiko.text is not None
    assert check(source(naftiko.text), strict=True) == []
    assert {f.severity for f in naftiko.findings} == {"notice"}
    assert len(naftiko.findings) == 9


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (
            "ikanos: 1.0.0-beta5\naggregates: [{display: A, namespace: a, flows: {}}]\n",
            "naftiko alpha3",
            (
                "2:E-MIGRATE [aggregates] naftiko 1.0.0-alpha3 cannot say this:"
                " 'aggregates' came with ikanos 1.0.0-alpha3"
            ),
        ),
        (
            "ikanos: 1.0.0-beta5\nbinds: [{namespace: a, keys: {A: A}}]\n",
            "naftiko alpha3",
            (
                "2:E-MIGRATE [binds] naftiko 1.0.0-alpha3 cannot say this: a file that"
                " shares 'binds' alone came with ikanos 1.0.0-alpha3"
            ),
        ),
        (
            "ikanos: 1.0.0-beta5\ncapability: {exposes: [{import: a, from: ./a.yaml}]}\n",
            "naftiko alpha3",
            (
                "2:E-MIGRATE [capability.exposes[0].import] naftiko 1.0.0-alpha3 cannot say this:"
                " an import in 'exposes' came with ikanos 1.0.0-alpha3"
            ),
        ),
        (
            "ikanos: 1.0.0-beta5\nconsumes: [{namespace: a, baseUri: x, tunnel: {type: ziti}}]\n",
            "naftiko alpha3",
            (
                "2:E-MIGRATE [consumes[0].tunnel] naftiko 1.0.0-alpha3 cannot say this:"
                " 'tunnel' came with ikanos 1.0.0-alpha3"
            ),
        ),
        (
            "naftiko: 1.0.0-alpha2\ncapability: {exposes: [{type: control, port: 1}]}\n",
            "naftiko alpha1",
            (
                "2:E-MIGRATE [capability.exposes[0].type] naftiko 1.0.0-alpha1 cannot say this:"
                " 'type: control' came with naftiko 1.0.0-alpha2"
            ),
        ),
        (
            tools("tools: [{name: a, steps: [{name: s, type: script}]}]", language="naftiko"),
            "naftiko alpha1",
            (
                "7:E-MIGRATE [capability.exposes[0].tools[0].steps[0].type] naftiko 1.0.0-alpha1"
                " cannot say this: 'type: script' came with naftiko 1.0.0-alpha2"
            ),
        ),
        (
            tools("x: &x {name: a}\ntools: [*x]", language="naftiko"),
            "beta5",
            (
                "8:E-MIGRATE [] an alias stands for what is written"
                " elsewhere: it cannot be rewritten here"
            ),
        ),
        (
            tools("tools: [&x {name: a}]", language="naftiko"),
            "beta5",
            (
                "7:E-MIGRATE [capability.exposes[0].tools] an entry here is no plain mapping:"
                " it cannot be rewritten"
            ),
        ),
        (
            tools("tools: {a: b}", language="ikanos"),
            "naftiko alpha3",
            (
                "7:E-MIGRATE [capability.exposes[0].tools] an entry here is no plain mapping:"
                " it cannot be rewritten"
            ),
        ),
    ],
)
def test_what_another_version_cannot_say_is_refused(text: str, target: str, message: str) -> None:
    migrated = to(text, target)
    assert migrated.text is None
    assert told(migrated) == [message]


def test_all_that_is_refused_is_told_at_once() -> None:
    refused = [line for line in told(to(NAFTIKO, "naftiko alpha1")) if "E-MIGRATE" in line]
    assert [line.rpartition(": ")[2] for line in refused] == [
        "'aggregates' came with naftiko 1.0.0-alpha2",
        "a target with dots came with naftiko 1.0.0-alpha2",
        "a mock came with naftiko 1.0.0-alpha2",
        "'ref' came with naftiko 1.0.0-alpha2",
        "'ref' came with naftiko 1.0.0-alpha2",
        "'ref' came with naftiko 1.0.0-alpha2",
    ]


def test_what_a_document_says_beyond_its_own_version_is_left_alone() -> None:
    text = tools("tools:\n- name: a\n  tags: [x]\n  hints: {readOnly: true}", language="naftiko")
    migrated = to(text, "naftiko alpha1")
    assert (migrated.text, migrated.findings) == (text.replace("alpha3", "alpha1"), [])


@pytest.mark.parametrize(
    "entries",
    [
        "[{name: a, call: x.a}, {name: a, call: x.b}]",
        "[{name: a}, {description: B., call: x.b}]",
    ],
)
def test_a_list_without_names_of_its_own_stays_one(entries: str) -> None:
    text = tools(f"tools: {entries}", language="naftiko")
    migrated = to(text, "ikanos alpha3")
    assert migrated.text == text.replace("naftiko", "ikanos")
    assert told(migrated) == [
        (
            "7:I-MIGRATE [capability.exposes[0].tools] this stays a list:"
            " not every entry has a name of its own"
        )
    ]


def test_names_that_nothing_refers_to_are_made_up() -> None:
    text = """\
naftiko: 1.0.0-alpha3
capability:
  exposes:
  - type: rest
    resources:
    - path: /v1/ships/{imo}
      operations: [{method: GET}, {method: PUT, call: x.put-ship}, {method: POST, name: put-ship}]
    - path: /
    - path: /v1/ships
"""
    migrated = to(text, "ikanos alpha3")
    assert migrated.findings == []
    assert (
        migrated.text
        == """\
ikanos: 1.0.0-alpha3
capability:
  exposes:
  - type: rest
    resources:
      v1-ships:
        path: /v1/ships/{imo}
        operations: {get: {method: GET}, put-ship-2: {method: PUT, call: x.put-ship},\
 put-ship: {method: POST}}
      resource:
        path: /
      v1-ships-2:
        path: /v1/ships
"""
    )


def test_what_is_no_document_is_told() -> None:
    migrated = to("openapi: 3.1.0\n", "beta5")
    assert migrated.text is None
    assert [f.code for f in migrated.findings] == ["E-NOT-CAPABILITY"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ikanos 1.0.0-beta5", ["ikanos 1.0.0-beta5"]),
        ("ikanos: 1.0.0-beta5", ["ikanos 1.0.0-beta5"]),
        ("ikanos-beta5", ["ikanos 1.0.0-beta5"]),
        ("IKANOS@beta5", ["ikanos 1.0.0-beta5"]),
        ("naftiko/alpha3", ["naftiko 1.0.0-alpha3"]),
        ("beta4", ["ikanos 1.0.0-beta4"]),
        ("alpha1", ["naftiko 1.0.0-alpha1"]),
        ("alpha3", ["naftiko 1.0.0-alpha3", "ikanos 1.0.0-alpha3"]),
        ("beta6", []),
        ("naftiko", []),
        ("", []),
    ],
)
def test_versions_are_named_in_several_ways(text: str, found: list[str]) -> None:
    assert [str(version) for version in versions(text)] == found


def test_of_a_copy_that_was_cut_this_is_told() -> None:
    text = tools("tools: [{name: a}]", language="naftiko")
    text += "\n# --- truncated at 32 KB (48 KB total) ---\n"
    migrated = to(text, "beta5")
    assert migrated.text is not None
    assert [f.code for f in migrated.findings] == ["W-TRUNCATED"]


def test_a_large_document_is_rewritten_in_time() -> None:
    entry = "- label: One\n  name: tool-{}\n  call: x.a\n  inputParameters: [{{name: a}}]\n"
    many = "tools:\n" + "".join(entry.format(number) for number in range(2_000))
    started = time.process_time()
    migrated = to(tools(many, language="naftiko"), "ikanos alpha3")
    assert time.process_time() - started < 15
    assert migrated.text is not None
    assert migrated.text.count("inputParameters: {a: {}}") == 2_000
    back = to(migrated.text, "naftiko alpha3").text
    assert time.process_time() - started < 15
    assert back is not None
    assert back.count("inputParameters: [{name: a}]") == 2_000


def test_parameters_of_all_levels_become_maps_and_lists() -> None:
    keyed = (
        "ikanos: 1.0.0-beta5\ncapability:\n  exposes:\n  - type: rest\n    namespace: r\n"
        "    inputParameters:\n      t: {in: header, default: x}  # of all\n"
        "      e: {in: environment}\n    resources:\n      x:\n        path: /x\n"
        '        inputParameters:\n          id: {in: body, value: "$.a.id", minimum: 3}\n'
    )
    listed = (
        "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: rest\n    namespace: r\n"
        "    inputParameters:\n      - {name: t, in: header, default: x}  # of all\n"
        "      - {name: e, in: environment}\n    resources:\n      - name: x\n        path: /x\n"
        "        inputParameters:\n"
        '          - {name: id, in: body, value: "$.a.id", minimum: 3}\n'
    )
    assert to(keyed, "naftiko 1.0.0-alpha2").text == listed
    assert to(listed, "beta5").text == keyed


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("ref: a.b", "'ref'"),
        ("outputParameters: [{name: hi, type: string, value: Hello}]", "a mock"),
    ],
)
def test_resources_that_call_nothing_are_new_to_alpha2(runs: str, said: str) -> None:
    document = tools(f"resources:\n  - name: r\n    uri: data://r\n    {runs}", language="naftiko")
    assert to(document, "alpha1").text is None
    assert said in told(to(document, "alpha1"))[0]
    assert to(document, "naftiko 1.0.0-alpha2").text is not None
