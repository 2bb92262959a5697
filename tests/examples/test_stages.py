"""Each stage of the shipyard is served and called, in both forms and as migrated from either."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest
from mcp_types import TextContent, TextResourceContents, ToolAnnotations

from tests.e2e.process import run
from tests.e2e.upstream import Upstream
from tests.e2e.wire import Answer, Json
from tests.examples.shipyard import CALLER_TOKEN, SHIPYARD, SKILLS, TOOLS, Stage, copied, serving

pytestmark = pytest.mark.anyio

BETA5, ALPHA3 = "ikanos 1.0.0-beta5", "naftiko 1.0.0-alpha3"
FORMS: dict[str, Sequence[str]] = {
    "naftiko": ("naftiko",),
    "ikanos": ("ikanos",),
    "naftiko as ikanos": ("naftiko", BETA5),
    "naftiko as ikanos and back": ("naftiko", BETA5, ALPHA3),
    "ikanos as naftiko": ("ikanos", ALPHA3),
}

STAR: Json = {
    "imo_number": "IMO-9321483",
    "vessel_name": "Northern Star",
    "vessel_type": "cargo",
    "flag_code": "NO",
    "operational_status": "active",
}
DAWN: Json = {
    "imo_number": "IMO-9456781",
    "vessel_name": "Pacific Dawn",
    "vessel_type": "tanker",
    "flag_code": "SG",
    "operational_status": "maintenance",
}
SHIPS: list[Json] = [
    {
        "imo": "IMO-9321483",
        "name": "Northern Star",
        "type": "cargo",
        "flag": "NO",
        "status": "active",
    },
    {
        "imo": "IMO-9456781",
        "name": "Pacific Dawn",
        "type": "tanker",
        "flag": "SG",
        "status": "maintenance",
    },
]
CREW = [
    {"fullName": "Erik Lindström", "role": "captain"},
    {"fullName": "Aiko Tanaka", "role": "cook"},
]
MANIFEST = {
    "voyageId": "VOY-2026-042",
    "status": "planned",
    "route": {"from": "Oslo", "to": "Singapore"},
    "ship": {"name": "Northern Star", "type": "cargo", "flag": "NO"},
    "crew": CREW,
    "cargo": [
        {
            "type": "container",
            "description": "Electronics components",
            "weight": 12.5,
            "hazardous": False,
        }
    ],
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=list(FORMS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a form, copied: an example needs nothing from around it."""
    return copied(tmp_path_factory.mktemp("shipyard"), *FORMS[request.param])


Serve = Callable[[str], AbstractAsyncContextManager[Stage]]


@pytest.fixture
def serve(folder: Path, registry: Upstream, dockyard: Upstream) -> Serve:
    """Give what serves a stage of the form that the test runs with."""
    return lambda stage: serving(folder / f"{stage}.yaml", registry, dockyard)


def known(upstream: Upstream) -> bool:
    """Say whether each request carried the registry's credentials and version, and no other."""
    return all(
        (each.header("authorization"), each.header("registry-version"))
        == (["Bearer dummy-token"], ["1.0.0-alpha2"])
        for each in upstream.received
    )


def anonymous(upstream: Upstream) -> bool:
    """Say whether no request carried credentials: those of a caller are not passed on."""
    return not any(
        each.header("authorization") or each.header("registry-version")
        for each in upstream.received
    )


def test_both_forms_have_the_same_stages() -> None:
    naftiko, ikanos = (sorted((SHIPYARD / form).glob("*.yaml")) for form in ("naftiko", "ikanos"))
    assert [file.name for file in naftiko] == [file.name for file in ikanos]
    assert [file.name[:2] for file in naftiko] == [f"{number:02}" for number in range(1, 12)]


@pytest.mark.parametrize("form", ["naftiko", "ikanos"])
def test_what_the_stages_share_is_sound(form: str) -> None:
    shared = str(SHIPYARD / form / "shared")
    validated = run("validate", "--strict", "--format=json", shared)
    assert validated.returncode == 0, validated.stdout
    codes = [finding["code"] for finding in json.loads(validated.stdout)["findings"]]
    assert set(codes) == {"I-SHARED"}
    for command in ("inspect", "serve"):
        alone = run(command, shared)
        assert (alone.returncode, alone.stdout) == (1, "")
        assert alone.stderr.count("serve the capability that imports this file") == len(codes)


async def test_stage_1_answers_what_is_written_and_calls_nothing(serve: Serve) -> None:
    ship = {"imo": "IMO-7", "name": "Northern Star", "status": "active"}
    async with serve("01-mock") as stage:
        assert await stage.tool("get-ship", imo="IMO-7") == ship
        assert await stage.get("/ships/IMO-7") == ship
        assert stage.registry.received == []


