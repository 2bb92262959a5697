"""The worked examples in ``cases/``: a document, calls, and by hand what each must cause.

A case is written short. ``consumes``, ``rest`` and ``tools`` are expanded into a whole document;
``document`` is merged over it, and ``text`` replaces it. ``@rest`` and ``@mcp`` stand for the
namespaces of the case's adapters, which are unique so that all cases can be served at once.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.corpus.compare import query_pairs
from tests.corpus.core_yaml import load
from tests.corpus.dialect import MISSING, Json
from tests.corpus.oracle import NO_BODY, Body, Document, Pairs, RestCall, Unit, Upstream, read

FOLDER: Final = Path(__file__).with_name("cases")


@dataclass(frozen=True)
class CaseCall:
    """One call of a case, and what must come of it."""

    case: "Case"
    number: int
    raw: Mapping[str, Json]

    @property
    def face(self) -> str:
        """``rest`` or ``mcp``."""
        return "rest" if "rest" in self.raw else "mcp"

    @property
    def label(self) -> str:
        """How the call is named in a test's id."""
        return f"{self.case.slug}-{self.number}"

    @property
    def expected(self) -> Upstream | None:
        """The request that must arrive, None when nothing may."""
        sends = self.raw.get("sends")
        if sends is None:
            return None
        if isinstance(sends, str):
            sends = {"request": sends}
        method, _, url = str(sends["request"]).partition(" ")
        origin = ""
        if "://" in url.partition("?")[0]:
            scheme, _, rest = url.partition("://")
            origin = f"{scheme}://{rest.partition('/')[0]}"
            url = "/" + rest.partition("/")[2]
        path, _, query = url.partition("?")
        headers = tuple((k, str(v)) for k, v in (sends.get("headers") or {}).items())
        return Upstream(method, origin, path, tuple(query_pairs(query)), headers, body_of(sends))

    @property
    def absent(self) -> list[str]:
        """Header names that may not arrive."""
        sends = self.raw.get("sends")
        return list(sends.get("absent") or []) if isinstance(sends, dict) else []

    @property
    def request_line(self) -> tuple[str, str]:
        """Method and target of a REST call."""
        method, _, target = str(self.raw["rest"]).partition(" ")
        return method, target

    @property
    def request_headers(self) -> dict[str, str]:
        """Header fields of a REST call."""
        return {str(k): str(v) for k, v in (self.raw.get("headers") or {}).items()}

    @property
    def arguments(self) -> dict[str, Json]:
        """Arguments of a tool call."""
        return dict(self.raw.get("args") or {})

    def rest_call(self, document: Document) -> tuple[Unit, RestCall]:
        """The unit that a REST call reaches, and the call taken apart."""
        method, target = self.request_line
        path, _, query = target.partition("?")
        pairs: Pairs = tuple(query_pairs(query))
        unit, values = document.match(method, path, pairs)
        body: Json = self.raw.get("json", MISSING)
        if "form" in self.raw:
            body = dict(self.raw["form"])
        form = "form" in self.raw
        return unit, RestCall(values, pairs, self.request_headers, body, form=form)


def body_of(sends: Mapping[str, Json]) -> Body:
    """The body that a ``sends`` clause describes."""
    if "json" in sends:
        return Body("json", sends["json"], "application/json")
    if "form" in sends:
        pairs = tuple((str(k), str(v)) for k, v in sends["form"])
        return Body("form", pairs, "application/x-www-form-urlencoded")
    if "multipart" in sends:
        pairs = tuple((str(k), str(v)) for k, v in sends["multipart"])
        return Body("multipart", pairs, "multipart/form-data")
    if "raw" in sends:
        return Body("raw", str(sends["raw"]).encode(), str(sends["type"]))
    return NO_BODY


