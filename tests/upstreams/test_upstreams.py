"""The shipyard's servers hold the facts that the cases rest on, and want credentials."""

import subprocess
import sys

import pytest

from tests.e2e.process import PATIENCE, ROOT, environment
from tests.e2e.upstream import Upstream
from tests.e2e.wire import Answer, Json, ask
from tests.upstreams.registry import CREW, VOYAGE

KNOWN = {"authorization": "Bearer dummy-token", "registry_version": "1.0.0-alpha2"}


def get(upstream: Upstream, target: str, **headers: str) -> Answer:
    return ask(upstream.url, "GET", target, **headers)


def test_ships_are_listed_and_filtered_without_credentials(registry: Upstream) -> None:
    both = get(registry, "/ships").json
    assert [ship["imo_number"] for ship in both] == ["IMO-9321483", "IMO-9456781"]
    assert get(registry, "/ships?status=active").json == both[:1]
    assert get(registry, "/ships?status=maintenance").json == both[1:]
    assert get(registry, "/ships?status=sunk").json == []


def test_a_ship_has_its_details(registry: Upstream) -> None:
    ship = get(registry, "/ships/IMO-9456781").json
    assert (ship["vessel_name"], ship["year_built"]) == ("Pacific Dawn", 2018)
    assert ship["dimensions"] == {"length_overall": 274, "beam": 48, "draft": 16.0}
    assert ship["assignedCrew"] == ["CREW-002", "CREW-004"]
    unknown = get(registry, "/ships/IMO-1")
    message = "Ship with IMO number IMO-1 not found"
    assert (unknown.status, unknown.json) == (404, {"error": "not_found", "message": message})


@pytest.mark.parametrize("target", ["/crew", "/cargo", "/voyages/VOY-2026-042"])
def test_the_rest_wants_a_token_and_a_version(registry: Upstream, target: str) -> None:
    assert get(registry, target, **KNOWN).status == 200
    assert get(registry, target).status == 401
    assert get(registry, target, **{**KNOWN, "authorization": "Bearer other"}).status == 401
    assert get(registry, target, authorization="Bearer dummy-token").status == 400
    assert get(registry, target, **{**KNOWN, "registry_version": "2"}).status == 400
    assert len(registry.received) == 5


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"authorization": "Bearer {{TOKEN}}"}, 401), ({"registry_version": "{{VERSION}}"}, 400)],
)
def test_wrong_credentials_are_refused_for_ships_too(
    registry: Upstream, headers: dict[str, str], status: int
) -> None:
    assert get(registry, "/ships", **headers).status == status


def test_a_voyage_is_planned_for_a_known_ship(registry: Upstream) -> None:
    asked: Json = {
        "shipImo": "IMO-9456781",
        "departurePort": "Oslo",
        "arrivalPort": "Singapore",
        "departureDate": "2026-04-10",
        "arrivalDate": "2026-05-02",
    }
    planned = ask(registry.url, "POST", "/voyages", asked, **KNOWN)
    assert (planned.status, planned.json) == (201, {**VOYAGE, **asked})
    wrong = ask(registry.url, "POST", "/voyages", {**asked, "shipImo": "IMO-1"}, **KNOWN)
    assert wrong.status == 400
    assert ask(registry.url, "POST", "/voyages", b"{", **KNOWN).status == 400


def test_text_is_utf_8(registry: Upstream) -> None:
    answer = get(registry, "/crew", **KNOWN)
    assert answer.json == CREW
    assert "Erik Lindström".encode() in answer.body


def test_vessels_are_xml_for_callers_with_the_key(dockyard: Upstream) -> None:
    assert get(dockyard, "/vessels").status == 401
    assert get(dockyard, "/vessels", x_dock_key="dummy-dockyard-key").text == (
        "<vessels>"
        "<vessel><vesselCode>LEGACY-4012</vesselCode><vesselName>Old Faithful</vesselName>"
        "<category>cargo</category><flagState>GB</flagState>"
        "<operationalStatus>active</operationalStatus></vessel>"
        "<vessel><vesselCode>LEGACY-2087</vesselCode><vesselName>Iron Maiden</vesselName>"
        "<category>bulk_carrier</category><flagState>PA</flagState>"
        "<operationalStatus>laid_up</operationalStatus></vessel>"
        "</vessels>"
    )
    one = get(dockyard, "/vessels?status=laid_up", x_dock_key="dummy-dockyard-key").text
    assert ("LEGACY-2087" in one, one.count("<vessel>")) == (True, 1)


def test_the_servers_run_alone() -> None:
    command = [sys.executable, "-m", "tests.upstreams", "--registry-port=0", "--dockyard-port=0"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline().replace(",", "").split()
        registry = next(word for word in said if word.startswith("http://"))
        assert "Northern Star" in ask(registry, "GET", "/ships").text
        process.terminate()
        assert process.wait(PATIENCE) == 0
