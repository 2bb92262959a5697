"""What the keywords of a document as a whole change: versions, info, binds, imports, outputs."""

import pytest
import yaml

from naftiko_run.loading.migrate.document import migrate
from naftiko_run.loading.migrate.language import versions
from naftiko_run.loading.schema import check
from naftiko_run.spec.reader import KNOWN_VERSIONS
from tests.cases.serving import Serve, answer
from tests.cases.small import Fields, build
from tests.e2e.wire import Json
from tests.spec.documents import source

KNOWN = [(root, number) for root, numbers in KNOWN_VERSIONS.items() for number in numbers]


@pytest.mark.parametrize(("root", "number"), KNOWN)
def test_every_version_is_served_from_its_own_form(serve: Serve, root: str, number: str) -> None:
    (target,) = versions(f"{root} {number.rpartition('-')[2]}")
    document = migrate(source(build(info={"display": "Ships"})), target).text
    assert document is not None
    assert yaml.safe_load(document)[root] == number
    served = serve(document, strict=True)
    assert served.codes == []
    assert served.get("/run").status == 200
    assert served.get("/openapi.json").json["info"]["title"] == "Ships"
    assert list(served.tools()) == ["run"]


@pytest.mark.parametrize("number", ["1.0.0-beta99", "0.5"])
def test_an_unknown_version_is_read_as_the_newest_with_a_warning(serve: Serve, number: str) -> None:
    served = serve(build(root={"ikanos": number}))
    assert served.codes == ["W-VERSION"]
    assert served.get("/run").status == 200


def test_info_names_what_is_served(serve: Serve) -> None:
    served = serve(build(info={"display": "Ships", "description": "At sea.", "version": "2.3"}))
    described = served.get("/openapi.json").json["info"]
    assert described == {"title": "Ships", "description": "At sea.", "version": "2.3"}
    found = served.rpc({"method": "server/discover"}).json["result"]
    shown = found["_meta"]["io.modelcontextprotocol/serverInfo"]
    assert (shown["title"], shown["version"]) == ("Ships", "2.3")


def test_without_info_the_file_names_what_is_served(serve: Serve) -> None:
    document = yaml.safe_load(build())
    del document["info"]
    served = serve(yaml.safe_dump(document, sort_keys=False))
    title = served.get("/openapi.json").json["info"]["title"]
    assert title.endswith("capability.yaml")


def test_what_else_info_says_is_for_readers_and_must_have_its_form(serve: Serve) -> None:
    person = {"role": "owner", "fullName": "Ada", "email": "ada@ships.test"}
    info: Fields = {
        "description": "Of ships.",
        "tags": ["sea"],
        "created": "2026-01-31",
        "modified": "2026-02-28",
        "stakeholders": [person],
    }
    assert serve(build(info=info), strict=True).codes == []
    for wrong in (
        {"created": "31.1.2026"},
        {"modified": "yesterday"},
        {"tags": "sea"},
        {"stakeholders": [{**person, "email": "ada"}]},
        {"stakeholders": [{"role": "owner"}]},
    ):
        served = serve(build(info={**info, **wrong}), strict=True)
        assert {f.code for f in served.findings} == {"W-SCHEMA"}, wrong
        assert all(f.path[:2] == ("info", next(iter(wrong))) for f in served.findings)
        assert served.get("/run").status == 200


def test_apis_at_the_root_are_served_with_those_of_the_capability(serve: Serve) -> None:
    document = yaml.safe_load(build())
    document["consumes"] = document["capability"].pop("consumes")
    served = serve(yaml.safe_dump(document, sort_keys=False))
    assert served.get("/run").status == 200


@pytest.mark.parametrize("section", ["exposes", "aggregates"])
def test_adapters_and_aggregates_at_the_root_are_told_beside_a_capability(
    serve: Serve, section: str
) -> None:
    document = yaml.safe_load(build())
    document[section] = [{"type": "mcp", "namespace": "other", "display": "O"}]
    served = serve(yaml.safe_dump(document, sort_keys=False))
    assert served.finding("W-ROOT-KEY").pointer == section
    assert served.get("/run").status == 200
    assert "other" not in served.urls