@dataclass(frozen=True)
class Case:
    """One worked example."""

    slug: str
    raw: Mapping[str, Json]

    @property
    def rules(self) -> list[str]:
        """The rules that it shows."""
        rule = self.raw["rule"]
        return list(rule) if isinstance(rule, list) else [str(rule)]

    @property
    def rest(self) -> str:
        """The namespace of its REST adapter."""
        return f"r-{self.slug}"

    @property
    def mcp(self) -> str:
        """The namespace of its MCP adapter."""
        return f"m-{self.slug}"

    @property
    def proxied(self) -> bool:
        """Whether the whole URL matters: it is then called through a proxy, as it is written."""
        return self.raw.get("via") == "proxy"

    @property
    def servable(self) -> bool:
        """Whether anything of the document is served."""
        return bool(self.raw.get("servable", True))

    @property
    def variables(self) -> dict[str, str]:
        """The values of variables."""
        return {str(k): str(v) for k, v in (self.raw.get("vars") or {}).items()}

    @property
    def codes(self) -> list[str]:
        """Codes that must be reported."""
        return list(self.raw.get("codes") or [])

    @property
    def codes_absent(self) -> list[str]:
        """Codes that may not be reported."""
        return list(self.raw.get("not") or [])

    @property
    def schemas(self) -> Mapping[str, Mapping[str, Json]]:
        """What must be listed of each tool."""
        return dict(self.raw.get("schema") or {})

    def calls(self) -> list[CaseCall]:
        """Its calls."""
        return [CaseCall(self, i, raw) for i, raw in enumerate(self.raw.get("calls") or [], 1)]

    def text(self) -> str:
        """The document as YAML text (JSON is YAML)."""
        text = self.raw.get("text")
        if text is None:
            text = json.dumps(self.document(), ensure_ascii=False, indent=1)
        return str(text).replace("@rest", self.rest).replace("@mcp", self.mcp)

    def files(self) -> dict[str, str]:
        """Further files, by path relative to the document."""
        files = self.raw.get("files") or {}
        return {str(k): json.dumps(v, ensure_ascii=False) for k, v in files.items()}

    def write(self, folder: Path) -> Path:
        """Write the document and its files; returns the document's path."""
        home = folder / self.slug / "capabilities"
        for name, text in {"case.yaml": self.text(), **self.files()}.items():
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return home / "case.yaml"

    def read(self, folder: Path) -> Document:
        """The document as the oracle understands it."""
        path = self.write(folder)
        return read(path.read_text(encoding="utf-8"), path)

    def document(self) -> dict[str, Json]:
        """The whole document of a case that is written short."""
        exposes: list[dict[str, Json]] = []
        resources = self.raw.get("rest_resources")
        if resources is None:
            resources = [
                {"path": key.partition(" ")[2], "operations": [{"method": key.split()[0], **unit}]}
                for key, unit in (self.raw.get("rest") or {}).items()
            ]
        tools = self.raw.get("tools") or []
        if isinstance(tools, dict):
            tools = [{"name": name, **tool} for name, tool in tools.items()]
        if resources:
            adapter = {"type": "rest", "port": 8080, "namespace": "@rest", "resources": resources}
            exposes.append(adapter)
        if tools:
            exposes.append({"type": "mcp", "port": 9090, "namespace": "@mcp", "tools": tools})
        document: dict[str, Json] = {
            "naftiko": "1.0.0-alpha2",
            "info": {"label": self.slug, "description": "a case"},
            "capability": {
                "consumes": [consumed(block) for block in self.raw.get("consumes") or []],
                "exposes": exposes,
            },
        }
        if binds := self.raw.get("binds"):
            document["binds"] = [{"namespace": "env", "keys": {name: name for name in binds}}]
        given = self.raw.get("document") or {}
        return {**document, **given}


def consumed(block: Mapping[str, Json]) -> dict[str, Json]:
    """A ``consumes`` entry with its defaults; ``ops`` become resources of their own."""
    entry: dict[str, Json] = {"type": "http", "namespace": "up", "baseUri": "http://api.test/v1"}
    entry.update(block)
    operations = entry.pop("ops", None)
    if operations is not None:
        entry["resources"] = [
            {
                "name": f"of-{name}",
                "path": operation.get("path"),
                "operations": [
                    {"name": name, **{k: v for k, v in operation.items() if k != "path"}}
                ],
            }
            for name, operation in operations.items()
        ]
    return entry


def cases() -> Iterator[Case]:
    """All cases, in the order of their files."""
    for path in sorted(FOLDER.glob("*.yaml")):
        seen: dict[str, int] = {}
        for raw in load(path.read_text(encoding="utf-8")):
            rule = raw["rule"][0] if isinstance(raw["rule"], list) else raw["rule"]
            base = re.sub(r"[^a-z0-9]+", "-", f"{path.stem}-{rule}".lower())
            seen[base] = seen.get(base, 0) + 1
            yield Case(f"{base}-{seen[base]}", raw)


CHOSEN: Final = re.compile(os.environ.get("NAFTIKO_CASES", ""))
"""The cases to serve, a pattern for their names; all by default."""

CASES: Final = tuple(case for case in cases() if CHOSEN.search(case.slug))
CALLS: Final = tuple(call for case in CASES for call in case.calls())
