"""``migrate``: a document of one version of the language becomes one of another.

First everything that the other version cannot say is looked for; what is harmless is taken out and
told, anything else keeps the document as it is. Then keys get their names in the other version,
and named collections their form: each of these is a pass over the text, so that none has to know
where another has moved something.
"""

from collections.abc import Callable

import yaml
from msgspec import Struct, field
from msgspec.structs import replace

from naftiko_run.errors import DocumentError
from naftiko_run.findings import DocPath, Finding, Severity
from naftiko_run.loading.files import Source, parse, without_old_breaks
from naftiko_run.loading.migrate import forms
from naftiko_run.loading.migrate.edits import Edits
from naftiko_run.loading.migrate.language import VERSIONS, Version, features, first_with, renamed
from naftiko_run.loading.migrate.nodes import Tree, compose, end_of, pair, remove, text_of
from naftiko_run.loading.migrate.walk import Named, Record, walk
from naftiko_run.spec.reader import read as read_document


class Migrated(Struct):
    """A document in its other version; ``text`` is None where that was refused."""

    text: str | None
    findings: list[Finding] = field(default_factory=list)


def migrate(source: Source, target: Version) -> Migrated:
    """Rewrite a document; the findings say what was left out, or why nothing was written."""
    tree = _tree(source.text)
    version = _version(tree)
    if version is None:
        return Migrated(None, _not_a_document(source))
    findings = list(source.notes)
    text = _without_what_is_unknown(source, tree, version, target, findings)
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Migrated(None, findings)
    text = _pass(text, lambda tree, edits: _rename(tree, target, edits))
    if version.keyed != target.keyed:
        move, turn = (
            (forms.move_lists, forms.to_map) if target.keyed else (forms.move_maps, forms.to_list)
        )
        text = _pass(text, lambda tree, edits: _each(tree, target, move, edits))
        text = _pass(text, lambda tree, edits: _each(tree, target, turn, edits))
    problem = _problem(source, text)
    return Migrated(None, [*findings, problem]) if problem else Migrated(text, findings)


def _tree(text: str) -> Tree:
    return compose(text, without_old_breaks(text))


def _pass(text: str, change: Callable[[Tree, Edits], None]) -> str:
    edits = Edits(text)
    change(_tree(text), edits)
    return edits.apply()


def _version(tree: Tree) -> Version | None:
    """Return the version of a document; an unknown one is read as the newest of its language."""
    for language in ("naftiko", "ikanos"):
        found = pair(tree.root, language)
        if found is None:
            continue
        known = [version for version in VERSIONS if version.language == language]
        number = text_of(tree.root, language) or text_of(found[1], "version")
        return next((version for version in known if version.number == number), known[-1])
    return None


def _not_a_document(source: Source) -> list[Finding]:
    _, findings = read_document(source, source.data)
    return [finding for finding in findings if finding.severity is Severity.ERROR]


# -------------------------------------------------------------------------------------- passes


def _without_what_is_unknown(
    source: Source, tree: Tree, version: Version, target: Version, findings: list[Finding]
) -> str:
    edits = Edits(source.text)
    if tree.alias is not None:
        findings.append(_of_alias(source, tree.alias))
        return source.text
    for each in walk(tree.root):
        if isinstance(each, Record):
            _leave_out(source, tree, each, (version, target), edits, findings)
        elif version.keyed != target.keyed:
            findings.extend(_of_form(source, tree, each, target))
    return edits.apply()


def _leave_out(
    source: Source,
    tree: Tree,
    record: Record,
    versions: tuple[Version, Version],
    edits: Edits,
    findings: list[Finding],
) -> None:
    version, target = versions
    for feature in features(record):
        # What the document's own version does not have either, it says as an extension.
        if not target.level < feature.level <= version.level:
            continue
        path = (*record.path, feature.pair[0].value)
        since = first_with(feature.level)
        if feature.harmless:
            remove(tree, record.node, feature.pair, edits)
            message = f"{feature.what} is left out: {target} does not have it"
            findings.append(_told(source, path, message, "nothing else changes"))
        else:
            message = f"{target} cannot say this: {feature.what} came with {since}"
            findings.append(_refused(source, path, message, "remove it, or write it another way"))


def _of_form(source: Source, tree: Tree, named: Named, target: Version) -> list[Finding]:
    if not _turns(named, target):
        return []
    if forms.in_the_way(tree, named) is not None:
        message = "an entry here is no plain mapping: it cannot be rewritten"
        return [_refused(source, named.path, message, "write a mapping, without anchor or tag")]
    if target.keyed and forms.names(tree, named) is None:
        message = "this stays a list: not every entry has a name of its own"
        return [_told(source, named.path, message, "name them, and make it a map")]
    return []


def _turns(named: Named, target: Version) -> bool:
    """Say whether a collection is in the other language's form."""
    return isinstance(named.node, yaml.MappingNode) is not target.keyed


def _rename(tree: Tree, target: Version, edits: Edits) -> None:
    for each in walk(tree.root):
        if not isinstance(each, Record):
            continue
        for key, name in renamed(each, target):
            edits.replace(key.start_mark.index, end_of(tree.text, key), name)
        if each.kind == "root":
            _rename_root(tree, target, edits)


def _rename_root(tree: Tree, target: Version, edits: Edits) -> None:
    found = pair(tree.root, "naftiko") or pair(tree.root, "ikanos")
    assert found is not None  # noqa: S101 - its version was read
    key, value = found
    edits.replace(key.start_mark.index, end_of(tree.text, key), target.language)
    raw = tree.raw(value)
    quote = raw[0] if raw[:1] in ('"', "'") else ('"' if raw[:1] in ("{", "") else "")
    new = f"{quote}{target.number}{quote}"
    edits.replace(value.start_mark.index, end_of(tree.text, value), new if raw else f" {new}")


def _each(
    tree: Tree, target: Version, change: Callable[[Tree, Named, Edits], None], edits: Edits
) -> None:
    for each in walk(tree.root):
        if not isinstance(each, Named) or not _turns(each, target):
            continue
        if not target.keyed or forms.names(tree, each) is not None:
            change(tree, each, edits)


# ------------------------------------------------------------------------------------ findings


def _problem(source: Source, text: str) -> Finding | None:
    """Make sure that what was written is read as well as what was there."""
    try:
        result = parse(text.encode(), source.file, source.path)
    except DocumentError as error:
        return _refused(source, (), f"this document cannot be rewritten: {error}", "")
    before, after = (
        sum(f.severity is Severity.ERROR for f in read_document(each, each.data)[1])
        for each in (source, result)
    )
    if after > before:
        return _refused(source, (), "this document cannot be rewritten without a loss", "")
    return None


def _told(source: Source, path: DocPath, message: str, fix: str) -> Finding:
    return source.finding("I-MIGRATE", message, fix, path=path, severity=Severity.NOTICE, key=True)


def _of_alias(source: Source, at: int) -> Finding:
    line = source.text.count("\n", 0, at) + 1
    message = "an alias stands for what is written elsewhere: it cannot be rewritten here"
    finding = _refused(source, (), message, "write it out")
    column = at - source.text.rfind("\n", 0, at)
    return replace(finding, line=line, column=column, width=1, source_line=source.line(line))


def _refused(source: Source, path: DocPath, message: str, fix: str) -> Finding:
    return source.finding("E-MIGRATE", message, fix, path=path, key=True)
