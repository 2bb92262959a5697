"""The Maritime Registry: ships, crew, cargo and voyages as JSON.

Ships are public. Crew, cargo and voyages want ``Authorization: Bearer dummy-token`` and
``Registry-Version: 1.0.0-alpha2``. Where a request has either field, it must be right, even if it
asks for ships: 401 for the token, 400 for the version.
"""

import json

from tests.e2e.upstream import Received, Reply
from tests.e2e.wire import Json
from tests.upstreams.answers import header, path, query, reply, same

TOKEN = "dummy-token"
VERSION = "1.0.0-alpha2"

SHIPS: list[Json] = [
    {
        "imo_number": "IMO-9321483",
        "vessel_name": "Northern Star",
        "vessel_type": "cargo",
        "flag_code": "NO",
        "operational_status": "active",
    },
    {
        "imo_number": "IMO-9456781",
        "vessel_name": "Pacific Dawn",
        "vessel_type": "tanker",
        "flag_code": "SG",
        "operational_status": "maintenance",
    },
]

DETAILS: dict[str, Json] = {
    "IMO-9321483": {
        "year_built": 2015,
        "gross_tonnage": 42000,
        "dimensions": {"length_overall": 229, "beam": 32, "draft": 12.5},
        "assignedCrew": ["CREW-001", "CREW-003"],
    },
    "IMO-9456781": {
        "year_built": 2018,
        "gross_tonnage": 55000,
        "dimensions": {"length_overall": 274, "beam": 48, "draft": 16.0},
        "assignedCrew": ["CREW-002", "CREW-004"],
    },
}

CREW: list[Json] = [
    {
        "crewId": "CREW-001",
        "fullName": "Erik Lindström",
        "role": "captain",
        "certifications": ["Master Mariner", "GMDSS"],
    },
    {
        "crewId": "CREW-002",
        "fullName": "Maria Santos",
        "role": "first_officer",
        "certifications": ["Chief Mate"],
    },
    {
        "crewId": "CREW-003",
        "fullName": "Aiko Tanaka",
        "role": "cook",
        "certifications": ["Ship's Cook"],
    },
    {
        "crewId": "CREW-004",
        "fullName": "Hans Mueller",
        "role": "engineer",
        "certifications": ["Second Engineer"],
    },
]

CARGO: list[Json] = [
    {
        "cargoId": "CARGO-2024-0451",
        "type": "container",
        "description": "Electronics components",
        "weight": 12.5,
        "hazardous": False,
    },
    {
        "cargoId": "CARGO-2024-0452",
        "type": "bulk",
        "description": "Iron ore samples",
        "weight": 85.0,
        "hazardous": False,
    },
    {
        "cargoId": "CARGO-2024-0453",
        "type": "container",
        "description": "Industrial solvents",
        "weight": 5.2,
        "hazardous": True,
    },
]

VOYAGE: Json = {
    "voyageId": "VOY-2026-042",
    "shipImo": "IMO-9321483",
    "departurePort": "Oslo",
    "arrivalPort": "Singapore",
    "departureDate": "2026-04-10T08:00:00Z",
    "arrivalDate": "2026-05-02T14:00:00Z",
    "crewIds": ["CREW-001", "CREW-003"],
    "cargoIds": ["CARGO-2024-0451"],
    "status": "planned",
}
ECHOED = ("shipImo", "departurePort", "arrivalPort", "departureDate", "arrivalDate")


def answer(received: Received) -> Reply:
    """Answer as the registry does."""
    where = path(received)
    refused = _refused(received, public=where[0] == "ships")
    if refused:
        return refused
    match received.method, where:
        case "GET", ["ships"]:
            return reply(200, _ships(query(received, "status")))
        case "GET", ["ships", imo]:
            return _ship(imo)
        case "GET", ["crew"]:
            return reply(200, CREW)
        case "GET", ["cargo"]:
            return reply(200, CARGO)
        case "POST", ["voyages"]:
            return _planned(received.body)
        case "GET", ["voyages", voyage] if voyage == VOYAGE["voyageId"]:
            return reply(200, VOYAGE)
        case "GET", ["voyages", voyage]:
            return _not_found(f"Voyage {voyage} not found")
    return _not_found(f"There is no {received.method} /{'/'.join(where)}")


def _refused(received: Received, *, public: bool) -> Reply | None:
    """Refuse a request without credentials or version where they are wanted, and wrong ones."""
    credentials = header(received, "Authorization")
    if not same(credentials, f"Bearer {TOKEN}") and not (public and credentials is None):
        said = {"error": "unauthorized", "message": "A valid bearer token is required"}
        return reply(401, said, www_authenticate='Bearer realm="maritime-registry"')
    version = header(received, "Registry-Version")
    if version != VERSION and not (public and version is None):
        said = {"error": "bad_version", "message": f"Registry-Version must be {VERSION}"}
        return reply(400, said)
    return None


def _ships(status: str | None) -> Json:
    return [ship for ship in SHIPS if status in (None, ship["operational_status"])]


def _ship(imo: str) -> Reply:
    for ship in SHIPS:
        if ship["imo_number"] == imo:
            return reply(200, {**ship, **DETAILS[imo]})
    return _not_found(f"Ship with IMO number {imo} not found")


def _planned(body: bytes) -> Reply:
    """Plan a voyage; crew and cargo are those of the planned one where none are given."""
    try:
        asked = json.loads(body)
    except ValueError:
        return _bad_request("The body is not JSON")
    if not isinstance(asked, dict):
        return _bad_request("The body is not an object")
    if asked.get("shipImo") not in DETAILS:
        return _bad_request(f"Ship with IMO number {asked.get('shipImo')} not found")
    given = {name: asked[name] for name in ("crewIds", "cargoIds") if name in asked}
    return reply(201, {**VOYAGE, **{name: asked.get(name) for name in ECHOED}, **given})


def _not_found(message: str) -> Reply:
    return reply(404, {"error": "not_found", "message": message})


def _bad_request(message: str) -> Reply:
    return reply(400, {"error": "bad_request", "message": message})
