"""Reads what a REST operation promises to answer: ``responses`` and ``responseBinary``."""

import re
from collections.abc import Iterator

from naftiko_run.spec.document import Response, ResponseContent
from naftiko_run.spec.media import is_media_type
from naftiko_run.spec.node import Node

_STATUS = re.compile(r"[1-5](?:[0-9]{2}|XX)", re.IGNORECASE).fullmatch
_FIXED = range(200, 300)
_EMPTY = frozenset({204, 205})


def read_responses(node: Node) -> tuple[Response, ...]:
    """Read what a REST operation promises to answer; ``responseBinary`` goes first."""
    binary = node.mapping("responseBinary")
    if binary is not None and node.has("responses"):
        node.report(
            node.where.at("responses").warning(
                "W-RESPONSE",
                "'responses' stands beside 'responseBinary', which counts alone",
                "keep one of them",
                key=True,
            )
        )
    if binary is not None:
        return _binary_response(binary)
    return tuple(_promised(node.mapping("responses")))


def _binary_response(node: Node) -> tuple[Response, ...]:
    media_type = (node.text("mediaType") or "").strip()
    if not is_media_type(media_type):
        node.report(
            node.where.at("mediaType").warning(
                "W-RESPONSE", f"{media_type!r} is no media type", "write one such as image/png"
            )
        )
        media_type = "application/octet-stream"
    status = node.number("status")
    fixed = status in _FIXED and status not in _EMPTY
    if status is not None and not fixed:
        node.report(
            node.where.at("status").warning(
                "W-RESPONSE",
                f"no binary answer that succeeds has the status {status}: the upstream's is kept",
                "write one such as 200, or remove it",
            )
        )
    return (
        Response(
            where=node.where,
            status=str(status) if fixed else "200",
            description=node.text("description") or "",
            contents=(ResponseContent(media_type=media_type, binary=True),),
            fixed=fixed,
        ),
    )


def _promised(responses: Node | None) -> Iterator[Response]:
    for status in responses.data if responses else ():
        where = responses.where.at(status) if responses else None
        node = responses.mapping(status) if responses else None
        if node is None or where is None:
            continue
        if not _STATUS(status):
            node.report(
                where.warning(
                    "W-RESPONSE", f"{status!r} is no status", "write one such as 200 or 2XX"
                )
            )
            continue
        yield Response(
            where=where,
            status=status.upper(),
            description=node.text("description") or "",
            contents=tuple(_contents(node.mapping("content"))),
        )


def _contents(content: Node | None) -> Iterator[ResponseContent]:
    for media_type in content.data if content else ():
        node = content.mapping(media_type) if content else None
        if content is not None and not is_media_type(media_type):
            content.report(
                content.where.at(media_type).warning(
                    "W-RESPONSE",
                    f"{media_type!r} is no media type",
                    "write one such as application/json",
                )
            )
            continue
        schema = node.data.get("schema") if node else None
        yield ResponseContent(
            media_type=media_type,
            binary=bool(node and node.flag("binary")),
            schema=schema if isinstance(schema, dict) else {},
        )
