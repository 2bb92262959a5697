"""From raw values to records: every version of the language and the published dialect.

Lists and keyed maps, renamed keys and the dialect's aliases meet here and nowhere else. Each
function reads one kind of record; what cannot be read is reported and left out, and reading goes
on, so that one run shows everything.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from naftiko_run.findings import Finding
from naftiko_run.spec import paths
from naftiko_run.spec.document import (
    UNSET,
    Adapter,
    Aggregate,
    Authentication,
    Bind,
    Body,
    ConsumedOperation,
    Consumes,
    Document,
    ForEach,
    Forward,
    Hints,
    Import,
    Info,
    McpPrompt,
    McpResource,
    Output,
    Parameter,
    PromptMessage,
    Response,
    ResponseContent,
    Script,
    Scripting,
    Semantics,
    Shared,
    Skill,
    SkillTool,
    SourceFile,
    Step,
    StepMapping,
    Unit,
    Where,
)
from naftiko_run.spec.node import Node
from naftiko_run.spec.uris import UriError, variables
from naftiko_run.types import Json

KNOWN_VERSIONS = {
    "naftiko": ("1.0.0-alpha1", "1.0.0-alpha2", "1.0.0-alpha3"),
    "ikanos": (
        "1.0.0-alpha3",
        "1.0.0-alpha4",
        "1.0.0-beta1",
        "1.0.0-beta2",
        "1.0.0-beta3",
        "1.0.0-beta4",
        "1.0.0-beta5",
    ),
}
SCHEMA_KEYWORDS = (
    "items",
    "properties",
    "additionalProperties",
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "uniqueItems",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
)
"""JSON Schema keywords that a parameter may carry beside ``type``."""

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(B|KiB|MiB|GiB)?").fullmatch
_ALLOWED_TOOL = re.compile(r"(?:\([^()]*\)|[^\s,])+")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;[ -~]*)?", re.ASCII).fullmatch

_ROOT_KEYS = frozenset(
    "naftiko ikanos info capability consumes exposes aggregates binds import imports".split()
)
_CAPABILITY_KEYS = frozenset("consumes exposes aggregates binds import imports".split())
SECTIONS = ("consumes", "exposes", "aggregates", "binds")
"""What a document can share with others."""


def read(source: SourceFile, data: object) -> tuple[Document | None, list[Finding]]:
    """Read a capability document.

    The document is None where nothing of it can be served; the findings say why.
    """
    findings: list[Finding] = []
    where = Where(source)
    if not isinstance(data, dict):
        return None, [
            where.error(
                "E-NOT-CAPABILITY",
                "not a Naftiko capability: the file is not a mapping",
                "begin with 'naftiko: \"1.0.0-alpha2\"'",
            )
        ]
    root = Node(data, where, findings.append)
    language = next((name for name in KNOWN_VERSIONS if name in data), "")
    if not language:
        found = ", ".join(list(data)[:8])
        findings.append(
            where.error(
                "E-NOT-CAPABILITY",
                f"not a Naftiko capability: no 'naftiko' key (found: {found})",
                "add 'naftiko: \"1.0.0-alpha2\"' at the root, or leave this file out",
            )
        )
        return None, findings
    version = _version(root, language)
    findings.extend(_root_keys(root))
    capability = root.mapping("capability")
    if capability is None:
        findings.append(_no_capability(root))
        return None, findings
    consumes, imports = _consumes(root, capability)
    imports += tuple(entry for key in SECTIONS[1:] for entry in _imports(capability, key))
    imports += tuple(_imports(root, "binds"))
    adapters = _exposes(capability)
    if _exposes_nothing(capability):
        findings.append(_no_exposes(capability))
        return None, findings
    document = Document(
        where=where,
        language=language,
        version=version,
        info=_info(root, source),
        binds=(*_binds(root), *_binds(capability)),
        consumes=consumes,
        imports=imports,
        adapters=adapters,
        aggregates=tuple(_aggregates(capability)),
        scripting=_scripting(capability),
    )
    return document, findings


def read_shared(
    source: SourceFile, data: object, section: str = "consumes"
) -> tuple[Shared, list[Finding]]:
    """Read a section of an imported file: the one at its root, else that of its capability.

    Imports inside an imported file are not followed; its binds come along.
    """
    findings: list[Finding] = []
    if not isinstance(data, dict):
        return Shared(), findings
    root = Node(data, Where(source), findings.append)
    capability = root.mapping("capability")
    holder = root if root.has(section) or capability is None else capability
    binds = (*_binds(root), *(_binds(capability) if capability else ()))
    nested = tuple(_imports(replace(holder, report=lambda _: None), section))
    if section == "consumes":
        blocks = (_consumes_block(n) for n in holder.entries(section) if not _is_import(n))
        consumes = tuple(replace(block, variables=binds) for block in blocks)
        return Shared(consumes=consumes, binds=binds, nested=nested), findings
    if section == "exposes":
        shared = Shared(adapters=_exposes(holder), binds=binds, nested=nested)
        return shared, findings
    if section == "aggregates":
        shared = Shared(aggregates=tuple(_aggregates(holder)), binds=binds, nested=nested)
        return shared, findings
    return Shared(binds=_binds(holder), nested=nested), findings


def _version(root: Node, language: str) -> str:
    value = root.raw(language)
    version = value.get("version") if isinstance(value, dict) else value
    text = version if isinstance(version, str) else str(version)
    if text not in KNOWN_VERSIONS[language] or text != value:
        root.report(
            root.where.at(language).warning(
                "W-VERSION",
                f"unknown {language} version {text!r}: read as the newest known one",
                f"write one of {', '.join(KNOWN_VERSIONS[language])}",
            )
        )
    return text


def _root_keys(root: Node) -> Iterator[Finding]:
    for key in root.data:
        if key not in _ROOT_KEYS:
            yield root.where.at(key).warning(
                "W-ROOT-KEY", f"the root key {key!r} has no meaning here", "remove it", key=True
            )
    capability = root.data.get("capability")
    for key in ("exposes", "aggregates"):
        if isinstance(capability, dict) and key in root.data:
            yield root.where.at(key).warning(
                "W-ROOT-KEY",
                f"'{key}' at the root beside 'capability' is not served",
                "move it into 'capability', or into a file of its own that is imported",
                key=True,
            )
    if isinstance(capability, dict) and capability.get("exposes"):
        for key in capability:
            if key not in _CAPABILITY_KEYS:
                yield root.where.at("capability", key).warning(
                    "W-CAPABILITY-KEY",
                    f"'capability.{key}' has no meaning here",
                    "remove it",
                    key=True,
                )


def _no_capability(root: Node) -> Finding:
    shared = [name for name in SECTIONS if root.has(name)]
    if not shared:
        return root.where.error(
            "E-NO-CAPABILITY",
            "no 'capability' mapping: there is nothing to serve",
            "add 'capability' with 'consumes' and 'exposes'",
        )
    return root.where.notice(
        "I-SHARED",
        f"this file only shares definitions with others ({', '.join(shared)}): nothing is served",
        "serve the capability that imports this file",
    )


def _exposes_nothing(capability: Node) -> bool:
    return not capability.data.get("exposes")


def _no_exposes(capability: Node) -> Finding:
    other = next((k for k in capability.data if k not in _CAPABILITY_KEYS), None)
    instead = f" ('capability.{other}' is no part of the language)" if other else ""
    return capability.where.error(
        "E-NO-EXPOSES",
        f"nothing is exposed: 'capability.exposes' is missing or empty{instead}",
        "add an adapter of type rest or mcp under 'capability.exposes'",
        key=True,
    )


def _info(root: Node, source: SourceFile) -> Info:
    info = root.mapping("info")
    if info is None:
        return Info(label=source.file)
    return Info(
        label=info.text("label", "display", "title", "name") or source.file,
        description=info.text("description") or "",
        version=info.text("version") or "",
    )


def _binds(holder: Node) -> tuple[Bind, ...]:
    return tuple(
        Bind(
            where=node.where,
            namespace=node.text("namespace") or node.key,
            location=node.text("location"),
            keys={k: k if v is None else str(v) for k, v in (node.data.get("keys") or {}).items()},
        )
        for node in holder.entries("binds")
        if isinstance(node.data.get("keys") or {}, dict) and not _is_import(node, "binds")
    )


# ----------------------------------------------------------------------- what other files share


def _is_import(node: Node, section: str = "consumes") -> bool:
    if section != "consumes":
        return node.has("import") or (node.has("from") and not node.has("type"))
    return node.has("import", "openapi") or (node.has("ref") and not node.has("baseUri"))


def _imports(holder: Node, section: str) -> Iterator[Import]:
    for node in holder.entries(section):
        if _is_import(node, section) and (entry := _import(node, section)) is not None:
            yield entry


def _import(node: Node, section: str = "consumes") -> Import | None:
    if node.has("openapi"):
        node.report(
            node.where.error(
                "E-IMPORT-OPENAPI",
                "importing an OpenAPI document is not part of the language",
                "write the operations as a 'consumes' block of type http",
            )
        )
        return None
    location = node.text("location", "from", "ref", "path")
    if location is None:
        key = "location" if section == "consumes" else "from"
        node.report(node.where.error("E-IMPORT", f"an import needs '{key}'", "add the path"))
        return None
    if not node.has("import"):
        if section != "consumes":
            message = "an import needs 'import': the namespace to take"
            node.report(node.where.error("E-IMPORT", message, "add 'import'"))
            return None
        node.report(_variant(node.where))
    return Import(
        where=node.where,
        namespace=node.text("import", "namespace", "name"),
        location=location,
        alias=node.text("as"),
        section=section,
    )


def _variant(where: Where) -> Finding:
    return where.warning(
        "W-IMPORT",
        "this form of import is not part of the language",
        "write 'consumes: [{import: <namespace>, location: <path>}]'",
    )


def _loose_imports(holder: Node) -> Iterator[Import]:
    for key in ("import", "imports"):
        value = holder.data.get(key)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            where = holder.where.at(key, index)
            if isinstance(item, str):
                holder.report(_variant(where))
                yield Import(where=where, namespace=None, location=item)
            elif isinstance(item, dict):
                entry = _import(Node(item, where, holder.report))
                if entry is not None:
                    yield entry


def _consumes(root: Node, capability: Node) -> tuple[tuple[Consumes, ...], tuple[Import, ...]]:
    blocks: list[Consumes] = []
    imports: list[Import] = []
    for holder in (capability, root):
        for node in holder.entries("consumes"):
            if _is_import(node):
                entry = _import(node)
                imports.extend([entry] if entry else [])
            else:
                blocks.append(_consumes_block(node))
        imports.extend(_loose_imports(holder))
    return tuple(blocks), tuple(imports)


# ----------------------------------------------------------------------------------- consumes


def _consumes_block(node: Node) -> Consumes:
    resources = list(node.entries("resources"))
    style = paths.are_absolute(
        (resource.text("path") or "", operation.text("path") or "")
        for resource in resources
        for operation in resource.entries("operations")
        if operation.has("path")
    )
    operations = tuple(
        _consumed_operation(operation, resource, absolute=style)
        for resource in resources
        for operation in resource.entries("operations")
    )
    return Consumes(
        where=node.where,
        namespace=node.text("namespace") or node.key,
        base_uri=node.text("baseUri") or "",
        description=node.text("description") or "",
        authentication=_authentication(node),
        parameters=_parameters(node),
        operations=operations,
    )


def _consumed_operation(node: Node, resource: Node, *, absolute: bool) -> ConsumedOperation:
    method = node.text("method")
    if method is None:
        node.report(
            node.where.warning("W-OP-METHOD", "no 'method': GET is assumed", "add 'method: GET'")
        )
    return ConsumedOperation(
        where=node.where,
        name=node.text("name", "id") or node.key,
        method=(method or "GET").strip().upper(),
        path=paths.join(resource.text("path") or "", node.text("path") or "", absolute=absolute),
        description=node.text("description", "label", "display") or "",
        parameters=(*_parameters(resource), *_parameters(node)),
        body=_body(node),
        raw_format=(node.text("outputRawFormat") or "json").strip().lower(),
        schema=node.text("outputSchema") or "",
        media_type=_media_type(node),
        max_binary_size=_max_binary_size(node),
        outputs=_outputs(node),
        for_each=_for_each(node),
    )


def _media_type(node: Node) -> str:
    text = (node.text("outputMediaType") or "").strip()
    if text and not _MEDIA_TYPE(text):
        node.report(
            node.where.at("outputMediaType").error(
                "E-TYPE", f"{text!r} is no media type", "write one such as image/png"
            )
        )
        return ""
    return text


def _max_binary_size(node: Node) -> int | None:
    text = (node.text("maxBinarySize") or "").strip()
    if not text:
        return None
    size = _SIZE(text)
    if size is None:
        node.report(
            node.where.at("maxBinarySize").error(
                "E-TYPE", f"{text!r} is no size", "write one such as 512KiB, 10MiB or 1GiB"
            )
        )
        return None
    return int(Decimal(size[1]) * _UNITS[size[2] or "B"])


def _authentication(node: Node) -> Authentication | None:
    block = node.mapping("authentication", "auth")
    if block is None:
        return None
    return Authentication(
        where=block.where,
        type=(block.text("type") or "").strip().lower(),
        fields={k: v for k, v in block.data.items() if k != "type" and v is not None},
    )


def _parameters(holder: Node) -> tuple[Parameter, ...]:
    seen: dict[tuple[str, str], Parameter] = {}
    for node in holder.entries("inputParameters"):
        parameter = _parameter(node)
        if parameter is None:
            continue
        identity = (parameter.name, parameter.location)
        if identity in seen:
            node.report(
                node.where.warning(
                    "W-PARAM-DUP",
                    f"parameter {parameter.name!r} is given twice: the first one counts",
                    "remove one of them",
                )
            )
        else:
            seen[identity] = parameter
    return tuple(seen.values())


def _parameter(node: Node) -> Parameter | None:
    name = node.text("name") or node.key
    if not name:
        node.report(
            node.where.warning(
                "W-PARAM-UNNAMED", "a parameter without a name is ignored", "add 'name'"
            )
        )
        return None
    required = node.data.get("required")
    schema = {k: node.data[k] for k in SCHEMA_KEYWORDS if node.data.get(k) is not None}
    if isinstance(required, list):
        schema["required"] = required  # JSON Schema's: which members an object must have
    return Parameter(
        where=node.where,
        name=name,
        location=(node.text("in") or "").strip().lower(),
        type=_type(node),
        required=required if isinstance(required, bool) else None,
        description=node.text("description") or "",
        # Where both stand, 'const' goes first, as it did in the version that had it.
        value=_written(node, "const", "value", "template"),
        constant=node.data.get("const") is not None,
        default=node.raw("default"),
        nullable=node.data.get("nullable") is True,
        mapping=node.text("mapping") or "",
        schema=schema,
    )


def _type(node: Node) -> str:
    value = node.data.get("type")
    return value.strip().lower() if isinstance(value, str) else ""


def _written(node: Node, *names: str) -> Any:  # noqa: ANN401 - a JSON value or UNSET
    for name in names:
        if node.data.get(name) is not None:
            return node.data[name]
    return UNSET


def _body(node: Node) -> Body | None:
    raw = node.data.get("body")
    if raw is None:
        return None
    where = node.where.at("body")
    if not isinstance(raw, dict):
        return Body(where=where, type="raw" if isinstance(raw, str) else "json", data=raw)
    if "type" not in raw and "data" not in raw:
        return Body(where=where, type="json", data=raw)
    body_type = raw.get("type")
    return Body(
        where=where,
        type=str(body_type).strip() if body_type else "json",
        data=raw["data"] if raw.get("data") is not None else UNSET,
    )


def _for_each(node: Node) -> ForEach | None:
    raw = node.data.get("forEach")
    if raw is None:
        return None
    where = node.where.at("forEach")
    name: Json = raw
    element: Json = node.data.get("as")
    if isinstance(raw, dict):
        name = raw.get("forEach") or raw.get("in")
        element = raw.get("as")
    if isinstance(name, str) and isinstance(element, str) and name and element:
        return ForEach(where=where, name=name, element=element)
    node.report(
        where.error(
            "E-FOREACH",
            "'forEach' needs the name of an array parameter, and 'as' the name of one element",
            "write 'forEach: {forEach: keyIds, as: keyId}'",
        )
    )
    return None


# ------------------------------------------------------------------------------------ outputs


def _outputs(holder: Node) -> tuple[Output, ...]:
    return tuple(_output(node) for node in holder.entries("outputParameters"))


def _output(node: Node) -> Output:
    name = node.text("name") or node.key or None
    mapping = node.text("mapping")
    value = _written(node, "value", "const")
    if mapping is None and name and isinstance(value, str) and value.startswith("$"):
        # A named output without mapping whose value is a path: the reference reads it as one.
        mapping, value = value, UNSET
    properties = node.data.get("properties")
    length = node.data.get("maxLength")
    return Output(
        where=node.where,
        name=name,
        type=_type(node),
        mapping=mapping,
        value=value,
        properties=(
            {n.key or n.text("name") or "": _output(n) for n in node.entries("properties")}
            if properties
            else None
        ),
        items=_nested(node, "items"),
        values=_nested(node, "values"),
        max_length=int(length) if isinstance(length, int | str) and str(length).isdigit() else None,
    )


def _nested(node: Node, name: str) -> Output | None:
    raw = node.data.get(name)
    where = node.where.at(name)
    if _is_named(raw):
        named = [_output(each) for each in node.entries(name)]
        members = {output.name or "": output for output in named}
        return Output(where=where, type="object", properties=members)
    if isinstance(raw, list) and raw:
        raw, where = raw[0], where.at(0)
    return _output(Node(raw, where, node.report)) if isinstance(raw, dict) else None


def _is_named(items: object) -> bool:
    """Say whether 'items' holds the members of each element by name, as steps document them."""
    if isinstance(items, list):
        return bool(items) and all(isinstance(each, dict) and "name" in each for each in items)
    if not isinstance(items, dict) or not items:
        return False
    return all(
        isinstance(each, dict) and isinstance(each.get("type"), str) for each in items.values()
    )


# ------------------------------------------------------------------------------------ exposes


def _exposes(capability: Node) -> tuple[Adapter, ...]:
    adapters: list[Adapter] = []
    for node in capability.entries("exposes"):
        if _is_import(node, "exposes"):
            continue
        kind = _type(node)
        if kind == "rest":
            adapters.append(_adapter(node, kind, tuple(_rest_units(node))))
        elif kind == "mcp":
            adapters.append(_adapter(node, kind, tuple(_tools(node))))
        elif kind == "skill":
            adapters.append(_adapter(node, kind, ()))
        elif kind == "control":
            node.report(
                node.where.notice(
                    "I-NOT-SERVED",
                    "a control adapter is not served; what it says of 'scripting' counts",
                    "leave it: it does no harm",
                )
            )
        else:
            node.report(
                node.where.at("type").error(
                    "E-EXPOSES-TYPE",
                    f"unknown exposes type {kind!r}",
                    "use one of rest, mcp, skill, control",
                )
            )
    return tuple(adapters)


def _adapter(node: Node, kind: str, units: tuple[Unit, ...]) -> Adapter:
    resources = tuple(_mcp_resources(node)) if kind == "mcp" else ()
    prompts = tuple(_mcp_prompts(node)) if kind == "mcp" else ()
    skills = tuple(_skills(node)) if kind == "skill" else ()
    forwards = tuple(_forwards(node)) if kind == "rest" else ()
    if kind != "skill" and not (units or resources or prompts or forwards):
        needed = "resources" if kind == "rest" else "tools"
        node.report(
            node.where.error(
                "E-EXPOSES-EMPTY",
                f"this {kind} adapter exposes nothing: it has no '{needed}'",
                f"add '{needed}'",
            )
        )
    port = node.number("port")
    if port is not None and not 0 <= port <= 65535:
        node.report(
            node.where.at("port").error("E-PORT", f"port {port} does not exist", "use 1 to 65535")
        )
        port = None
    size = _max_binary_size(node)
    return Adapter(
        where=node.where,
        type=kind,
        namespace=node.text("namespace") or node.key or kind,
        port=port,
        address=node.text("address") or "",
        transport=(node.text("transport") or "http").lower(),
        description=node.text("description") or "",
        ttl_ms=_ttl_ms(node),
        cache_scope=_cache_scope(node),
        units=tuple(replace(u, max_binary_size=size) for u in units),
        resources=tuple(replace(r, unit=replace(r.unit, max_binary_size=size)) for r in resources),
        prompts=prompts,
        skills=skills,
        forwards=forwards,
        authentication=_authentication(node),
    )


def _ttl_ms(node: Node) -> int | None:
    number = node.number("ttlMs")
    if number is None or number >= 0:
        return number
    node.report(
        node.where.at("ttlMs").error(
            "E-TYPE", "'ttlMs' is less than 0", "write how many milliseconds a list may be kept"
        )
    )
    return None


def _cache_scope(node: Node) -> str:
    scope = (node.text("cacheScope") or "").strip().lower()
    if scope in ("", "public", "private"):
        return scope
    node.report(
        node.where.at("cacheScope").error(
            "E-TYPE", f"{scope!r} is no scope of a cache", "write 'public' or 'private'"
        )
    )
    return "private"


def _forwards(node: Node) -> Iterator[Forward]:
    quiet = replace(node, report=lambda _: None)  # what they say of resources is said for units
    for resource in quiet.entries("resources"):
        block = replace(resource, report=node.report).mapping("forward")
        if block is None:
            continue
        path = paths.join(resource.text("path") or "", "") or "/"
        target = (block.text("targetNamespace") or "").strip()
        problem = block.where.error(
            "E-FORWARD",
            f"the forward at {path!r} has no 'targetNamespace'",
            "add the namespace of a consumed API",
            key=True,
        )
        yield Forward(
            where=block.where,
            path=path,
            target=target,
            trusted=block.texts("trustedHeaders"),
            name=_own_name(resource),
            description=resource.text("description", "label", "display") or "",
            methods=frozenset(
                (operation.text("method") or "GET").strip().upper()
                for operation in resource.entries("operations")
                if paths.join(path, operation.text("path") or "") == path
            ),
            problem=None if target else problem,
        )


def _rest_units(node: Node) -> Iterator[Unit]:
    shared = _parameters(node)
    for resource in node.entries("resources"):
        base = resource.text("path") or ""
        for operation in resource.entries("operations"):
            path = paths.join(base, operation.text("path") or "")
            if base and base[0] not in "/?":
                node.report(
                    resource.where.at("path").warning(
                        "W-ROUTE-SLASH", f"the route {base!r} has no leading slash", "add it"
                    )
                )
            yield _unit(
                operation,
                method=(operation.text("method") or "GET").strip().upper(),
                path=path or "/",
                inherited=(*shared, *_parameters(resource)),
                named=resource,
            )


def _tools(node: Node) -> Iterator[Unit]:
    for tool in node.entries("tools"):
        yield _unit(tool)


def _mcp_resources(holder: Node) -> Iterator[McpResource]:
    for node in holder.entries("resources"):
        uri = (node.text("uri") or "").strip()
        problem: Finding | None = None
        names: tuple[str, ...] = ()
        try:
            names = variables(uri)
        except UriError as error:
            problem = node.where.at("uri").error(
                "E-RESOURCE-URI", f"the URI {uri!r} {error}", "write one such as data://ships/{imo}"
            )
        location = node.text("location")
        if location is not None and names:
            problem = node.where.at("uri").error(
                "E-RESOURCE-URI",
                f"the URI {uri!r} of a folder has variables",
                "write it without: the path of a file follows it",
            )
        own = _parameters(node)
        of_uri = tuple(
            Parameter(where=node.where.at("uri"), name=name, required=True)
            for name in dict.fromkeys(names)
            if name not in {p.name for p in own}
        )
        unit = _unit(node)
        yield McpResource(
            where=node.where,
            unit=replace(unit, name=unit.name or uri, parameters=(*own, *of_uri)),
            uri=uri,
            media_type=(node.text("mimeType") or "").strip(),
            binary=node.flag("binary") or False,
            location=location,
            problem=problem,
        )


def _mcp_prompts(holder: Node) -> Iterator[McpPrompt]:
    for node in holder.entries("prompts"):
        name = node.text("name") or node.key
        location = node.text("location")
        messages = tuple(_prompt_messages(node)) if location is None else ()
        problem: Finding | None = None
        if not name:
            problem = node.where.error("E-PROMPT", "a prompt needs a name", "add 'name'")
        elif location is None and not messages:
            problem = node.where.error(
                "E-PROMPT",
                f"the prompt {name!r} has no messages",
                "add 'template' with messages, or 'location' with a file",
            )
        yield McpPrompt(
            where=node.where,
            name=name,
            label=node.text("label", "display", "title") or "",
            description=node.text("description") or "",
            arguments=_prompt_arguments(node),
            messages=messages,
            location=location,
            problem=problem,
        )


def _prompt_messages(node: Node) -> Iterator[PromptMessage]:
    for message in node.entries("template"):
        role = (message.text("role") or "user").strip().lower()
        if role not in ("user", "assistant"):
            message.report(
                message.where.at("role").error(
                    "E-PROMPT",
                    f"nobody has the role {role!r} in a prompt: this message is left out",
                    "use 'user' or 'assistant'",
                )
            )
            continue
        yield PromptMessage(role=role, content=message.text("content") or "")


def _prompt_arguments(node: Node) -> tuple[Parameter, ...]:
    """Read the arguments of a prompt; ``required`` is true where nothing is said."""
    found: dict[str, Parameter] = {}
    for entry in node.entries("arguments"):
        parameter = _parameter(entry)
        if parameter is not None:
            label = entry.text("label", "display", "title") or ""
            needed = parameter.required is not False
            found.setdefault(parameter.name, replace(parameter, label=label, required=needed))
    return tuple(found.values())


def _unit(
    node: Node,
    *,
    method: str = "",
    path: str = "",
    inherited: tuple[Parameter, ...] = (),
    named: Node | None = None,
) -> Unit:
    clause = node.data.get("with")
    if clause is not None and not isinstance(clause, dict):
        node.report(node.where.at("with").error("E-TYPE", "'with' must be a mapping"))
        clause = None
    own = _parameters(node)
    call = node.text("call") if isinstance(node.data.get("call"), str) else None
    steps = _steps(node)
    ref = node.text("ref")
    outputs = _outputs(node)
    mock = not (call or steps or ref) and _is_mock(outputs)
    return Unit(
        where=node.where,
        name=node.text("name") or node.key or _own_name(named),
        label=node.text("label", "display", "title") or "",
        description=node.text("description") or "",
        method=method,
        path=path,
        call=call or None,
        arguments=clause or {},
        parameters=(*inherited, *own),
        outputs=outputs,
        hints=_hints(node),
        problem=None if call or steps or ref or mock else _nothing_to_run(node),
        steps=steps,
        mappings=_mappings(node),
        ref=ref,
        mock=mock,
        semantics=_semantics(node),
        responses=_responses(node) if method else (),
    )


_STATUS = re.compile(r"[1-5](?:[0-9]{2}|XX)", re.IGNORECASE).fullmatch
_FIXED = range(200, 300)
_EMPTY = frozenset({204, 205})


def _responses(node: Node) -> tuple[Response, ...]:
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
    if not _MEDIA_TYPE(media_type):
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
        if content is not None and not _MEDIA_TYPE(media_type):
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


def _own_name(node: Node | None) -> str:
    return (node.text("name") or node.key) if node else ""


def _nothing_to_run(node: Node) -> Finding:
    return node.where.error(
        "E-CALL-MISSING",
        "nothing to call: this unit has no 'call'",
        "add 'call: <namespace>.<operation>'",
    )


def _is_mock(outputs: tuple[Output, ...]) -> bool:
    return any(
        output.value is not UNSET
        or _is_mock(tuple((output.properties or {}).values()))
        or _is_mock((output.items,) if output.items else ())
        for output in outputs
    )


def _steps(node: Node) -> tuple[Step, ...]:
    return tuple(_step(step) for step in node.entries("steps"))


def _step(node: Node) -> Step:
    clause = node.data.get("with")
    kind = _type(node) or "call"
    return Step(
        where=node.where,
        name=node.text("name") or node.key,
        type=kind,
        call=node.text("call"),
        arguments=clause if isinstance(clause, dict) else {},
        index=node.text("index") or "",
        match=node.text("match") or "",
        lookup_value=node.text("lookupValue") or "",
        outputs=node.texts("outputParameters"),
        script=_script(node) if kind == "script" else None,
        tolerant=node.text("onError") == "continue",
    )


def _script(node: Node) -> Script:
    return Script(
        language=(node.text("language") or "").strip().lower(),
        location=(node.text("location") or "").strip(),
        file=(node.text("file") or "").strip(),
        dependencies=node.texts("dependencies"),
    )


def _scripting(capability: Node) -> Scripting:
    """Read how scripts run: the first control adapter says it."""
    for node in capability.entries("exposes"):
        management = node.mapping("management") if _type(node) == "control" else None
        if management is None or not management.has("scripting"):
            continue
        scripting = management.mapping("scripting")
        if scripting is None:
            break
        default = Scripting()
        return Scripting(
            where=scripting.where,
            enabled=scripting.flag("enabled"),
            default_location=(scripting.text("defaultLocation") or "").strip(),
            default_language=(scripting.text("defaultLanguage") or "").strip().lower(),
            timeout=_positive(scripting, "timeout", default.timeout),
            statement_limit=_positive(scripting, "statementLimit", default.statement_limit),
            allowed_languages=tuple(
                each.strip().lower() for each in scripting.texts("allowedLanguages")
            ),
        )
    return Scripting()


def _positive(node: Node, name: str, default: int) -> int:
    value = node.number(name)
    if value is None or value >= 1:
        return default if value is None else value
    node.report(
        node.where.at(name).error(
            "E-TYPE", f"'{name}' must be 1 or more, is {value}", f"write one such as {default}"
        )
    )
    return default


def _mappings(node: Node) -> tuple[StepMapping, ...]:
    return tuple(
        StepMapping(
            where=mapping.where,
            target=mapping.text("target", "targetName") or mapping.key,
            value=mapping.text("value") or "",
        )
        for mapping in node.entries("mappings")
    )


def _aggregates(capability: Node) -> Iterator[Aggregate]:
    for node in capability.entries("aggregates"):
        if not _is_import(node, "aggregates"):
            yield Aggregate(
                where=node.where,
                namespace=node.text("namespace") or node.key,
                flows=tuple(_unit(flow) for flow in node.entries("functions", "flows")),
            )


def _semantics(node: Node) -> Semantics:
    semantics = node.mapping("semantics")
    if semantics is None:
        return Semantics()
    return Semantics(safe=semantics.flag("safe"), idempotent=semantics.flag("idempotent"))


def _hints(node: Node) -> Hints:
    hints = node.mapping("hints")
    if hints is None:
        return Hints()
    return Hints(
        read_only=hints.flag("readOnly"),
        destructive=hints.flag("destructive"),
        idempotent=hints.flag("idempotent"),
        open_world=hints.flag("openWorld"),
    )


# ------------------------------------------------------------------------------------- skills


def _skills(holder: Node) -> Iterator[Skill]:
    for node in holder.entries("skills"):
        name = (node.text("name") or node.key).strip()
        if not name:
            node.report(node.where.error("E-SKILL-NAME", "a skill without a name", "add 'name'"))
            continue
        if node.has("call"):
            node.report(_not_called(node))
        yield Skill(
            where=node.where,
            name=name,
            description=node.text("description") or "",
            license=node.text("license") or "",
            compatibility=node.text("compatibility") or "",
            metadata=_metadata(node),
            allowed_tools=_allowed_tools(node),
            argument_hint=_hint(node),
            user_invocable=node.flag("user-invocable"),
            disable_model_invocation=node.flag("disable-model-invocation"),
            tools=tuple(_skill_tool(tool) for tool in node.entries("tools")),
            location=node.text("location"),
        )


def _not_called(node: Node) -> Finding:
    return node.where.warning(
        "W-SKILL-CALL",
        "a call inside a skill is listed but not served",
        "make it a tool of an MCP adapter, and name it with 'from'",
    )


def _metadata(node: Node) -> dict[str, str]:
    metadata = node.mapping("metadata")
    if metadata is None:
        return {}
    texts = {key: metadata.text(key) for key in metadata.data}
    return {key: text for key, text in texts.items() if text is not None}


def _hint(node: Node) -> str:
    """Read the hint; ``[order]``, as people write it without quotes, is a list to YAML."""
    written = node.raw("argument-hint")
    if isinstance(written, list) and all(isinstance(item, str) for item in written):
        return f"[{', '.join(map(str, written))}]"
    return node.text("argument-hint") or ""


def _allowed_tools(node: Node) -> tuple[str, ...]:
    """Read what Agent Skills separate by spaces and published files by commas.

    What stands in brackets belongs to its tool: ``Bash(git add:*)``.
    """
    written = node.raw("allowed-tools")
    if not isinstance(written, str):
        return node.texts("allowed-tools")
    return tuple(_ALLOWED_TOOL.findall(written))


def _skill_tool(node: Node) -> SkillTool:
    source = node.mapping("from")
    tool = SkillTool(
        where=node.where,
        name=node.text("name") or node.key,
        description=node.text("description") or "",
        source=(source.text("sourceNamespace") or "") if source else "",
        action=(source.text("action") or "") if source else "",
        instruction=node.text("instruction") or "",
        call=node.text("call") or "",
    )
    if node.has("call"):
        node.report(_not_called(node))
    return replace(tool, problem=_skill_tool_problem(node, tool))


def _skill_tool_problem(node: Node, tool: SkillTool) -> Finding | None:
    """Say why a tool is neither another adapter's nor an instruction."""
    what = fix = ""
    if not tool.name:
        what, fix = "a tool of a skill without a name", "add 'name'"
    elif node.has("from") and node.has("instruction"):
        what = f"the tool {tool.name!r} has both 'from' and 'instruction'"
        fix = "keep one of them"
    elif node.has("from") and not (tool.source and tool.action):
        what = f"'from' of the tool {tool.name!r} does not say which tool it means"
        fix = "write from: {sourceNamespace: an adapter, action: its tool or operation}"
    elif not (node.has("from") or tool.instruction or node.has("call")):
        what = f"the tool {tool.name!r} has neither 'from' nor 'instruction'"
        fix = "add 'from' with 'sourceNamespace' and 'action', or 'instruction' with a file"
    return node.where.error("E-SKILL-TOOL", what, fix) if what else None