def test_a_file_that_only_shares_is_not_served(serve: Serve) -> None:
    document = yaml.safe_load(build())
    document["consumes"] = document.pop("capability")["consumes"]
    served = serve(yaml.safe_dump(document, sort_keys=False))
    assert "only shares" in served.finding("I-SHARED").message
    assert served.urls == {}


def test_a_capability_has_to_expose_something(serve: Serve) -> None:
    assert serve(build(capability={"exposes": []})).codes[0] == "E-NO-EXPOSES"


def test_an_adapter_of_an_unknown_type_is_left_out(serve: Serve) -> None:
    served = serve(build(rest={"type": "soap"}))
    assert served.finding("E-EXPOSES-TYPE").pointer == "capability.exposes[0].type"
    assert list(served.urls) == ["mcp"]


KEYS = {"keys": {"TOKEN": "outer"}}
BEARER: Fields = {"authentication": {"type": "bearer", "token": "{{TOKEN}}"}}


@pytest.mark.parametrize("place", ["root", "capability"])
def test_binds_are_read_at_the_root_and_in_the_capability(serve: Serve, place: str) -> None:
    given: Fields = {place: {"binds": [{"namespace": "env", "description": "Of it.", **KEYS}]}}
    served = serve(build(api=BEARER, **given), environ={"outer": "t-1"})
    assert served.get("/run").status == 200
    assert served.upstream.last.header("authorization") == ["Bearer t-1"]


@pytest.mark.parametrize("text", ["{{TOKEN}}", "{{env.TOKEN}}"])
def test_the_key_of_a_bind_is_the_name_inside_and_its_value_the_one_outside(
    serve: Serve, text: str
) -> None:
    root = {"binds": [{"namespace": "env", **KEYS}]}
    api = {"authentication": {"type": "bearer", "token": text}}
    served = serve(build(api=api, root=root), environ={"outer": "right", "TOKEN": "wrong"})
    served.get("/run")
    assert served.upstream.last.header("authorization") == ["Bearer right"]


def test_a_location_that_is_no_file_is_told(serve: Serve) -> None:
    root = {"binds": [{"namespace": "env", "location": "vault://secrets", **KEYS}]}
    served = serve(build(api=BEARER, root=root))
    assert served.finding("W-BIND-LOCATION").pointer == "binds[0].location"
    assert "TOKEN" in served.get("/run").problem(503)["detail"]


def test_an_import_of_the_list_form_names_its_file_by_location(serve: Serve) -> None:
    shared = yaml.safe_load(build())["capability"]["consumes"]
    document = yaml.safe_load(build())
    document["capability"]["consumes"] = [
        {"import": "up", "location": "./up.yaml", "as": "other", "description": "Comes along."}
    ]
    text = yaml.safe_dump(document, sort_keys=False).replace("up.do", "other.do")
    files = {"up.yaml": yaml.safe_dump({"naftiko": "1.0.0-alpha2", "consumes": shared})}
    served = serve(text, files=files)
    assert [code for code in served.codes if code[0] == "E"] == []
    assert served.get("/run").status == 200


# ------------------------------------------------------------------------------------ outputs


def mapped(serve: Serve, outputs: Json, reply: Json) -> Json:
    serve.upstream.reply = answer(reply)
    return serve(build(unit={"outputParameters": outputs})).get("/run").json


def test_a_mapping_chooses_and_the_declared_type_changes_no_value(serve: Serve) -> None:
    for declared in ("string", "number", "boolean"):
        assert mapped(serve, [{"type": declared, "mapping": "$.n"}], {"n": 1.5}) == 1.5


