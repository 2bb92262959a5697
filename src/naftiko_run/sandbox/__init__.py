"""Embedded upstreams for offline use: stateful stand-ins that answer like the real APIs.

A sandbox imports nothing of the runtime. Each one is a module with `create_app`, which makes
an ASGI application, and `ORIGINS`, the real origins that application stands in for.
"""

from collections.abc import Mapping
from types import MappingProxyType

SANDBOXES: Mapping[str, str] = MappingProxyType(
    {"https://api.unkey.com": "naftiko_run.sandbox.unkey"}
)
"""Which module stands in for a real origin: scheme and authority to an importable name."""
