"""Time of JSONPath expressions, beside plain Python code that does the same and a peer library.

    .venv/bin/python -P bench/jsonpath.py

(``-P``, or this file would be imported in place of the peer, which has the same name.)
It takes about ten seconds. The ratios matter, not the microseconds.
"""

import json
from collections.abc import Callable
from functools import partial
from timeit import repeat
from typing import Any

import orjson
from jsonpath import JSONPath  # type: ignore[import-untyped]  # jsonpath-python

from naftiko_run.mapping.json_codec import dumps, is_json, loads
from naftiko_run.mapping.jsonpath import compile_path

ITEMS = [
    {"id": f"key_{n:08d}", "price": n * 1.37, "createdAt": 1_700_000_000_000 + n, "tags": ["a"]}
    for n in range(10)
]
DOCUMENT: Any = {"a": {"b": [{"c": 1}]}, "data": {"items": ITEMS, "total": len(ITEMS)}}


def _dear(root: Any) -> list[Any]:  # noqa: ANN401
    return [item["id"] for item in root["data"]["items"] if item["price"] > 6]


PLAIN: dict[str, Callable[[Any], Any]] = {
    "$.a": lambda root: root["a"],
    "$.a.b[0].c": lambda root: root["a"]["b"][0]["c"],
    "$.data.items[*].id": lambda root: [item["id"] for item in root["data"]["items"]],
    "$.data.items[?(@.price>6)].id": _dear,
    "$..id": lambda root: [item["id"] for item in root["data"]["items"]],
}


def microseconds(function: Callable[[Any], object], argument: object) -> float:
    """The best of five runs of a twentieth of a second."""
    run = partial(function, argument)
    once = max(min(repeat(run, number=10, repeat=3)) / 10, 1e-8)
    number = max(1, int(0.05 / once))
    return min(repeat(run, number=number, repeat=5)) / number * 1e6


def row(name: str, ours: float, *others: float) -> None:
    beside = "".join(f"{other:10.2f} ({other / ours:6.1f})" for other in others)
    print(f"{name:32}{ours:10.2f}{beside}")


def expressions() -> None:
    print(
        f"{'us for 10 items (ratio to ours)':32}{'ours':>10}{'by hand':>19}{'jsonpath-python':>19}"
    )
    for expression, plain in PLAIN.items():
        contenders = (compile_path(expression).evaluate, plain, JSONPath(expression).parse)
        row(expression, *(microseconds(contender, DOCUMENT) for contender in contenders))


def codec() -> None:
    print(f"\n{'us (ratio to ours)':32}{'ours':>10}{'orjson':>19}{'json':>19}")
    for copies in (1, 100):
        value = {"items": ITEMS * copies}
        text = orjson.dumps(value)
        size = f"{len(text) / 1000:.0f} kB"
        readers = (loads, orjson.loads, json.loads)
        row(f"loads {size}", *(microseconds(reader, text) for reader in readers))
        row(f"is_json {size}", *(microseconds(reader, text) for reader in (is_json, *readers[1:])))
        writers = (dumps, orjson.dumps, json.dumps)
        row(f"dumps {size}", *(microseconds(writer, value) for writer in writers))


if __name__ == "__main__":
    expressions()
    codec()
