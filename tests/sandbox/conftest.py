"""A sandbox in memory with a clock that stands still, and one served on a real socket."""

import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from naftiko_run.sandbox.unkey import ROOT_KEY, create_app
from naftiko_run.sandbox.unkey.gojson import Json
from naftiko_run.sandbox.unkey.store import Store

NOON = 1_795_348_800_000  # a Sunday, 12:00:00 UTC


class Sandbox:
    """A sandbox and short ways to ask it: `ok` for answers, `fails` for refusals."""

    def __init__(self, database: str = ":memory:") -> None:
        self.now = NOON
        self.app = create_app(database=database, clock=lambda: self.now)
        self.store: Store = self.app.state.store
        self.client = TestClient(self.app)

    def post(
        self, operation: str, body: Json, *, root_key: str = ROOT_KEY, **headers: str
    ) -> tuple[int, Json]:
        headers = {"authorization": f"Bearer {root_key}", "accept": "application/json", **headers}
        answer = self.client.post(f"/v2/{operation}", json=body, headers=headers)
        return answer.status_code, answer.json()

    def ok(self, operation: str, body: Json, *, root_key: str = ROOT_KEY) -> Json:
        """Give the data of an answer."""
        return self.listed(operation, body, root_key=root_key)[0]

    def listed(
        self, operation: str, body: Json, *, root_key: str = ROOT_KEY
    ) -> tuple[Json, Mapping[str, Json]]:
        """Give the data of an answer and what it says about further pages."""
        status, answer = self.post(operation, body, root_key=root_key)
        assert status == 200, answer
        return answer.get("data"), answer.get("pagination", {})

    def fails(self, operation: str, body: Json, *, root_key: str = ROOT_KEY) -> tuple[int, str]:
        """Give the status and the text of a refusal."""
        status, answer = self.post(operation, body, root_key=root_key)
        assert answer["error"]["status"] == status
        return status, answer["error"]["detail"]

    def faults(self, operation: str, body: Json) -> list[tuple[str, str]]:
        """Give where and how a body breaks its schema."""
        status, answer = self.post(operation, body)
        assert status == 400
        return [(each["location"], each["message"]) for each in answer["error"]["errors"]]

    def root_key(self, *permissions: str, workspace: str = "ws_sandbox0") -> str:
        """Make a root key that may do only this."""
        key = f"unkey_{abs(hash((permissions, workspace)))}"
        self.store.create_root_key(key, permissions, workspace=workspace)
        return key

    def api(self) -> str:
        """Make an API."""
        api: str = self.ok("apis.createApi", {"name": "an api"})["apiId"]
        return api

    def key(self, **members: Json) -> tuple[str, str]:
        """Make a key in an API of its own, or in the one given; give its id and its text."""
        body = {"apiId": members.get("apiId") or self.api(), **members}
        made = self.ok("keys.createKey", body)
        return made["keyId"], made["key"]

    def verify(self, key: str, **members: Json) -> Json:
        """Verify a key."""
        return self.ok("keys.verifyKey", {"key": key, **members})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox()
    with made.client:
        yield made


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an application on a socket of its own; give its origin."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="error", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with served(create_app()) as address:
        yield address


def names(items: Iterable[Mapping[str, Json]], member: str = "name") -> list[Json]:
    """Give one member of every item."""
    return [item[member] for item in items]
