"""The HTTP face of skills: what there is, what each is good for, and the files of it (ASGI).

Nothing is run here. Everything is below ``/<namespace>/skills``, and below ``/skills`` where a
listener has one skill adapter.
"""

import asyncio
import hashlib
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

from anyio import to_thread
from starlette.types import Receive, Scope, Send

from naftiko_run import folders
from naftiko_run.exposes import archive
from naftiko_run.exposes.auth import settled
from naftiko_run.exposes.messages import header, send_bytes, send_problem
from naftiko_run.exposes.overseer import disconnected
from naftiko_run.exposes.problems import Problem
from naftiko_run.exposes.units import Skill, SkillServer, SkillTool
from naftiko_run.mapping.json_codec import dumps
from naftiko_run.types import Headers, Json

MOST_ARCHIVED = 256 * 1024 * 1024
"""How many bytes of files one archive takes."""

MOST_DOWNLOADS = 64
"""How many archives of one listener are made at once; the next ones are refused."""

# What a page of a skill's folder might do is nothing that this origin should do for it.
_SANDBOXED = ("content-security-policy", "sandbox; default-src 'none'")


class SkillsFace:
    """Serves the skill adapters of one listener."""

    def __init__(self, servers: Sequence[SkillServer]) -> None:
        """Write what does not change from one request to the next."""
        self._adapters = {server.namespace: _Adapter(server) for server in servers}
        self._downloads = 0

    def claims(self, path: str) -> bool:
        """Say whether a path, decoded, is one of skills."""
        first, _, rest = path[1:].partition("/")
        if first == "skills":
            return True
        return first in self._adapters and rest.partition("/")[0] == "skills"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for a path that is claimed."""
        parts = _parts(scope)
        own = self._adapters.get(parts[0] or "") if parts[1:2] == ["skills"] else None
        if own is not None:
            adapter, rest = own, parts[2:]
        elif parts[0] != "skills":
            await send_problem(send, _not_found(scope))
            return
        elif len(self._adapters) > 1:
            await send_problem(send, self._ambiguous())
            return
        else:
            adapter, rest = next(iter(self._adapters.values())), parts[1:]
        _without_last_slash(rest)
        authenticator = adapter.server.authenticator
        refusal = await settled(authenticator.refusal(scope)) if authenticator else None
        if refusal is not None:
            await send_problem(send, refusal.problem, refusal.headers)
            return
        await self._answer(_Request(adapter, rest, scope, receive, send))

    def _ambiguous(self) -> Problem:
        paths: list[Json] = [f"/{quote(name, safe='')}/skills" for name in self._adapters]
        detail = f"several adapters serve skills: use one of {', '.join(map(str, paths))}"
        return Problem(409, detail, extra={"routes": paths})

    async def _answer(self, request: "_Request") -> None:
        rest, scope = request.rest, request.scope
        known = len(rest) < 2 or rest[1] == "contents" or (rest[1] == "download" and len(rest) == 2)
        if not known:
            await request.refuse(_not_found(scope))
        elif scope["method"] not in ("GET", "HEAD"):
            problem = Problem(405, f"{scope['method']} is not served here; use GET")
            await request.refuse(problem, (("allow", "GET, HEAD"),))
        elif not rest:
            await request.send_document(request.adapter.listed)
        elif rest[0] is None or rest[0] not in request.adapter.skills:
            await request.refuse(Problem(404, f"no skill {rest[0] or ''!r} here"))
        else:
            await self._of_skill(request, request.adapter.skills[rest[0]])

    async def _of_skill(self, request: "_Request", skill: Skill) -> None:
        rest = request.rest
        if len(rest) == 1:
            await request.send_document(request.adapter.described[skill.name])
        elif skill.folder is None:
            await request.refuse(Problem(404, f"the skill {skill.name!r} has no files here"))
        elif rest[1] == "download":
            await self._download(request, skill, skill.folder)
        elif len(rest) == 2:
            files = await to_thread.run_sync(folders.files, skill.folder)
            await request.send_document(dumps(_contents(skill, files)))
        else:
            await _file(request, skill, skill.folder)

    async def _download(self, request: "_Request", skill: Skill, folder: Path) -> None:
        if self._downloads >= MOST_DOWNLOADS:
            detail = f"{MOST_DOWNLOADS} downloads are under way: try again"
            await request.refuse(Problem(503, detail), (("retry-after", "1"),))
            return
        self._downloads += 1
        try:
            files = await to_thread.run_sync(folders.files, folder)
            size = sum(file.size for file in files)
            if size > MOST_ARCHIVED:
                detail = (
                    f"the files have {size} bytes in all, and an archive takes {MOST_ARCHIVED}:"
                    " read them one by one below 'contents'"
                )
                await request.refuse(Problem(501, detail))
                return
            name = quote(f"{skill.name}.zip", safe="")
            fields = (
                ("content-type", "application/zip"),
                ("content-disposition", f"attachment; filename*=UTF-8''{name}"),
            )
            await request.stream(folders.state(files), fields, archive.pieces(folder, files))
        finally:
            self._downloads -= 1


class _Adapter:
    """A skill adapter with its documents, written."""

    def __init__(self, server: SkillServer) -> None:
        self.server = server
        self.skills = {skill.name: skill for skill in server.skills}
        self.described = {skill.name: dumps(_described(skill)) for skill in server.skills}
        self.listed = dumps(
            {"count": len(server.skills), "skills": [_entry(skill) for skill in server.skills]}
        )


class _Request:
    """A request that was let in, and the ways to answer it."""

    def __init__(
        self,
        adapter: _Adapter,
        rest: Sequence[str | None],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self.adapter = adapter
        self.rest = rest
        self.scope = scope
        self._receive = receive
        self._send = send
        # Callers ask again each time, and are told in a few bytes that nothing has changed.
        private = adapter.server.authenticator is not None
        self._caching = ("cache-control", "private, no-cache" if private else "no-cache")

    async def refuse(self, problem: Problem, headers: Headers = ()) -> None:
        await send_problem(self._send, problem, headers)

    async def send_document(self, body: bytes) -> None:
        tag = hashlib.blake2b(body, digest_size=16).hexdigest()
        if not await self._is_known(tag):
            fields = (self._caching, ("etag", f'"{tag}"'))
            await send_bytes(self._send, 200, body, "application/json", fields)

    async def stream(self, tag: str, fields: Headers, pieces: Generator[bytes]) -> None:
        """Send an answer piece by piece, until its caller goes away; nothing piles up."""
        if await self._is_known(tag):
            return
        told = (("x-content-type-options", "nosniff"), self._caching, ("etag", f'"{tag}"'), *fields)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in told]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(disconnected(self._receive))
        try:
            if self.scope["method"] != "HEAD":
                while not gone.done() and (piece := await to_thread.run_sync(next, pieces, b"")):
                    body = {"type": "http.response.body", "body": piece, "more_body": True}
                    await self._send(body)
        finally:
            gone.cancel()
            pieces.close()
        await self._send({"type": "http.response.body", "body": b""})

    async def _is_known(self, tag: str) -> bool:
        """Tell a caller that has this already so (RFC 9110 section 13.1.2)."""
        known = header(self.scope, b"if-none-match")
        tags = {each.strip().removeprefix("W/") for each in known.split(",")}
        if known.strip() != "*" and f'"{tag}"' not in tags:
            return False
        await send_bytes(self._send, 304, b"", "", (self._caching, ("etag", f'"{tag}"')))
        return True


async def _file(request: _Request, skill: Skill, folder: Path) -> None:
    parts = [part for part in request.rest[2:] if part is not None and folders.is_safe(part)]
    if len(parts) != len(request.rest) - 2:
        await request.refuse(Problem(400, "this is no path of a file below the skill's folder"))
        return
    opened = await to_thread.run_sync(folders.open_file, folder, parts)
    if opened is None:
        detail = f"the skill {skill.name!r} has no file {'/'.join(parts)!r}"
        await request.refuse(Problem(404, detail))
        return
    with opened:
        status = os.fstat(opened.fileno())
        fields = (
            ("content-type", _content_type(parts[-1])),
            ("content-length", str(status.st_size)),
            _SANDBOXED,
        )
        tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        await request.stream(tag, fields, _pieces(opened, status.st_size))


def _pieces(opened: BinaryIO, size: int) -> Generator[bytes]:
    """Read as much as was announced; a file that has become shorter breaks the answer off."""
    while size:
        piece = opened.read(min(size, archive.PIECE))
        if not piece:
            raise OSError("the file has become shorter while it was read")
        size -= len(piece)
        yield piece


def _content_type(name: str) -> str:
    media_type = folders.media_type(name) or "application/octet-stream"
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def _parts(scope: Scope) -> list[str | None]:
    """Split a path as it was received, then decode each segment; None for what is no text."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return [_decoded(segment) for segment in raw.partition(b"?")[0].split(b"/")[1:]]


