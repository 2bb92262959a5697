"""The HTTP face of skills: what it does when callers leave, files change, and folders are huge."""

import asyncio
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from starlette.types import Message, Scope

from naftiko_run import folders
from naftiko_run.exposes import archive
from naftiko_run.exposes.skills import MOST_DOWNLOADS, SkillsFace
from naftiko_run.exposes.units import Skill, SkillServer

DOWNLOAD = "/skills/s/download"


def face(folder: Path) -> SkillsFace:
    skill = Skill(name="s", description="S.", folder=folder)
    return SkillsFace([SkillServer(namespace="k", skills=(skill,))])


def scope(path: str, method: str = "GET") -> Scope:
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}


class Caller:
    """Asks, and leaves after so many messages; ``hold`` keeps it from taking the next one."""

    def __init__(self, leaves_after: int | None = None, hold: asyncio.Event | None = None) -> None:
        self.sent: list[Message] = []
        self.hold = hold
        self._leaves_after = leaves_after
        self._left = asyncio.Event()

    async def receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.hold is not None:
            await self.hold.wait()
        self.sent.append(message)
        if len(self.sent) == self._leaves_after:
            self._left.set()
            await anyio.lowlevel.checkpoint()

    async def ask(self, asked: SkillsFace, path: str, method: str = "GET") -> bytes:
        await asked(scope(path, method), self.receive, self.send)
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "s"
    made.mkdir()
    (made / "SKILL.md").write_text("---\nname: s\n---\n")
    return made


async def test_nothing_more_is_read_for_a_caller_that_left(folder: Path) -> None:
    (folder / "large.bin").write_bytes(b"x" * (20 * archive.PIECE))
    caller = Caller(leaves_after=2)
    got = await caller.ask(face(folder), "/skills/s/contents/large.bin")
    assert archive.PIECE <= len(got) <= 3 * archive.PIECE


async def test_no_more_archives_are_made_at_once_than_may_be(folder: Path) -> None:
    asked, hold = face(folder), asyncio.Event()
    callers = [Caller(hold=hold) for _ in range(MOST_DOWNLOADS)]
    async with anyio.create_task_group() as group:
        for caller in callers:
            group.start_soon(caller.ask, asked, DOWNLOAD)
        await anyio.wait_all_tasks_blocked()
        refused = Caller()
        await refused.ask(asked, DOWNLOAD)
        assert refused.status == 503
        assert (b"retry-after", b"1") in refused.sent[0]["headers"]
        hold.set()
    assert {caller.status for caller in callers} == {200}
    again = Caller()
    await again.ask(asked, DOWNLOAD)
    assert again.status == 200


def shrink(path: Path) -> None:
    path.write_bytes(b"short")


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(("change", "left"), [(shrink, ["SKILL.md", "z"]), (remove, ["SKILL.md"])])
def test_an_archive_takes_files_as_they_are_by_then(
    folder: Path, change: Callable[[Path], None], left: list[str]
) -> None:
    (folder / "z").write_bytes(b"z" * archive.PIECE)
    listed = folders.files(folder)
    change(folder / "z")
    path = folder.parent / "made.zip"
    path.write_bytes(b"".join(archive.pieces(folder, listed)))
    with zipfile.ZipFile(path) as made:
        assert made.testzip() is None
        assert made.namelist() == left


async def test_a_file_that_becomes_shorter_is_never_told_as_whole(folder: Path) -> None:
    large = folder / "large.bin"
    large.write_bytes(b"x" * (4 * archive.PIECE))

    class Shrinking(Caller):
        async def send(self, message: Message) -> None:
            if message["type"] == "http.response.start":
                large.write_bytes(b"short")
            await super().send(message)

    caller = Shrinking()
    with pytest.raises(OSError, match="shorter"):
        await caller.ask(face(folder), "/skills/s/contents/large.bin")
    assert caller.sent[-1].get("more_body", True)


async def test_a_head_request_reads_nothing(folder: Path) -> None:
    (folder / "large.bin").write_bytes(b"x" * (4 * archive.PIECE))
    for path in (DOWNLOAD, "/skills/s/contents/large.bin"):
        caller = Caller()
        assert await caller.ask(face(folder), path, "HEAD") == b""
        assert caller.status == 200


async def test_a_pipe_is_neither_listed_nor_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    caller = Caller()
    with anyio.fail_after(5):
        await caller.ask(face(folder), "/skills/s/contents/pipe")
    assert caller.status == 404
    assert [file.name for file in folders.files(folder)] == ["SKILL.md"]


@pytest.mark.parametrize(
    ("path", "claimed"),
    [
        ("/skills", True),
        ("/skills/", True),
        ("/skills/s/contents/a/b", True),
        ("/k/skills", True),
        ("/k/skills/s", True),
        ("/skillsx", False),
        ("/k", False),
        ("/k/skillsx", False),
        ("/other/skills", False),
        ("/", False),
    ],
)
def test_only_paths_of_skills_are_claimed(folder: Path, path: str, claimed: bool) -> None:
    assert face(folder).claims(path) is claimed


def test_a_folder_that_becomes_a_link_while_a_file_is_looked_for_leads_nowhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, outside = folder / "inner", tmp_path / "outside"
    for made in (inner, outside):
        made.mkdir()
        (made / "a.md").write_text(made.name)
    assert folders.read(folder, "inner/a.md", 100) == ("a.md", b"inner")
    looked_at = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = looked_at(path, follow_symlinks=follow_symlinks)
        if path.name == "a.md" and not inner.is_symlink():
            inner.rename(tmp_path / "gone")
            inner.symlink_to(outside)
        return found

    monkeypatch.setattr(Path, "stat", stat)
    assert folders.read(folder, "inner/a.md", 100) is None
    assert inner.is_symlink()
