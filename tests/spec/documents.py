"""Small documents, written as YAML, and what the rooms make of them; nothing is sent anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from naftiko_run.consumes.credentials import Credentials, compile_credentials, placeholder_of
from naftiko_run.consumes.operation import CompiledOperation, compile_operation
from naftiko_run.consumes.target import Target, find_target
from naftiko_run.findings import Finding
from naftiko_run.loading import binds
from naftiko_run.loading.files import Source, parse
from naftiko_run.mapping.scope import Scope
from naftiko_run.plan import Options, Plan, compile_plan
from naftiko_run.spec.document import Consumes, Document, Loaded
from naftiko_run.spec.reader import read
from naftiko_run.types import Binds, Inputs, Outcome, Reply, Request

SECRET = "canary-5e1d-secret"
JSON = (("content-type", "application/json"),)
BASE = "https://api.test/v1"
ACCEPT = ("Accept", "application/json")
CONTENT = ("Content-Type", "application/json")


def rule(ids: str, sentence: str, *values: object) -> Any:  # noqa: ANN401 - pytest's own type is private
    """Make a row of a table that shows rules of the published dialect."""
    return pytest.param(*values, id=f"{ids}: {sentence}")


class Recorder:
    """A client that sends nothing: it keeps the requests and gives what it was told to."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.requests: list[Request] = []
        self.reply = reply or Reply(200, JSON, b'{"ok":true}')

    async def send(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.reply

    async def aclose(self) -> None:
        pass


def source(text: str, file: str = "ships.yaml") -> Source:
    return parse(text.encode(), file, Path("/specs") / file)


def document(text: str) -> tuple[Document, list[Finding]]:
    found, findings = read(source(text), source(text).data)
    assert found is not None, findings
    return found, findings


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


# ------------------------------------------------------------------------------ consumed operations


@dataclass
class Built:
    """An operation of a consumed API, and all that was found on the way to it."""

    operation: CompiledOperation
    problem: Finding | None
    findings: list[Finding]
    credentials: Credentials
    target: Target

    def request(self, /, **inputs: Any) -> Request:  # noqa: ANN401 - any JSON value
        return self.operation.request(inputs)


def api(text: str) -> tuple[Consumes, list[Finding]]:
    """Read a consumed API, or one operation of it, or its parameters alone."""
    block: dict[str, Any] = yaml.safe_load(text)
    if "resources" not in block:
        known = {"namespace", "baseUri", "authentication", "auth", "description"}
        operation = {"name": "op", "method": "GET", "path": ""}
        operation |= {k: v for k, v in block.items() if k not in known}
        block = {k: v for k, v in block.items() if k in known}
        block["resources"] = [{"operations": [operation]}]
    block = {"namespace": "up", "type": "http", "baseUri": BASE} | block
    whole = {
        "naftiko": "1.0.0-alpha2",
        "info": {"label": "Ships"},
        "capability": {"consumes": [block], "exposes": [{"type": "skill", "skills": []}]},
    }
    found, findings = document(yaml.safe_dump(whole, sort_keys=False))
    return found.consumes[0], findings


def variables(
    declared: Mapping[str, str | None] | None = None, environ: Mapping[str, str] | None = None
) -> Binds:
    """Make variables as one bind of the namespace ``env`` gives them."""
    both = {f"{prefix}{k}": v for k, v in (declared or {}).items() for prefix in ("", "env.")}
    return Binds(both, environ or {})


def build(
    text: str,
    *,
    declared: Mapping[str, str | None] | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: frozenset[str] = frozenset(),
    strict_paths: bool = False,
    upstream: str = "",
    origin: str = "",
) -> Built:
    """Compile the first operation of a consumed API."""
    consumes, findings = api(text)
    scope = Scope(variables(declared, environ), report=findings.append)
    target = find_target(
        consumes, scope, upstream=upstream, origin=origin, credential=placeholder_of(consumes)
    )
    credentials = compile_credentials(consumes, scope)
    operation, problem = compile_operation(
        consumes.operations[0],
        consumes,
        scope=scope,
        target=target,
        credentials=credentials,
        client=Recorder(),
        overrides=overrides,
        strict_paths=strict_paths,
    )
    return Built(operation, problem, findings, credentials, target)


# ----------------------------------------------------------------------------------------- plans


@dataclass
class Served:
    """A document that was compiled, with the client that stands in for every upstream."""

    plan: Plan
    client: Recorder
    findings: list[Finding] = field(default_factory=list)

    def unit(self, name: str) -> Any:  # noqa: ANN401 - what the plan makes of a unit
        for unit in self.plan.units:
            if unit.name == name and not isinstance(unit.compiled, Finding):
                return unit.compiled
        raise KeyError(name)

    def problem(self, name: str) -> Finding:
        for unit in self.plan.units:
            if unit.name == name and isinstance(unit.compiled, Finding):
                return unit.compiled
        raise KeyError(name)

    async def call(self, name: str, arguments: Inputs) -> Outcome:
        outcome: Outcome = await self.unit(name).flow(arguments)
        return outcome


def serve(
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
    options: Options | None = None,
    reply: Reply | None = None,
) -> Served:
    """Compile a document whose ``ops``, ``rest`` and ``tools`` are written short.

    ``ops`` are operations of the API ``up`` by name, ``rest`` operations by method and path,
    ``tools`` by name.
    """
    short: dict[str, Any] = yaml.safe_load(text)
    found, findings = document(yaml.safe_dump(_expanded(short), sort_keys=False))
    values, unset = binds.resolve(
        found.binds, Path("/specs"), given=given or {}, environ=environ or {}
    )
    client = Recorder(reply)
    loaded = Loaded(
        file="ships.yaml",
        document=found,
        consumes=found.consumes,
        binds=values,
        findings=[*findings, *unset],
    )
    plan = compile_plan([loaded], options or Options(), client)
    return Served(plan, client, plan.findings)


def _expanded(short: Mapping[str, Any]) -> dict[str, Any]:
    consumes = list(short.get("consumes", ()))
    if "ops" in short:
        consumes.append(_api(short["ops"]))
    exposes: list[dict[str, Any]] = []
    if "rest" in short:
        exposes.append({"type": "rest", "namespace": "ships-rest", "resources": _resources(short)})
    if "tools" in short:
        tools = [{"name": name, **tool} for name, tool in short["tools"].items()]
        exposes.append({"type": "mcp", "namespace": "ships-mcp", "tools": tools})
    document = {
        "naftiko": "1.0.0-alpha2",
        "info": {"label": "Ships"},
        "capability": {"consumes": consumes, "exposes": exposes},
    }
    return document | ({"binds": short["binds"]} if "binds" in short else {})


def _api(operations: Mapping[str, Any]) -> dict[str, Any]:
    named = [{"name": name, "method": "GET", **each} for name, each in operations.items()]
    return {
        "namespace": "up",
        "type": "http",
        "baseUri": BASE,
        "resources": [{"operations": [each]} for each in named],
    }


def _resources(short: Mapping[str, Any]) -> list[dict[str, Any]]:
    routes = ((*key.split(" ", 1), unit) for key, unit in short["rest"].items())
    return [{"path": path, "operations": [{"method": m, **unit}]} for m, path, unit in routes]


def without_where(finding: Finding) -> Finding:
    """Take the position out of a finding, which these short documents do not have."""
    return replace(finding, file="", line=0, column=0, source_line="", width=1)
