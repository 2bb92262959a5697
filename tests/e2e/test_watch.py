"""``--watch``: files that change while they are served, and nobody notices but by what is new."""

import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import anyio
import pytest
from mcp import Client

from tests.e2e.capabilities import CONSUMES, ITEM_TOOLS, ITEMS, capability, write
from tests.e2e.process import Process, serving, until
from tests.e2e.upstream import Held, Reply, Upstream, recording
from tests.e2e.wire import Connection, ask, free_port

LATER = ("GET", "/later", "shop.list-items")


@pytest.fixture(scope="module")
def _upstream() -> Iterator[Upstream]:
    with recording() as upstream:
        yield upstream


@pytest.fixture
def upstream(_upstream: Upstream) -> Upstream:
    return _upstream.renewed()


class Folder:
    """A folder of capabilities that a process watches; none has tools unless it says so."""

    def __init__(self, path: Path, base: str) -> None:
        self.path = path
        self.base = base

    def file(self, name: str) -> Path:
        """Give the path of a capability."""
        return self.path / f"{name}.yaml"

    def write(self, name: str, *routes: tuple[str, str, str], text: str = "") -> None:
        """Write a capability with these routes."""
        write(self.file(name), text or capability(name, base=self.base, routes=routes or ITEMS))


@pytest.fixture
def folder(tmp_path: Path, upstream: Upstream) -> Folder:
    folder = Folder(tmp_path / "watched", upstream.url)
    folder.path.mkdir()
    folder.write("a")
    return folder


@contextmanager
def watching(folder: Folder, *more: str) -> Iterator[Process]:
    """Serve a folder; ``b`` and ``c`` may come later."""
    ports = ("--port=b-rest=0", "--port=c-rest=0")
    with serving(str(folder.path), "--watch", *ports, *more, adapters=("a-rest",)) as process:
        yield process
        assert "Traceback" not in process.err.text


def answers(process: Process, adapter: str, path: str) -> int:
    """Give the status of a GET, 0 where nobody listens."""
    try:
        return ask(process.url(adapter), "GET", path).status
    except OSError:
        return 0


def test_files_come_change_and_go_while_others_are_served(
    folder: Folder, upstream: Upstream
) -> None:
    with watching(folder) as process:
        # Written at once: there is no moment in which a change is lost.
        folder.write("b")
        assert process.err.wait_for_text("): b-rest")
        assert answers(process, "b-rest", "/items") == 200
        url = process.url("a-rest")

        folder.write("a", LATER)
        assert process.err.wait_for_text(f"{folder.file('a')} replaced")
        assert (answers(process, "a-rest", "/later"), answers(process, "a-rest", "/items")) == (
            200,
            404,
        )
        assert process.url("a-rest") == url, "a port that was chosen freely is kept"
        assert "/later" in ask(url, "GET", "/openapi.json").json["paths"]

        folder.file("b").unlink()
        assert process.err.wait_for_text(f"{folder.file('b')} withdrawn")
        assert until(lambda: answers(process, "b-rest", "/items") == 0)
        assert answers(process, "a-rest", "/later") == 200

        folder.file("a").unlink()
        assert process.err.wait_for_text(f"{folder.file('a')} withdrawn")
        folder.write("a")
        assert process.err.wait_for_text(f"{folder.file('a')} added")
        assert until(lambda: answers(process, "a-rest", "/items") == 200)


def test_an_invalid_change_is_reported_and_the_running_version_stays(folder: Folder) -> None:
    with watching(folder) as process:
        kept = f"{folder.file('a')} is invalid: the running version stays"
        folder.write("a", text="naftiko: [")
        assert process.err.wait_for_text(kept)
        assert any("E-YAML" in line for line in process.err.all)
        assert answers(process, "a-rest", "/items") == 200

        folder.write("a", LATER, ("GET", "/broken", "shop.nobody"))
        assert process.err.wait_for_text(kept, 2)
        assert any("E-CALL-OPERATION" in line for line in process.err.all)
        assert answers(process, "a-rest", "/later") == 404

        folder.write("b", text="naftiko: [")
        assert process.err.wait_for_text(f"{folder.file('b')} is invalid: it is not served")

        folder.write("a", LATER)
        assert process.err.wait_for_text(f"{folder.file('a')} replaced")
        assert answers(process, "a-rest", "/later") == 200


