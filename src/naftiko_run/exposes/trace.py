"""The caller's trace context (W3C Trace Context), as far as it is passed on to upstreams.

``traceparent`` and ``tracestate`` name a trace and nothing else, so they go along unchanged, as
from any intermediary that adds no span of its own (section 3.3); what is malformed does not.
``baggage`` does not either: its values are whatever a caller put there, for parties that it trusts.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from starlette.types import Scope

from naftiko_run.types import TRACE, Headers

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")


def context_of(parent: object, state: object) -> Headers:
    """Give the header fields of a trace context; none where it is malformed."""
    if not isinstance(parent, str) or _PARENT.fullmatch(parent) is None:
        return ()
    if not isinstance(state, str) or _STATE.fullmatch(state) is None:
        return (("traceparent", parent),)
    return (("traceparent", parent), ("tracestate", state))


def context_of_fields(scope: Scope) -> Headers:
    """Give the trace context of an HTTP request; of a field that comes twice nothing is known."""
    for name, _ in scope["headers"]:
        if name == b"traceparent":
            return _context_of_fields(scope)
    return ()


def _context_of_fields(scope: Scope) -> Headers:
    parents: list[str] = []
    states: list[str] = []
    for name, value in scope["headers"]:
        if name == b"traceparent":
            parents.append(value.decode("latin-1").strip(" \t"))
        elif name == b"tracestate":
            states.append(value.decode("latin-1").strip(" \t"))
    return context_of(parents[0], ",".join(states)) if len(parents) == 1 else ()


@contextmanager
def traced(context: Headers) -> Iterator[None]:
    """Let what is sent meanwhile belong to a trace."""
    token = TRACE.set(context)
    try:
        yield
    finally:
        TRACE.reset(token)


def traced_as(meta: Mapping[str, Any] | None) -> AbstractContextManager[None]:
    """Let the trace context in the ``_meta`` of an MCP request come before the HTTP request's."""
    if not meta or "traceparent" not in meta:
        return _AS_BEFORE
    return traced(context_of(meta["traceparent"], meta.get("tracestate")))


_AS_BEFORE = nullcontext()
