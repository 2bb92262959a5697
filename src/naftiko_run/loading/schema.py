"""The JSON Schemas of the language, and what their violations mean in sentences for people.

A version has a document in ``schema/``: a whole schema, or its differences from another as a JSON
Patch (RFC 6902: add, remove, replace). ``published.json`` is such a difference too: the table of
the deviations of published files that this runtime gives a meaning to, each with its rule; for the
keyed maps of ikanos there is ``published-ikanos.json``.
So one file says what is allowed strictly, and one what is allowed in practice.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from naftiko_run.findings import DocPath, Finding, Severity
from naftiko_run.loading import wording
from naftiko_run.loading.files import Source
from naftiko_run.loading.scalars import short
from naftiko_run.spec.reader import KNOWN_VERSIONS

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

VERSIONS = KNOWN_VERSIONS
"""The languages that have schemas, by the root key that names them, and their versions."""

_NEAREST = {"naftiko": "naftiko-1.0.0-alpha2", "ikanos": "ikanos-1.0.0-beta5"}
_PUBLISHED = {"naftiko": "published", "ikanos": "published-ikanos"}
_MOST_FINDINGS = 200
_LARGE = 1_000_000
_BEGINNING = 30_000


def document(name: str) -> dict[str, Any]:
    """Return a schema as a whole: ``naftiko-1.0.0-alpha2``, or ``published``."""
    schema: dict[str, Any] = json.loads(_text(name))
    if "base" not in schema:
        return schema
    whole = document(schema["base"])
    for change in schema["changes"]:
        _apply(whole, change)
    return whole


def check(source: Source, *, strict: bool) -> list[Finding]:
    """Compare a document with the schema of its language.

    Strictly, each violation is an error. Otherwise published deviations are accepted, and what is
    left are warnings, equal ones once with their number. The codes are the same: W-KEY-UNKNOWN and
    W-SCHEMA. A document that names no language with a schema is left to the reader.
    """
    data = source.data
    if not isinstance(data, dict):
        return []
    language = next((key for key in VERSIONS if key in data), None)
    if language is None:
        return []
    compiled = _compiled(_schema_name(language, data[language], strict=strict))
    if compiled.validator.is_valid(data):
        return []
    violations = compiled.violations(data, large=len(source.text) > _LARGE)
    counted = _each(violations) if strict else _grouped(violations)
    return _findings(source, counted, strict=strict)


def unless_told(findings: Iterable[Finding], others: Iterable[Finding]) -> list[Finding]:
    """Return the findings of this module about places that no other finding is about."""
    told = {(finding.file, finding.path) for finding in others}
    return [finding for finding in findings if (finding.file, finding.path) not in told]


def _schema_name(language: str, version: object, *, strict: bool) -> str:
    if not strict:
        return _PUBLISHED[language]
    return f"{language}-{version}" if version in VERSIONS[language] else _NEAREST[language]


def _text(name: str) -> str:
    return (Path(__file__).with_name("schema") / f"{name}.json").read_text(encoding="utf-8")


def _apply(schema: Any, change: Mapping[str, Any]) -> None:  # noqa: ANN401 - any JSON
    *parents, last = change["path"].split("/")[1:]
    for part in parents:
        schema = schema[int(part) if isinstance(schema, list) else part]
    if isinstance(schema, list) and last == "-":
        schema.append(change["value"])
        return
    key = int(last) if isinstance(schema, list) else last
    if change["op"] != "add":
        _ = schema[key]  # a change to what is not there is a mistake in the table
    if change["op"] == "remove":
        del schema[key]
    else:
        schema[key] = change["value"]


class _Violation(Struct, frozen=True):
    """One thing that breaks the schema; words are found for it only if it is reported."""

    path: DocPath
    error: "ValidationError"
    compiled: "_Compiled"
    unknown: str | None = None
    """The key that is not known, if that is the matter."""

    @property
    def kind(self) -> tuple[object, ...]:
        """What equal mistakes have in common."""
        keyword = self.error.kind.name
        if self.unknown is not None or keyword == "propertyNames":
            about: object = self.path[-1]
        elif keyword == "required":
            about = self.error.kind.as_dict()["property"]
        else:
            about = wording.shown(self.error.instance)
        return (*self.error.schema_path, about)

    @property
    def at_key(self) -> bool:
        """Whether the key shows the mistake better than the value does."""
        keyword = self.error.kind.name
        if self.unknown is not None or self.error.instance is None or keyword == "propertyNames":
            return True
        # What is missing in a mapping is best shown at the mapping's name.
        return keyword in ("required", "not") and isinstance((self.path or (0,))[-1], str)

    def words(self) -> tuple[str, str]:
        """Say what is wrong, and what to do."""
        around, title = self.compiled.around(self.error.schema_path)
        if self.unknown is None:
            last = self.path[-1] if self.path else 0
            what = f"'{short(last)}'" if isinstance(last, str) else "an entry"
            return wording.violation(self.error, around, title, what)
        place = self.error.schema_path
        if version := self.compiled.version_with(self.unknown, place):
            return wording.other_version(self.unknown, version)
        # What published files write beside the language is read, but nothing to recommend.
        known = self.compiled.elsewhere(self.compiled.nearest, place)
        return wording.unknown_key(self.unknown, known or around.get("properties", {}))


class _Compiled(Struct, frozen=True):
    name: str
    nearest: str
    """The strict schema that is nearest to this one."""
    schema: dict[str, Any]
    validator: "Draft202012Validator"

    def violations(self, data: object, *, large: bool) -> Iterator[_Violation]:
        """Find all violations; of a large document, those of its beginning if it has any.

        The validator makes all its errors before it gives the first, 3 KB each.
        """
        errors = self.validator.iter_errors(_beginning(data, [_BEGINNING]) if large else data)
        found = [self._read(error) for error in errors]
        if large and not found:
            found = [self._read(error) for error in self.validator.iter_errors(data)]
        return (violation for each in found for violation in each)

    def _read(self, error: "ValidationError") -> Iterator[_Violation]:
        path: DocPath = tuple(error.instance_path)
        facts = error.kind.as_dict()
        if error.kind.name == "additionalProperties":
            for key in facts["unexpected"]:
                yield _Violation((*path, key), error, self, key)
        elif error.kind.name == "propertyNames":
            yield _Violation((*path, str(facts["error"].instance)), error, self)
        else:
            yield _Violation(path, error, self)

    def elsewhere(self, name: str, schema_path: Iterable[str | int]) -> Mapping[str, Any]:
        """Return the properties that another schema has at a place of this one."""
        try:
            around, _ = _compiled(name).around(schema_path)
        except (LookupError, TypeError):  # it has no such place
            return {}
        properties: Mapping[str, Any] = around.get("properties", {})
        return properties

    def version_with(self, key: str, schema_path: list[str | int]) -> str | None:
        """Return another version of the language that knows a key at this place."""
        language, _, own = self.name.partition("-")
        for version in VERSIONS.get(language, ()) if own else ():
            if key in self.elsewhere(f"{language}-{version}", schema_path):
                return version
        return None

    def around(self, schema_path: Iterable[str | int]) -> tuple[Mapping[str, Any], str]:
        """Return the schema that holds the failing keyword, and the nearest title above it."""
        at: Any = self.schema
        around, title = at, at["title"]
        for part in list(schema_path)[:-1]:
            at = at[part]
            if isinstance(at, dict):
                around = at
                title = at["title"] if isinstance(at.get("title"), str) else title
        return around, title


@cache
def _compiled(name: str) -> _Compiled:
    from jsonschema_rs import Draft202012Validator  # noqa: PLC0415 - --help needs none of it

    schema = document(name)
    nearest = next((_NEAREST[each] for each in VERSIONS if name == _PUBLISHED[each]), name)
    return _Compiled(name, nearest, schema, Draft202012Validator(schema, mask="it", offline=True))


def _beginning(value: Any, room: list[int]) -> Any:  # noqa: ANN401 - any JSON
    """Copy a value up to a number of scalars: what comes later is missing from lists."""
    if isinstance(value, dict):
        return {key: _beginning(item, room) for key, item in islice(value.items(), 2000)}
    if isinstance(value, list):
        kept = []
        for item in value:
            kept.append(_beginning(item, room))
            if room[0] <= 0:
                break
        return kept
    room[0] -= 1
    return value


def _each(violations: Iterable[_Violation]) -> list[tuple[_Violation, int]]:
    return [(violation, 1) for violation in violations]


def _grouped(violations: Iterable[_Violation]) -> list[tuple[_Violation, int]]:
    """Take equal mistakes together: the first of them, and how many there are."""
    groups: dict[tuple[object, ...], tuple[_Violation, int]] = {}
    for violation in violations:
        first, count = groups.get(violation.kind, (violation, 0))
        groups[violation.kind] = first, count + 1
    return list(groups.values())


def _findings(
    source: Source, counted: list[tuple[_Violation, int]], *, strict: bool
) -> list[Finding]:
    severity = Severity.ERROR if strict else Severity.WARNING
    found: dict[Finding, None] = {}  # branches of a schema may say the same twice
    for violation, count in counted[:_MOST_FINDINGS]:
        message, fix = violation.words()
        if count > 1:
            message += f" (and in {count - 1:,} other place{'s' if count > 2 else ''})"
        code = "W-SCHEMA" if violation.unknown is None else "W-KEY-UNKNOWN"
        finding = source.finding(
            code,
            message,
            fix,
            path=violation.path,
            severity=severity,
            key=violation.at_key,
        )
        found[finding] = None
    if len(counted) > _MOST_FINDINGS:
        message = f"{len(counted) - _MOST_FINDINGS:,} more places do not fit the language"
        fix = "mend those above first"
        found[source.finding("W-SCHEMA", message, fix, severity=severity)] = None
    return list(found)