def test_a_burst_of_changes_ends_with_the_last_one(folder: Folder) -> None:
    with watching(folder) as process:
        for number in range(100):
            folder.write("a", ("GET", f"/burst-{number}", "shop.list-items"))
        assert until(lambda: answers(process, "a-rest", "/burst-99") == 200)
        assert sum(f"{folder.file('a')} replaced" in line for line in process.err.all) < 20


def test_a_port_that_is_taken_holds_no_other_file_up(folder: Folder) -> None:
    with watching(folder) as process:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            text = capability("d", base=folder.base, routes=ITEMS, port=port)
            folder.write("d", text=text)
            assert process.err.wait_for_text(f"not served: cannot listen on 127.0.0.1:{port}")
            folder.write("a", LATER)
            assert process.err.wait_for_text(f"{folder.file('a')} replaced")
            assert answers(process, "a-rest", "/later") == 200
        folder.write("d", text=text)
        assert process.err.wait_for_text("): d-rest")
        assert answers(process, "d-rest", "/items") == 200


def test_an_imported_file_and_its_variables_are_watched_too(
    tmp_path: Path, upstream: Upstream, folder: Folder
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    apart = 'naftiko: "1.0.0-alpha2"\n' + CONSUMES.format(base=upstream.url)
    write(shared / "shop.yaml", apart)
    importing = capability(
        "a", routes=ITEMS, consumes="consumes:\n  - import: shop\n    location: shop.yaml\n"
    )
    folder.write("a", text=importing)
    with watching(folder, f"--import-path={shared}") as process:
        assert answers(process, "a-rest", "/items") == 200
        assert upstream.last.target == "/items"
        write(shared / "shop.yaml", apart.replace("path: /items\n", "path: /goods\n"))
        assert process.err.wait_for_text(f"{folder.file('a')} replaced")
        assert answers(process, "a-rest", "/items") == 200
        assert upstream.last.target == "/goods"


def test_no_request_fails_while_files_change(folder: Folder, upstream: Upstream) -> None:
    results: Counter[object] = Counter()
    stop = threading.Event()

    def callers(port: int) -> None:
        while not stop.is_set():
            with Connection(port) as connection:
                for _ in range(20):
                    answer = connection.ask("GET", "/items")
                    results[answer.status] += 1

    with watching(folder) as process:
        port = process.port("a-rest")
        threads = [threading.Thread(target=callers, args=(port,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            for number in range(4):
                folder.write("a", *ITEMS, ("GET", f"/new-{number}", "shop.list-items"))
                folder.write("b", ("GET", f"/new-{number}", "shop.list-items"))
                at = f"/new-{number}"
                assert until(lambda at=at: answers(process, "a-rest", at) == 200)  # type: ignore[misc]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert set(results) == {200}
        assert results[200] > 100


def test_a_request_in_flight_finishes_on_what_it_began_with(
    folder: Folder, upstream: Upstream
) -> None:
    held = Held(Reply(200, b'{"held": true}'))
    upstream.reply = held
    with watching(folder) as process, Connection(process.port("a-rest")) as connection:
        connection.send(b"GET /items HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert held.arrived.wait(20)
        folder.file("a").unlink()
        # Withdrawn, it accepts nothing more; what it began it finishes.
        assert until(lambda: answers(process, "a-rest", "/healthz") == 0)
        held.released.set()
        assert connection.read().json == {"held": True}


async def test_clients_hear_that_the_tools_changed_and_calls_under_way_finish(
    folder: Folder, upstream: Upstream
) -> None:
    port = free_port()

    def tools(name: str, count: int) -> str:
        chosen = ITEM_TOOLS[:count]
        return capability(name, base=folder.base, tools=chosen, port=port)

    folder.write("a", text=tools("a", 1))
    folder.write("b", text=tools("b", 1))
    process = Process(str(folder.path), "--watch")
    held = Held()
    upstream.reply = held
    url = f"http://127.0.0.1:{port}"
    try:
        process.wait_for_adapters("a-mcp", "b-mcp")
        async with (
            Client(f"{url}/a-mcp/mcp") as client,
            Client(f"{url}/b-mcp/mcp", mode="legacy") as other,
            client.listen(tools_list_changed=True) as changes,
        ):
            for each in (client, other):
                assert len((await each.list_tools()).tools) == 1
            outcome: list[bool] = []

            async def call() -> None:
                outcome.append((await other.call_tool("list-items", {})).is_error)

            async with anyio.create_task_group() as group:
                group.start_soon(call)
                assert await anyio.to_thread.run_sync(held.arrived.wait, 20)
                folder.file("b").unlink()
                folder.write("a", text=tools("a", 2))
                with anyio.fail_after(20):
                    event = await anext(aiter(changes))
                assert type(event).__name__ == "ToolsListChanged"
                assert len((await client.list_tools()).tools) == 2
                held.released.set()
            assert outcome == [False], "the adapter that was withdrawn finished its call"
        assert process.stop() == 0
    finally:
        process.kill()


def test_workers_change_files_too(folder: Folder) -> None:
    with watching(folder, "--workers=2") as process:
        folder.write("a", LATER)
        assert process.err.wait_for_text(f"{folder.file('a')} replaced")
        for _ in range(4):
            assert answers(process, "a-rest", "/later") == 200


async def test_clients_of_any_worker_hear_that_the_list_changed(folder: Folder) -> None:
    def tools(count: int) -> str:
        return capability("a", base=folder.base, tools=ITEM_TOOLS[:count], routes=ITEMS)

    folder.write("a", text=tools(1))
    with watching(folder, "--workers=2") as process:
        process.wait_for_adapters("a-mcp")
        url = process.url("a-mcp")
        with anyio.fail_after(60):
            # Connections take turns: of these some are to either worker.
            async with AsyncExitStack() as stack:
                listening = []
                for _ in range(4):
                    client = await stack.enter_async_context(Client(url))
                    stream = client.listen(tools_list_changed=True)
                    listening.append(aiter(await stack.enter_async_context(stream)))
                folder.write("a", text=tools(2))
                for changes in listening:
                    assert type(await anext(changes)).__name__ == "ToolsListChanged"
                async with Client(url) as client:
                    assert len((await client.list_tools()).tools) == 2


def test_a_listener_that_went_finishes_its_requests_and_holds_nothing_up(
    folder: Folder, upstream: Upstream
) -> None:
    held = Held(Reply(200, b'{"held": true}'))
    folder.write("b")
    with watching(folder) as process:
        process.wait_for_adapters("a-rest", "b-rest")
        upstream.reply = held
        with Connection(process.port("b-rest")) as connection:
            connection.send(b"GET /items HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert held.arrived.wait(20)
            folder.file("b").unlink()
            assert process.err.wait_for_text("b.yaml withdrawn"), "the reload does not wait"
            folder.write("c")
            assert process.err.wait_for_text(": c-rest")
            process.signal(signal.SIGTERM)
            assert until(lambda: answers(process, "c-rest", "/healthz") == 0)
            assert process.running
            held.released.set()
            assert connection.read().json == {"held": True}
        assert process.wait() == 0


def test_files_of_skills_that_change_or_come_are_noticed(folder: Folder) -> None:
    skill = folder.path.parent / "skills" / "s"
    skill.mkdir(parents=True)
    guide = skill / "SKILL.md"
    guide.write_text("---\nname: s\ndescription: First.\n---\n")
    text = (
        "    - {type: skill, namespace: a-skills, port: 0, skills: [\n"
        "        {name: s, description: S., location: 'file:///../skills/s'}]}\n"
    )
    folder.write("a", text=capability("a", routes=ITEMS, tools=ITEM_TOOLS) + text)
    ports = ("--port=a-mcp=0", "--port=a-skills=0")
    with watching(folder, *ports) as process:
        process.wait_for_adapters("a-mcp")
        replaced = f"{folder.file('a')} replaced"

        async def described() -> str:
            async with Client(process.url("a-mcp")) as client:
                return str((await client.list_resources()).resources[0].description)

        assert anyio.run(described) == "First."
        guide.write_text("---\nname: s\ndescription: Second.\n---\n")
        assert process.err.wait_for_text(replaced)
        assert anyio.run(described) == "Second."
        (skill / "deep").mkdir()
        assert until(lambda: process.err.text.count(replaced) > 1)
        seen = process.err.text.count(replaced)
        (skill / "deep" / "new.md").write_text("# New\n")
        assert until(lambda: process.err.text.count(replaced) > seen)
