"""The sandbox gives the answers that a real server gave.

`unkey-observed.jsonl` holds about half of a long conversation with a real server, in order. What
the missing half left behind is set up from `observed_setup.json`. Every id and key that the
sandbox makes is renamed to the one the real server made, so that later requests find it and
lists come in the observed order. `observed_differences.json` names what may differ and why.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from naftiko_run.sandbox.unkey import create_app
from naftiko_run.sandbox.unkey.database import Database
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.ids import hash_key, sort_key
from naftiko_run.sandbox.unkey.store import Store

HERE = Path(__file__).parent
REFERENCE = Path(os.environ.get("NAFTIKO_REFERENCE", HERE.parents[2] / "shared" / "reference"))
OBSERVED = REFERENCE / "unkey-observed.jsonl"

pytestmark = pytest.mark.skipif(not OBSERVED.exists(), reason=f"no observed pairs in {REFERENCE}")

ID = re.compile(r"(api|key|perm|role|id|rl|rlns|rlor)_[A-Za-z0-9]{9}")
HEADERS = (
    *("content-type", "allow", "x-content-type-options", "retry-after"),
    *("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
)
WORKSPACE = "ws_test"


@cache
def observed() -> dict[int, dict[str, Json]]:
    if not OBSERVED.exists():
        return {}
    with OBSERVED.open(encoding="utf-8") as lines:
        return {pair["seq"]: pair for pair in map(json.loads, lines)}


@cache
def differences() -> list[dict[str, Json]]:
    read: list[dict[str, Json]] = json.loads((HERE / "observed_differences.json").read_text())
    return read


class Replay:
    """One run through all pairs; afterwards `found` holds what differs in each of them."""

    def __init__(self) -> None:
        self.now = 0
        self.app = create_app(clock=lambda: self.now)
        self.store: Store = self.app.state.store
        self.client = TestClient(self.app, headers={"connection": "close"})
        self.steps = json.loads((HERE / "observed_setup.json").read_text())
        self.created = created_at(observed().values())
        self.known: set[str] = set()
        self.found: dict[int, tuple[Json, Json]] = {}
        self.columns = text_columns(self.store.db)
        self.store.create_root_key("unkey_rootfull", workspace=WORKSPACE)
        self.store.create_root_key("unkey_rootnone", [], workspace=WORKSPACE)

    def run(self) -> None:
        for seq, pair in sorted(observed().items()):
            while self.steps and self.steps[0]["before"] <= seq:
                self.set_up(self.steps.pop(0))
            self.found[seq] = self.play(pair)

    def set_up(self, step: dict[str, Json]) -> None:
        if "clock" in step:
            self.now = step["clock"]
        elif "root_key" in step:
            self.store.create_root_key(**step["root_key"], workspace=WORKSPACE)
        elif "sql" in step:
            with self.store.db.writing():
                self.store.db.run(step["sql"])
        else:
            for _ in range(step.get("times", 1)):
                headers = {"authorization": "Bearer unkey_rootfull"}
                answer = self.client.post(
                    f"/v2/{step['op']}", json=step["request"], headers=headers
                )
                assert answer.status_code == 200, (step, answer.text)
                self.adopt_answer(answer.json(), step.get("response", {}))

    def play(self, pair: dict[str, Json]) -> tuple[Json, Json]:
        expected = pair["response"]
        if pair["op"] == "keys.createKey" and pair["status"] == 200:
            self.now = self.created.get(expected["data"]["keyId"], self.now)
        self.adopt_natural(expected, "")
        answer = self.client.request(
            pair["method"],
            f"/v2/{pair['op']}",
            content=body(pair),
            headers=request_headers(pair),
        )
        wanted_headers = {k.lower(): v for k, v in pair["response_headers"].items()}
        wanted = {
            "status": pair["status"],
            **{name: wanted_headers[name] for name in HEADERS if name in wanted_headers},
            "body": normal(expected),
        }
        is_json = "json" in answer.headers["content-type"]
        given_body: Json = answer.text
        if is_json:
            assert re.fullmatch("req_[A-Za-z0-9]{9}", answer.json()["meta"]["requestId"])
            given_body = self.adopt_answer(normal(answer.json()), wanted["body"])
        given = {
            "status": answer.status_code,
            **{name: answer.headers[name] for name in HEADERS if name in answer.headers},
            "body": given_body,
        }
        return given, wanted

    def adopt_natural(self, value: Json, owner: str) -> None:
        """Rename what exists under another id than the one the expected answer shows."""
        if isinstance(value, list):
            for item in value:
                self.adopt_natural(item, owner)
        if not isinstance(value, dict):
            return
        if value.get("externalId"):
            self.adopt_row(
                value["id"],
                "SELECT id FROM identities WHERE external_id = ? AND deleted_at IS NULL",
                value["externalId"],
            )
        elif "slug" in value:
            sql = "SELECT id FROM permissions WHERE slug = ?"
            self.adopt_row(value["id"], sql, value["slug"])
        elif "autoApply" in value and value["id"]:
            sql = "SELECT id FROM ratelimits WHERE owner_id = ? AND name = ?"
            self.adopt_row(value["id"], sql, owner, value["name"])
        owner = value.get("keyId") or (value.get("externalId") and value["id"]) or owner
        for item in value.values():
            self.adopt_natural(item, owner)

    def adopt_row(self, name: str, sql: str, *values: str) -> None:
        row = self.store.db.one(sql, *values)
        if row is not None:
            self.rename(row["id"], name)

    def adopt_answer(self, given: Json, expected: Json) -> Json:
        """Rename what the answer shows for the first time; give the answer with those names."""
        if isinstance(given, dict) and isinstance(expected, dict):
            if "key" in given and "key" in expected:
                self.rename_key(given["key"], expected["key"])
            return {
                name: expected["key"]
                if name == "key" and "key" in expected
                else self.adopt_answer(value, expected.get(name))
                for name, value in given.items()
            }
        if isinstance(given, list) and isinstance(expected, list) and len(given) == len(expected):
            return [self.adopt_answer(*pair) for pair in zip(given, expected, strict=True)]
        if isinstance(given, str) and isinstance(expected, str) and self.rename(given, expected):
            return expected
        return given

    def rename(self, given: str, expected: str) -> bool:
        kinds = [found.group(1) for text in (given, expected) if (found := ID.fullmatch(text))]
        if len(kinds) < 2 or kinds[0] != kinds[1] or expected in self.known:
            return False
        self.known.add(expected)
        with self.store.db.writing():
            for table, column in self.columns:
                self.store.db.run(
                    f'UPDATE "{table}" SET "{column}" = ? WHERE "{column}" = ?',  # noqa: S608
                    sort_key(expected) if column == "place" else expected,
                    sort_key(given) if column == "place" else given,
                )
        return True

    def rename_key(self, given: str, expected: str) -> None:
        with self.store.db.writing():
            row = self.store.db.one("SELECT start FROM keys WHERE hash = ?", hash_key(given))
            assert row is not None
            self.store.db.run(
                "UPDATE keys SET hash = ?, start = ? WHERE hash = ?",
                hash_key(expected),
                expected[: len(row["start"])],
                hash_key(given),
            )


def text_columns(db: Database) -> list[tuple[str, str]]:
    return [
        (table["name"], column["name"])
        for table in db.all("SELECT name FROM sqlite_master WHERE type = 'table'")
        for column in db.all("SELECT name FROM pragma_table_info(?)", table["name"])
        if column["name"] == "place" or column["name"] == "id" or column["name"].endswith("_id")
    ]


def created_at(pairs: Iterable[Mapping[str, Json]]) -> dict[str, int]:
    """Read from all answers when each key was made."""
    found: dict[str, int] = {}

    def walk(value: Json) -> None:
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            if "createdAt" in value:
                found[value["keyId"]] = value["createdAt"]
            walk(list(value.values()))

    for pair in pairs:
        walk(pair["response"])
    return found


def body(pair: Mapping[str, Json]) -> bytes:
    request = pair["request"]
    if isinstance(request, str):
        if pair["note"] == "body >10MiB":
            request += "a" * (10 * 1024 * 1024) + '"}'  # the record has only the beginning
        return bytes(request, "utf-8")
    if request is None:
        # An object without members was recorded as null: null itself is another answer.
        return b"" if pair["method"] == "GET" else b"{}"
    return json.dumps(request).encode()


def request_headers(pair: Mapping[str, Json]) -> dict[str, str]:
    headers = {name.lower(): value for name, value in pair["request_headers"].items()}
    return {"accept": "", **headers}


def normal(value: Json) -> Json:
    """Bring what the real server orders at random into one order; drop the request's id."""
    if isinstance(value, dict):
        if "errors" in value:
            faults = [
                {**fault, "message": sorted_names(fault["message"])} for fault in value["errors"]
            ]
            value = {**value, "errors": sorted(faults, key=json.dumps)}
        return {
            name: sorted(map(normal, item), key=sort_text)
            if name in ("permissions", "ratelimits", "roles") and isinstance(item, list)
            else normal(item)
            for name, item in value.items()
            if name != "requestId"
        }
    return list(map(normal, value)) if isinstance(value, list) else value