async def test_stage_2_gives_what_the_registry_answers(serve: Serve) -> None:
    async with serve("02-first-call") as stage:
        assert await stage.tool("list-ships") == [STAR, DAWN]
        assert anonymous(stage.registry)
        assert stage.asked(stage.registry) == ["GET /ships"]


@pytest.mark.case(93)
async def test_stage_3_has_an_optional_and_a_required_argument(serve: Serve) -> None:
    async with serve("03-parameters") as stage:
        ships, ship = (await stage.client.list_tools()).tools
        assert (ships.name, ships.input_schema.get("required", [])) == ("list-ships", [])
        assert list(ships.input_schema["properties"]) == ["status"]
        assert (ship.name, ship.input_schema["required"]) == ("get-ship", ["imo"])


async def test_stage_3_sends_arguments_as_query_and_path(serve: Serve) -> None:
    async with serve("03-parameters") as stage:
        assert await stage.tool("list-ships") == [STAR, DAWN]
        assert await stage.tool("list-ships", status="maintenance") == [DAWN]
        ship = await stage.tool("get-ship", imo="IMO-9321483")
        assert (ship["vessel_name"], ship["dimensions"]["beam"]) == ("Northern Star", 32)
        assert anonymous(stage.registry)
        assert stage.asked(stage.registry) == [
            "GET /ships",
            "GET /ships?status=maintenance",
            "GET /ships/IMO-9321483",
        ]
        assert await stage.tool("get-ship") == "imo: is required"
        assert "IMO-1 not found" in await stage.tool("get-ship", imo="IMO-1")
        await stage.tool("get-ship", imo="../crew?x=1#y")
        assert stage.asked(stage.registry) == [
            "GET /ships/IMO-1",
            "GET /ships/..%2Fcrew%3Fx%3D1%23y",
        ]


async def test_stage_4_shows_the_registry_its_token_and_version(serve: Serve) -> None:
    async with serve("04-authentication") as stage:
        crew = await stage.tool("list-crew")
        assert [each["fullName"] for each in crew] == [
            "Erik Lindström",
            "Maria Santos",
            "Aiko Tanaka",
            "Hans Mueller",
        ]
        assert await stage.tool("list-ships", status="active") == [STAR]
        assert known(stage.registry)
        assert stage.asked(stage.registry) == ["GET /crew", "GET /ships?status=active"]


@pytest.mark.case(91)
async def test_stage_4_lets_in_who_has_the_token_of_the_secrets_file(serve: Serve) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with serve("04-authentication") as stage:

        async def status(**headers: str) -> int:
            accept = "application/json, text/event-stream"
            answer = await stage.ask("POST", "", message, of=TOOLS, accept=accept, **headers)
            return answer.status

        assert await status(authorization=f"Bearer {CALLER_TOKEN}") == 200
        assert await status(authorization="Bearer other") == 401
        assert await status() == 401
        assert stage.registry.received == []


@pytest.mark.case(20)
async def test_stage_5_maps_details_into_an_object_of_their_own(serve: Serve) -> None:
    async with serve("05-output-mapping") as stage:
        assert await stage.tool("get-ship", imo="IMO-9321483") == {
            "imo": "IMO-9321483",
            "name": "Northern Star",
            "status": "active",
            "specs": {"yearBuilt": 2015, "tonnage": 42000, "length": 229},
        }
        assert await stage.tool("list-ships") == SHIPS
        assert await stage.tool("list-ships", status="sunk") == []
        assert known(stage.registry)


@pytest.mark.case(29)
@pytest.mark.case(30)
async def test_stage_6_reads_xml_and_keeps_lists_of_one_and_none(serve: Serve) -> None:
    faithful = {"code": "LEGACY-4012", "name": "Old Faithful"}
    maiden = {"code": "LEGACY-2087", "name": "Iron Maiden"}
    async with serve("06-xml") as stage:
        for status, vessels in (("active", [faithful]), ("laid_up", [maiden])):
            assert await stage.tool("list-legacy-vessels", status=status) == vessels
            assert await stage.get(f"/legacy/vessels?status={status}") == vessels
        assert await stage.tool("list-legacy-vessels", status="sunk") == []
        assert await stage.get("/legacy/vessels?status=sunk") == []
        assert await stage.tool("list-legacy-vessels") == [faithful, maiden]
        assert await stage.get("/legacy/vessels") == [faithful, maiden]
        keys = {tuple(each.header("x-dock-key")) for each in stage.dockyard.received}
        assert keys == {("dummy-dockyard-key",)}
        assert anonymous(stage.dockyard)
        assert stage.asked(stage.dockyard)[-2:] == ["GET /vessels", "GET /vessels"]