def _without_last_slash(rest: list[str | None]) -> None:
    """Take away a slash at the end of what is no file: there it makes no difference."""
    if rest and rest[-1] == "" and len(rest) <= 3:
        rest.pop()


def _decoded(segment: bytes) -> str | None:
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None


# ----------------------------------------------------------------------------------- documents


def _entry(skill: Skill) -> dict[str, Json]:
    entry: dict[str, Json] = {"name": skill.name, "description": skill.description}
    if skill.license:
        entry["license"] = skill.license
    return {**entry, "tools": [tool.name for tool in skill.tools]}


def _described(skill: Skill) -> dict[str, Json]:
    everything: dict[str, Json] = {
        "license": skill.license,
        "compatibility": skill.compatibility,
        "argument-hint": skill.argument_hint,
        "allowed-tools": skill.allowed_tools,
        "user-invocable": skill.user_invocable,
        "disable-model-invocation": skill.disable_model_invocation,
        "metadata": dict(skill.metadata),
    }
    written = {k: v for k, v in everything.items() if v not in ("", None, {})}
    start: dict[str, Json] = {"name": skill.name, "description": skill.description}
    return {**start, **written, "tools": [_tool(tool) for tool in skill.tools]}


def _tool(tool: SkillTool) -> dict[str, Json]:
    item: dict[str, Json] = {"name": tool.name, "description": tool.description}
    if tool.instruction:
        return {**item, "type": "instruction", "instruction": tool.instruction}
    if not tool.mode:
        return item
    reference: dict[str, Json] = {
        "targetNamespace": tool.namespace,
        "action": tool.action,
        "mode": tool.mode,
    }
    return {**item, "type": "derived", "invocationRef": reference}


def _contents(skill: Skill, files: Sequence[folders.File]) -> dict[str, Json]:
    return {
        "name": skill.name,
        "files": [
            {
                "path": file.name,
                "size": file.size,
                "type": folders.media_type(file.name) or "application/octet-stream",
            }
            for file in files
        ],
    }


def _not_found(scope: Scope) -> Problem:
    return Problem(404, f"no route {scope['path']!r} here")
