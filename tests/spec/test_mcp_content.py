"""Resources and prompts from raw values to records: both forms of the language."""

import msgspec.structs
import pytest

from naftiko_run.loading.aliases import rename_adapter
from naftiko_run.spec.document import (
    Adapter,
    McpPrompt,
    McpResource,
    Parameter,
    PromptMessage,
    Unit,
    Where,
)
from naftiko_run.spec.uris import UriError, split, variables
from tests.spec.documents import codes, document, source

LISTS = """
naftiko: 1.0.0-alpha2
info: {label: Ships}
capability:
  exposes:
  - type: mcp
    namespace: ships
    maxBinarySize: 1KiB
    resources:
    - name: ship
      label: Ship
      uri: data://ships/{imo}
      description: One ship
      mimeType: application/json
      binary: true
      call: up.get-ship
      with: {id: ships.imo}
    - {name: guides, label: Guides, uri: "docs://guides", location: "file:///./guides"}
    prompts:
    - name: ask
      label: Ask
      description: Asks
      arguments:
      - {name: who, label: Who, description: Whom}
      - {name: what, required: false}
      template: [{role: user, content: "Hi {{who}}"}, {role: Assistant, content: Yes?}]
    - {name: file, label: File, location: "file:///./ask.md"}
"""
MAPS = """
ikanos: 1.0.0-beta5
info: {display: Ships}
capability:
  exposes:
    ships:
      type: mcp
      maxBinarySize: 1KiB
      resources:
        ship:
          display: Ship
          uri: data://ships/{imo}
          description: One ship
          mimeType: application/json
          binary: true
          call: up.get-ship
          with: {id: ships.imo}
        guides: {display: Guides, uri: "docs://guides", location: "file:///./guides"}
      prompts:
        ask:
          display: Ask
          description: Asks
          arguments:
            who: {display: Who, description: Whom}
            what: {required: false}
          template: [{role: user, content: "Hi {{who}}"}, {role: Assistant, content: Yes?}]
        file: {display: File, location: "file:///./ask.md"}
"""
HERE = Where(source(LISTS))


def adapter_of(text: str) -> Adapter:
    found, findings = document(text)
    assert codes(findings) == []
    (adapter,) = found.adapters
    return adapter


def nowhere(resource: McpResource) -> McpResource:
    """Take the places and the finding of a folder, which calls nothing, out of a record."""
    parameters = tuple(msgspec.structs.replace(p, where=HERE) for p in resource.unit.parameters)
    unit = msgspec.structs.replace(resource.unit, where=HERE, parameters=parameters, problem=None)
    return msgspec.structs.replace(resource, where=HERE, unit=unit)


@pytest.mark.parametrize("text", [LISTS, MAPS], ids=["lists", "maps"])
def test_both_forms_are_the_same_records(text: str) -> None:
    adapter = adapter_of(text)
    assert adapter.units == ()
    ship, guides = map(nowhere, adapter.resources)
    assert ship == McpResource(
        where=HERE,
        unit=Unit(
            where=HERE,
            name="ship",
            label="Ship",
            description="One ship",
            call="up.get-ship",
            arguments={"id": "ships.imo"},
            parameters=(Parameter(where=HERE, name="imo", required=True),),
            max_binary_size=1024,
        ),
        uri="data://ships/{imo}",
        media_type="application/json",
        binary=True,
    )
    assert guides == McpResource(
        where=HERE,
        unit=Unit(where=HERE, name="guides", label="Guides", max_binary_size=1024),
        uri="docs://guides",
        location="file:///./guides",
    )
    ask, file = adapter.prompts
    arguments = tuple(msgspec.structs.replace(a, where=HERE) for a in ask.arguments)
    assert msgspec.structs.replace(ask, where=HERE, arguments=arguments) == McpPrompt(
        where=HERE,
        name="ask",
        label="Ask",
        description="Asks",
        arguments=(
            Parameter(where=HERE, name="who", label="Who", description="Whom", required=True),
            Parameter(where=HERE, name="what", required=False),
        ),
        messages=(
            PromptMessage(role="user", content="Hi {{who}}"),
            PromptMessage(role="assistant", content="Yes?"),
        ),
    )
    assert msgspec.structs.replace(file, where=HERE) == McpPrompt(
        where=HERE, name="file", label="File", location="file:///./ask.md"
    )


def test_an_alias_goes_into_what_resources_say() -> None:
    renamed = rename_adapter(adapter_of(LISTS), "fleet")
    assert renamed.namespace == "fleet"
    assert renamed.resources[0].unit.arguments == {"id": "fleet.imo"}


@pytest.mark.parametrize(
    ("uri", "names"),
    [
        ("data://a", ()),
        ("data://{a}/b/{c-d}.json", ("a", "c-d")),
        ("urn:ship:{imo}", ("imo",)),
        ("data://{a}?q={q_1}", ("a", "q_1")),
    ],
)
def test_variables_of_a_uri(uri: str, names: tuple[str, ...]) -> None:
    assert variables(uri) == names
    assert tuple(split(uri)[1]) == names


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "has no scheme"),
        ("/ships", "has no scheme"),
        ("data:", "has no scheme"),
        ("data://{a", "has a space or a brace that is no variable"),
        ("data://{a.b}", "has a space or a brace that is no variable"),
        ("data://a b", "has a space or a brace that is no variable"),
        ("data://{a}{b}", "has two variables with nothing between them"),
        ("data://{a}/{a}", "has a variable twice"),
    ],
)
def test_what_is_no_uri(uri: str, why: str) -> None:
    with pytest.raises(UriError, match=why):
        variables(uri)