@pytest.mark.case(59)
async def test_stage_7_joins_a_ship_with_its_crew(serve: Serve) -> None:
    async with serve("07-orchestration") as stage:
        assert await stage.tool("get-ship-with-crew", imo="IMO-9321483") == {
            **SHIPS[0],
            "yearBuilt": 2015,
            "tonnage": 42000,
            "length": 229,
            "crew": CREW,
        }
        assert known(stage.registry)
        assert sorted(stage.asked(stage.registry)) == ["GET /crew", "GET /ships/IMO-9321483"]
        assert "IMO-1 not found" in await stage.tool("get-ship-with-crew", imo="IMO-1")


async def test_stage_8_has_resources_behind_uris(serve: Serve) -> None:
    async with serve("08-resources-prompts-skills") as stage:

        async def read(uri: str) -> tuple[str | None, str]:
            (content,) = (await stage.client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            return content.mime_type, content.text

        (template,) = (await stage.client.list_resource_templates()).resource_templates
        assert template.uri_template == "shipyard://ships/{imo}"
        media_type, text = await read("shipyard://ships/IMO-9456781")
        crew = ["CREW-002", "CREW-004"]
        assert media_type == "application/json"
        assert json.loads(text) == {"imo": "IMO-9456781", "name": "Pacific Dawn", "crew": crew}
        assert known(stage.registry)
        files = sorted(str(each.uri) for each in (await stage.client.list_resources()).resources)
        assert files[:2] == ["shipyard://guides/berthing.md", "shipyard://guides/statuses.md"]
        guide = (SHIPYARD / "guides" / "berthing.md").read_text("utf-8")
        assert await read(files[0]) == ("text/markdown", guide)


async def test_stage_8_has_prompts_of_a_template_and_of_a_file(serve: Serve) -> None:
    async with serve("08-resources-prompts-skills") as stage:
        listed = (await stage.client.list_prompts()).prompts
        assert [prompt.name for prompt in listed] == ["compare-ships", "crew-change"]
        given = {"first": "IMO-1", "second": "IMO-2", "route": "Oslo to Bergen"}
        compared = (await stage.client.get_prompt("compare-ships", given)).messages
        assert [message.role for message in compared] == ["user", "assistant", "user"]
        assert isinstance(compared[0].content, TextContent)
        assert compared[0].content.text == "Compare the ships IMO-1 and IMO-2 for Oslo to Bergen."
        (note,) = (
            await stage.client.get_prompt("crew-change", {"imo": "IMO-1", "port": "Oslo"})
        ).messages
        assert isinstance(note.content, TextContent)
        assert note.content.text.startswith("Ship IMO-1 changes its crew in Oslo.")


async def test_stage_8_has_a_skill_with_its_tools_and_instructions(serve: Serve) -> None:
    folder = SHIPYARD / "skills" / "fleet-desk"
    async with serve("08-resources-prompts-skills") as stage:

        async def read(path: str) -> Answer:
            answer = await stage.ask("GET", path, of=SKILLS)
            assert answer.status == 200, answer
            return answer

        listed = (await read("")).json
        assert (listed["count"], listed["skills"][0]["name"]) == (1, "fleet-desk")
        skill = (await read("/fleet-desk")).json
        ships, handover = skill["tools"]
        invoked = {"targetNamespace": TOOLS, "action": "list-ships", "mode": "mcp"}
        assert (ships["type"], ships["invocationRef"]) == ("derived", invoked)
        assert (handover["type"], handover["instruction"]) == ("instruction", "handover.md")
        files = (await read("/fleet-desk/contents")).json["files"]
        assert [file["path"] for file in files] == ["SKILL.md", "handover.md"]
        for name in ("SKILL.md", "handover.md"):
            content = await read(f"/fleet-desk/contents/{name}")
            assert content.text == (folder / name).read_text("utf-8")
        refused = await stage.ask("GET", "/fleet-desk/contents/..%2f..%2fsecrets.yaml", of=SKILLS)
        assert (refused.status, "dummy" in refused.text) == (400, False)
        (over_mcp,) = (await stage.client.read_resource("skill://fleet-desk/SKILL.md")).contents
        assert isinstance(over_mcp, TextResourceContents)
        assert over_mcp.text == (folder / "SKILL.md").read_text("utf-8")


async def test_stage_9_serves_one_function_as_tool_and_route(serve: Serve) -> None:
    ships = [{name: ship[name] for name in ("imo", "name", "status")} for ship in SHIPS]
    async with serve("09-aggregates") as stage:
        assert await stage.tool("list-ships") == await stage.get("/ships") == ships
        assert await stage.tool("list-ships", status="active") == ships[:1]
        assert await stage.get("/ships?status=active") == ships[:1]
        assert await stage.tool("get-ship", imo="IMO-9456781") == ships[1]
        assert await stage.get("/ships/IMO-9456781") == ships[1]
        assert known(stage.registry)
        sent = stage.asked(stage.registry)
        assert sent[::2] == sent[1::2], "each face sends the same request"


async def test_stage_9_tells_agents_that_a_tool_only_reads(serve: Serve) -> None:
    async with serve("09-aggregates") as stage:
        ships, ship = (await stage.client.list_tools()).tools
        assert ships.description == "All ships, or those with a status."
        assert (ship.description or "").endswith("List the ships if you do not.")
        assert ship.input_schema["required"] == ["imo"]
        hints = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True}
        assert ships.annotations is not None
        assert ship.annotations is not None
        dump = partial(ToolAnnotations.model_dump, by_alias=True, exclude_none=True)
        assert dump(ships.annotations) == hints
        assert dump(ship.annotations) == {**hints, "openWorldHint": True}


