"""Resources of an MCP adapter: what a flow answers, and the files of folders, by their URIs.

An exact URI goes first, then the files of folders, then templates in their order. What goes wrong
upstream is an error of the protocol with its status: it is never content.
"""

import asyncio
import base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from anyio import to_thread
from msgspec import Struct

from naftiko_run import folders
from naftiko_run.exposes.load import MOST_REQUESTS
from naftiko_run.exposes.mcp_pages import page
from naftiko_run.exposes.mcp_protocol import INTERNAL_ERROR, INVALID_PARAMS, McpError
from naftiko_run.exposes.mcp_results import failure_of
from naftiko_run.exposes.mcp_skills import Skills
from naftiko_run.exposes.problems import Problem, problem_of
from naftiko_run.exposes.segments import captured
from naftiko_run.exposes.texts import is_text, text_of
from naftiko_run.exposes.units import Kept, Resource
from naftiko_run.spec.uris import split
from naftiko_run.types import Inputs, Json, Outcome, Text

MOST_URI = 4096
"""How long a URI may be that is asked for."""

MOST_READS = MOST_REQUESTS
"""How many reads of one adapter are under way at once; the next ones are refused."""

READ_SECONDS = 300
"""How long a read may take in all, however many upstream requests it makes."""


class Resources:
    """Lists and reads the resources of one adapter."""

    def __init__(
        self,
        fixed: Iterable[Resource],
        templates: Iterable[Resource],
        *,
        lists: Kept,
        contents: Kept,
        skills: Skills,
    ) -> None:
        """Prepare what is looked for by URI; ``lists`` and ``contents`` say how long it is kept.

        The files of ``skills`` are resources as well.
        """
        self._skills = skills
        self._kept = lists
        self._contents_kept = contents
        self._fixed = tuple(fixed)
        self._exact = {r.uri: r for r in self._fixed if r.folder is None}
        self._folders = [r for r in self._fixed if r.folder is not None]
        self._templates = [(Template(r.uri), r) for r in templates]
        self._under_way = 0

    # ------------------------------------------------------------------------------- handlers

    async def list(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``resources/list``."""
        entries: list[dict[str, Json]] = []
        for resource in self._fixed:
            if resource.folder is None:
                entries.append({"uri": resource.uri, **_described(resource)})
                continue
            names = await to_thread.run_sync(folders.listed, resource.folder)
            entries.extend(_file_entry(resource, name) for name in names)
        entries.extend(self._skills.resources())
        return page("resources", entries, params.get("cursor"), self._kept)

    async def list_templates(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``resources/templates/list``."""
        entries: list[dict[str, Json]] = [
            {"uriTemplate": resource.uri, **_described(resource)} for _, resource in self._templates
        ]
        return page("resourceTemplates", entries, params.get("cursor"), self._kept)

    async def read(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``resources/read``."""
        uri: str = params["uri"]
        if self._under_way >= MOST_READS:
            raise _error(Problem(503, f"{MOST_READS} reads are under way: try again"), uri)
        self._under_way += 1
        try:
            async with asyncio.timeout(READ_SECONDS):
                content = await self._content(uri)
        except TimeoutError:
            problem = Problem(504, f"no result after {READ_SECONDS} seconds")
            raise _error(problem, uri) from None
        finally:
            self._under_way -= 1
        return {"contents": [{"uri": uri, **content}], **self._contents_kept.members}

    async def subscribe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``resources/subscribe`` and ``resources/unsubscribe``.

        Without a session there is nobody to tell: what can be subscribed to is accepted, and that
        is all. With one, whoever keeps the session remembers it.
        """
        uri: str = params["uri"]
        if not await self._is_known(uri):
            raise _not_found(uri)
        return {}

    async def _is_known(self, uri: str) -> bool:
        if len(uri) > MOST_URI:
            return False
        if uri in self._exact or any(template.match(uri) for template, _ in self._templates):
            return True
        for resource in self._folders:
            base = f"{resource.uri.rstrip('/')}/"
            if resource.folder is not None and uri.startswith(base):
                name = uri.removeprefix(base)
                return await to_thread.run_sync(folders.has, resource.folder, name)
        return await self._skills.has(uri)

    async def _content(self, uri: str) -> dict[str, Json]:
        if len(uri) <= MOST_URI:
            exact = self._exact.get(uri)
            if exact is not None:
                return await _of_flow(exact, {}, uri)
            content = await self._of_skill(uri)
            if content is not None:
                return content
            for resource in self._folders:
                content = await _of_folder(resource, uri)
                if content is not None:
                    return content
            for template, resource in self._templates:
                values = template.match(uri)
                if values is not None:
                    return await _of_flow(resource, values, uri)
        raise _not_found(uri)

    async def _of_skill(self, uri: str) -> dict[str, Json] | None:
        try:
            found = await self._skills.read(uri)
        except folders.TooLargeError as error:
            raise McpError(INTERNAL_ERROR, str(error), {"uri": uri}) from None
        return None if found is None else _content(found[1], folders.media_type(found[0]))

    # ----------------------------------------------------------------------------- completion

    def values_of(self, uri: str, variable: str) -> tuple[str, ...] | None:
        """Give all values that a variable of a template can have; None for unknown templates."""
        for _, resource in self._templates:
            if resource.uri == uri:
                return resource.values.get(variable, ())
        return None


class _Segment(Struct, frozen=True):
    literals: tuple[str, ...]
    names: tuple[str, ...]

    def match(self, text: str) -> dict[str, str] | None:
        """Give the variables' values; None where the text is another segment's."""
        if not self.names:
            return {} if text == self.literals[0] else None
        found = captured(self.literals, text)
        return None if found is None else dict(zip(self.names, found, strict=True))


class Template:
    """A URI with variables, each of which stands for one or more characters of one segment."""

    def __init__(self, uri: str) -> None:
        """Take the URI apart."""
        segments = [split(segment) for segment in uri.split("/")]
        self._segments = [_Segment(tuple(texts), tuple(names)) for texts, names in segments]

    def match(self, uri: str) -> dict[str, str] | None:
        """Give the variables' values, decoded; None where the URI is another's."""
        texts = uri.split("/")
        if len(texts) != len(self._segments):
            return None
        values: dict[str, str] = {}
        for segment, text in zip(self._segments, texts, strict=True):
            found = segment.match(text)
            if found is None:
                return None
            values |= found
        try:
            return {n: unquote_to_bytes(v).decode("utf-8") for n, v in values.items()}
        except UnicodeDecodeError:
            return None


# ---------------------------------------------------------------------------------- what is listed


def _described(resource: Resource) -> dict[str, Json]:
    entry: dict[str, Json] = {"name": resource.name}
    if resource.title:
        entry["title"] = resource.title
    if resource.description:
        entry["description"] = resource.description
    if resource.media_type:
        entry["mimeType"] = resource.media_type
    return entry


def _file_entry(resource: Resource, name: str) -> dict[str, Json]:
    entry = {"uri": f"{resource.uri.rstrip('/')}/{name}", **_described(resource)}
    media_type = resource.media_type or folders.media_type(name)
    return {**entry, "mimeType": media_type} if media_type else entry


# ------------------------------------------------------------------------------------ what is read


async def _of_folder(resource: Resource, uri: str) -> dict[str, Json] | None:
    base = f"{resource.uri.rstrip('/')}/"
    if resource.folder is None or not uri.startswith(base):
        return None
    most = folders.MOST_BYTES if resource.most is None else resource.most
    name = uri.removeprefix(base)
    try:
        found = await to_thread.run_sync(folders.read, resource.folder, name, most)
    except folders.TooLargeError as error:
        raise McpError(INTERNAL_ERROR, str(error), {"uri": uri}) from None
    if found is None:
        return None
    media_type = resource.media_type or folders.media_type(name)
    return _content(found[1], media_type, binary=resource.binary)


def _content(body: bytes, media_type: str, *, binary: bool = False) -> dict[str, Json]:
    text = None
    if not binary and (not media_type or is_text(media_type)):
        text = text_of(body, "")
    if text is not None:
        return {"mimeType": media_type or "text/plain", "text": text}
    return _blob(body, media_type)


async def _of_flow(resource: Resource, values: Mapping[str, str], uri: str) -> dict[str, Json]:
    keys = resource.variables
    inputs: Inputs = {keys[name]: Text(value) for name, value in values.items() if name in keys}
    assert resource.flow is not None  # noqa: S101 - what has no folder has a flow
    try:
        outcome = await resource.flow(inputs)
    except Exception as error:  # noqa: BLE001 - one boundary turns every error into an answer
        raise _error(problem_of(error), uri) from None
    if outcome.failed:
        raise _upstream_error(outcome, uri)
    kind = outcome.media_type or "application/json"
    media_type = resource.media_type or kind.partition(";")[0].strip().lower()
    text = None
    if not resource.binary and (is_text(kind) or is_text(media_type)):
        text = text_of(outcome.body, kind)
    return (
        {"mimeType": media_type, "text": text}
        if text is not None
        else _blob(outcome.body, media_type)
    )


def _blob(body: bytes, media_type: str) -> dict[str, Json]:
    data = base64.b64encode(body).decode()
    return {"mimeType": media_type or "application/octet-stream", "blob": data}


# ------------------------------------------------------------------------------------------ errors


def _not_found(uri: str) -> McpError:
    return McpError(INVALID_PARAMS, "Resource not found", {"uri": uri})


def _error(problem: Problem, uri: str) -> McpError:
    code = INVALID_PARAMS if problem.status == 400 else INTERNAL_ERROR
    return McpError(code, problem.detail, {"uri": uri, **problem.members})


def _upstream_error(outcome: Outcome, uri: str) -> McpError:
    _, members = failure_of(outcome)
    message = f"the upstream answered {outcome.status}"
    return McpError(INTERNAL_ERROR, message, {"uri": uri, **members})
