"""From raw values to records: every version of the language and the published dialect.

Lists and keyed maps, renamed keys and the dialect's aliases meet in this room's readers and nowhere
else. This one reads the root; each part below it has a module named after it. Each function reads
one kind of record; what cannot be read is reported and left out, and reading goes on, so that one
run shows everything.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from naftiko_run.findings import Finding
from naftiko_run.spec.aggregates import read_aggregates
from naftiko_run.spec.binds import read_binds
from naftiko_run.spec.consumed import read_consumes, read_consumes_block
from naftiko_run.spec.document import Document, Info, Shared, SourceFile, Where
from naftiko_run.spec.exposed import read_exposes
from naftiko_run.spec.imports import is_import, read_imports
from naftiko_run.spec.node import Node
from naftiko_run.spec.scripting import read_scripting

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
    consumes, imports = read_consumes(root, capability)
    imports += tuple(entry for key in SECTIONS[1:] for entry in read_imports(capability, key))
    imports += tuple(read_imports(root, "binds"))
    adapters = read_exposes(capability)
    if _exposes_nothing(capability):
        findings.append(_no_exposes(capability))
        return None, findings
    document = Document(
        where=where,
        language=language,
        version=version,
        info=_info(root, source),
        binds=(*read_binds(root), *read_binds(capability)),
        consumes=consumes,
        imports=imports,
        adapters=adapters,
        aggregates=tuple(read_aggregates(capability)),
        scripting=read_scripting(capability),
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
    binds = (*read_binds(root), *(read_binds(capability) if capability else ()))
    nested = tuple(read_imports(replace(holder, report=lambda _: None), section))
    if section == "consumes":
        blocks = (read_consumes_block(n) for n in holder.entries(section) if not is_import(n))
        consumes = tuple(replace(block, variables=binds) for block in blocks)
        return Shared(consumes=consumes, binds=binds, nested=nested), findings
    if section == "exposes":
        shared = Shared(adapters=read_exposes(holder), binds=binds, nested=nested)
        return shared, findings
    if section == "aggregates":
        shared = Shared(aggregates=tuple(read_aggregates(holder)), binds=binds, nested=nested)
        return shared, findings
    return Shared(binds=read_binds(holder), nested=nested), findings


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