@pytest.mark.case(14)
@pytest.mark.case(51)
async def test_stage_10_lists_ships_for_programs(serve: Serve) -> None:
    async with serve("10-rest") as stage:
        assert await stage.get("/ships") == SHIPS
        crew = ["CREW-001", "CREW-003"]
        ship = {"imo": "IMO-9321483", "name": "Northern Star", "crewIds": crew}
        assert await stage.get("/ships/IMO-9321483") == ship
        assert known(stage.registry)
        assert stage.asked(stage.registry) == ["GET /ships", "GET /ships/IMO-9321483"]
        missing = await stage.ask("GET", "/ships/IMO-1")
        assert (missing.status, missing.json["error"]) == (404, "not_found")


VOYAGE: Json = {
    "shipImo": "IMO-9321483",
    "departurePort": "Oslo",
    "arrivalPort": "Singapore",
    "departureDate": "2026-04-10",
    "arrivalDate": "2026-05-02",
    "crewIds": ["CREW-001", "CREW-003"],
    "cargoIds": ["CARGO-2024-0451"],
}


@pytest.mark.case(52)
async def test_stage_10_plans_a_voyage(serve: Serve) -> None:
    async with serve("10-rest") as stage:
        planned = await stage.ask("POST", "/voyages", VOYAGE, authorization="Bearer caller")
        assert (planned.status, planned.json) == (
            201,
            {
                "voyageId": "VOY-2026-042",
                "shipImo": "IMO-9321483",
                "route": {"from": "Oslo", "to": "Singapore"},
                "dates": {"departure": "2026-04-10", "arrival": "2026-05-02"},
                "crewIds": ["CREW-001", "CREW-003"],
                "cargoIds": ["CARGO-2024-0451"],
                "status": "planned",
            },
        )
        (sent,) = stage.registry.received
        assert (sent.method, sent.target, sent.json) == ("POST", "/voyages", VOYAGE)
        assert known(stage.registry)


async def test_stage_10_sends_no_key_for_what_a_caller_leaves_out(serve: Serve) -> None:
    given = {name: value for name, value in VOYAGE.items() if name != "cargoIds"}
    async with serve("10-rest") as stage:
        assert (await stage.ask("POST", "/voyages", given)).status == 201
        assert stage.registry.last.json == given
        unknown = await stage.ask("POST", "/voyages", {**VOYAGE, "shipImo": "IMO-1"})
        assert (unknown.status, unknown.json["error"]) == (400, "bad_request")
        (await stage.ask("POST", "/voyages", {**VOYAGE, "crewIds": 5})).problem(400)
        assert len(stage.registry.received) == 2


@pytest.mark.case(60)
@pytest.mark.parametrize("folder", [f for f in FORMS if f != "ikanos as naftiko"], indirect=True)
async def test_stage_11_makes_a_manifest(serve: Serve) -> None:
    async with serve("11-manifest") as stage:
        assert await stage.tool("get-voyage-manifest", voyageId="VOY-2026-042") == MANIFEST
        assert known(stage.registry)
        assert sorted(stage.asked(stage.registry)) == [
            "GET /cargo",
            "GET /crew",
            "GET /ships/IMO-9321483",
            "GET /voyages/VOY-2026-042",
        ]
        assert await stage.get("/voyages/VOY-2026-042/manifest") == MANIFEST
        missing = await stage.ask("GET", "/voyages/VOY-1/manifest")
        assert (missing.status, missing.json["message"]) == (404, "Voyage VOY-1 not found")


def test_only_stage_11_cannot_go_back_for_its_imports(tmp_path: Path) -> None:
    there = {file.name for file in (SHIPYARD / "ikanos").rglob("*.yaml")}
    back = {file.name for file in copied(tmp_path, "ikanos", ALPHA3).rglob("*.yaml")}
    assert there - back == {"11-manifest.yaml", "binds.yaml", "voyages.yaml"}