def sorted_names(message: str) -> str:
    found = re.fullmatch(r"additional properties (.*) not allowed", message, re.DOTALL)
    return message if found is None else " ".join(sorted(found.group(1).split(", ")))


def sort_text(value: Json) -> str:
    name = value.get("name", "") if isinstance(value, dict) else value
    return str(name)


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    run = Replay()
    with run.client:
        run.run()
        yield run


def without(path: str, value: Json) -> Json:
    """Give a value without what lies at a path."""
    first, _, rest = path.partition(".")
    if not isinstance(value, dict) or first not in value:
        return value
    shorter = {name: item for name, item in value.items() if name != first}
    return {**shorter, first: without(rest, value[first])} if rest else shorter


@pytest.mark.parametrize("seq", sorted(observed()))
def test_the_sandbox_answers_as_observed(seq: int, replay: Replay) -> None:
    given, wanted = replay.found[seq]
    for difference in differences():
        if seq in difference["seq"]:
            assert given != wanted, f"no longer differs: {difference}"
            for path in difference["paths"]:
                given, wanted = without(path, given), without(path, wanted)
    assert given == wanted


def test_every_difference_names_a_pair_and_a_reason() -> None:
    for difference in differences():
        assert difference["reason"]
        assert set(difference["seq"]) <= observed().keys()
