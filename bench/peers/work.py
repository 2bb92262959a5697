"""What every hand-written peer does between its caller and the upstream."""

import os
from collections.abc import Mapping
from typing import Any

UPSTREAM = os.environ["BENCH_UPSTREAM"]
SLOW = os.environ.get("BENCH_SLOW", UPSTREAM)
AUTHORIZATION = "Bearer bench-token"
GETS = ("small", "medium", "large")


def upstream_body(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": given["name"],
        "external": given["externalId"],
        "settings": {"limit": given["limit"], "source": "bench"},
    }
