"""Skills over MCP: the extension ``io.modelcontextprotocol/skills`` (SEP-2640).

Each skill is a set of resources below a URI of its own. Its entry has the front matter of its
SKILL.md, and a manifest: every file with its size and digest. SKILL.md is what it was when the
document was loaded, or one that was made of it; the other files are read from the folder, and a
digest is of the file as it is now.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from anyio import to_thread

from naftiko_run import folders
from naftiko_run.exposes.mcp_pages import page
from naftiko_run.exposes.mcp_protocol import INVALID_PARAMS, McpError
from naftiko_run.exposes.units import Kept, Skill
from naftiko_run.spec.skills import MOST_BYTES, MOST_FILES
from naftiko_run.types import Json

EXTENSION = "io.modelcontextprotocol/skills"
TEXT = "SKILL.md"

_PIECE = 1024 * 1024


class Skills:
    """The skills that one MCP adapter offers."""

    def __init__(self, skills: Iterable[Skill], kept: Kept) -> None:
        """Prepare what is looked for by URI; ``kept`` is said of lists and entries."""
        self._kept = kept
        self._published = {f"{skill.uri}/{TEXT}": _Published(skill) for skill in skills}

    async def list(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``skills/list``."""
        entries = [await each.entry() for each in self._published.values()]
        return page("skills", entries, params.get("cursor"), self._kept)

    async def get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``skills/get``."""
        found = self._published.get(params["uri"])
        if found is None:
            raise McpError(INVALID_PARAMS, "Skill not found", {"uri": params["uri"]})
        return {"skill": await found.entry(), **self._kept.members}

    # ------------------------------------------------------------------------------- resources

    def resources(self) -> Sequence[dict[str, Json]]:
        """Describe the skills for clients that know resources alone: each by its SKILL.md."""
        return [
            {
                "uri": uri,
                "name": str(each.skill.front["name"]),
                "description": str(each.skill.front["description"]),
                "mimeType": "text/markdown",
            }
            for uri, each in self._published.items()
        ]

    async def has(self, uri: str) -> bool:
        """Say whether a URI is that of a file of a skill."""
        return uri in self._published or any(
            [await to_thread.run_sync(folders.has, *place) for place in self._places(uri)]
        )

    async def read(self, uri: str) -> tuple[str, bytes] | None:
        """Read a file of a skill: its name and bytes; None where the URI is none of these.

        Raises:
            TooLargeError: it has more bytes than all files of a skill may have.
        """
        exact = self._published.get(uri)
        if exact is not None:
            return TEXT, exact.text
        for folder, name in self._places(uri):
            found = await to_thread.run_sync(folders.read, folder, name, MOST_BYTES)
            if found is not None:
                return found
        return None

    def _places(self, uri: str) -> Iterator[tuple[Path, str]]:
        """Give where a file may lie that a URI means: the folders, and the ends of the URI."""
        for each in self._published.values():
            base, folder = f"{each.skill.uri}/", each.skill.folder
            if folder is not None and uri.startswith(base):
                name = uri.removeprefix(base)
                # Written otherwise (SKILL%2Emd), it would be the file and not what was listed.
                if unquote(name) != TEXT:
                    yield folder, name


class _Published:
    """A skill with the digests of its files, each of which is worked out once for its state."""

    def __init__(self, skill: Skill) -> None:
        self.skill = skill
        self.text = skill.text.encode()
        self._digests: dict[Path, tuple[int, int, str]] = {}
        self._making: asyncio.Task[dict[str, Json]] | None = None

    async def entry(self) -> dict[str, Json]:
        """Describe the skill; those who ask at the same time wait for the same answer."""
        if self._making is None:
            self._making = asyncio.create_task(self._entry())
            self._making.add_done_callback(self._made)
        return await asyncio.shield(self._making)

    def _made(self, _: object) -> None:
        self._making = None

    async def _entry(self) -> dict[str, Json]:
        return {
            "uri": f"{self.skill.uri}/{TEXT}",
            "frontmatter": dict(self.skill.front),
            "resources": await to_thread.run_sync(self._manifest),
        }

    def _manifest(self) -> Json:
        folder = self.skill.folder
        listed = folders.files(folder) if folder is not None else []
        files = [file for file in listed if file.parts != (TEXT,)]
        if len(files) >= MOST_FILES or sum(f.size for f in files) + len(self.text) > MOST_BYTES:
            return "dynamic"
        self_entry = _resource(f"{self.skill.uri}/{TEXT}", _sha256(self.text), len(self.text))
        manifest: list[Json] = [self_entry]
        known, self._digests = self._digests, {}
        for file in files:
            made = known.get(file.path)
            if made is None or made[:2] != (file.changed, file.size):
                made = self._hashed(file)
            if made is not None:
                self._digests[file.path] = made
                manifest.append(_resource(f"{self.skill.uri}/{file.uri}", made[2], made[1]))
        return manifest

    def _hashed(self, file: folders.File) -> tuple[int, int, str] | None:
        """Read a file for its digest; None where it is gone."""
        folder = self.skill.folder
        opened = folders.open_file(folder, file.parts) if folder is not None else None
        if opened is None:
            return None
        digest, size = hashlib.sha256(), 0
        try:
            with opened:
                while size <= MOST_BYTES and (piece := opened.read(_PIECE)):
                    digest.update(piece)
                    size += len(piece)
        except OSError:
            return None
        return file.changed, size, f"sha256:{digest.hexdigest()}"


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _resource(uri: str, digest: str, size: int) -> dict[str, Json]:
    return {"uri": uri, "digest": digest, "size": size}