@pytest.mark.parametrize("keyword", ["value", "const"])
def test_a_static_output_is_its_value(serve: Serve, keyword: str) -> None:
    outputs = [
        {
            "type": "object",
            "properties": {
                "source": {"type": "string", keyword: "registry"},
                "id": {"type": "string", "mapping": "$.id"},
            },
        }
    ]
    assert mapped(serve, outputs, {"id": "7"}) == {"source": "registry", "id": "7"}


def test_objects_and_lists_are_mapped_inside_one_another(serve: Serve) -> None:
    name = {"type": "string", "mapping": "$.name"}
    outputs = [
        {
            "type": "object",
            "mapping": "$.data",
            "properties": {
                "ships": {
                    "type": "array",
                    "mapping": "$.list",
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": name,
                            "crew": {"type": "array", "mapping": "$.crew", "items": name},
                        },
                    },
                }
            },
        }
    ]
    reply = {"data": {"list": [{"name": "A", "crew": [{"name": "c"}]}, {"crew": []}]}}
    expected = {"ships": [{"name": "A", "crew": ["c"]}, {"name": None, "crew": []}]}
    assert mapped(serve, outputs, reply) == expected


# ----------------------------------------------------------------------------------- versions

OPERATION = "capability.consumes.0.resources.0.operations.0"
ROUTE = "capability.exposes.0.resources.0.operations.0"
TOOL = "capability.exposes.1.tools.0"
SINCE: list[tuple[str, str, Json, str]] = [
    ("info", "version", "2", "ikanos beta4"),
    ("capability", "aggregates", [{"display": "A", "namespace": "a"}], "naftiko alpha2"),
    ("capability.consumes.0", "tunnel", {"type": "ziti"}, "ikanos alpha3"),
    ("capability.consumes.0.resources.0", "tags", ["x"], "ikanos alpha3"),
    (OPERATION, "tags", ["x"], "ikanos alpha3"),
    (OPERATION, "outputSchema", "table", "naftiko alpha2"),
    (OPERATION, "outputMediaType", "image/png", "ikanos beta1"),
    (OPERATION, "maxBinarySize", "1MiB", "ikanos beta1"),
    ("capability.exposes.0", "maxBinarySize", "1MiB", "ikanos beta1"),
    (ROUTE, "tags", ["x"], "ikanos alpha3"),
    (ROUTE, "ref", "a.b", "naftiko alpha2"),
    (ROUTE, "responses", {"200": {"description": "It."}}, "ikanos beta1"),
    (ROUTE, "responseBinary", {"mediaType": "image/png"}, "ikanos beta1"),
    ("capability.exposes.1", "authentication", {"type": "bearer"}, "naftiko alpha2"),
    ("capability.exposes.1", "ttlMs", 1, "ikanos beta4"),
    ("capability.exposes.1", "cacheScope", "public", "ikanos beta4"),
    (TOOL, "tags", ["x"], "ikanos alpha3"),
    (TOOL, "ref", "a.b", "naftiko alpha2"),
    (TOOL, "hints", {"readOnly": True}, "naftiko alpha2"),
]


@pytest.mark.parametrize(("place", "key", "value", "since"), SINCE)
def test_strictly_a_version_has_no_keyword_of_a_later_one(
    place: str, key: str, value: Json, since: str
) -> None:
    (first,) = versions(since)
    for root, number in KNOWN:
        (version,) = versions(f"{root} {number.rpartition('-')[2]}")
        written = migrate(source(build()), version).text
        assert written is not None
        document = yaml.safe_load(written)
        holder = document
        for part in place.split("."):
            entries = list(holder.values()) if isinstance(holder, dict) else holder
            holder = entries[int(part)] if part.isdecimal() else holder[part]
        holder[key] = value
        found = check(source(yaml.safe_dump(document, sort_keys=False)), strict=True)
        unknown = any(f.code == "W-KEY-UNKNOWN" and f.path[-1] == key for f in found)
        assert unknown == (version.level < first.level), (root, number)
