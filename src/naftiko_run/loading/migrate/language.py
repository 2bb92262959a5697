"""What each version of the language can say, and what the same thing is called in each."""

from collections.abc import Iterator, Mapping

import yaml
from msgspec import Struct

from naftiko_run.loading.migrate.nodes import Pair, pair, pairs, text_of
from naftiko_run.loading.migrate.walk import Record
from naftiko_run.spec.reader import KNOWN_VERSIONS


class Version(Struct, frozen=True):
    """A version of one of the languages."""

    language: str
    number: str

    def __str__(self) -> str:
        """Read as people write it."""
        return f"{self.language} {self.number}"

    @property
    def level(self) -> int:
        """How much it can say: equal for versions that differ in their names alone."""
        return _LEVELS[self.language, self.number]

    @property
    def keyed(self) -> bool:
        """Whether named things are maps."""
        return self.language == "ikanos"


_LEVELS: Mapping[tuple[str, str], int] = {
    ("naftiko", "1.0.0-alpha1"): 1,
    ("naftiko", "1.0.0-alpha2"): 2,
    ("naftiko", "1.0.0-alpha3"): 2,
    ("ikanos", "1.0.0-alpha3"): 3,
    ("ikanos", "1.0.0-alpha4"): 3,
    ("ikanos", "1.0.0-beta1"): 4,
    ("ikanos", "1.0.0-beta2"): 4,
    ("ikanos", "1.0.0-beta3"): 4,
    ("ikanos", "1.0.0-beta4"): 5,
    ("ikanos", "1.0.0-beta5"): 5,
}
VERSIONS = tuple(
    Version(name, number) for name, known in KNOWN_VERSIONS.items() for number in known
)
"""All versions, older ones of a language first."""


def versions(text: str) -> list[Version]:
    """Return the versions that a text may mean: ``ikanos 1.0.0-beta5``, ``beta5``, ``alpha3``."""
    plain = text.strip().lower().replace(":", " ").replace("/", " ").replace("@", " ")
    for language in KNOWN_VERSIONS:
        if plain.startswith(language):
            number = plain[len(language) :].strip(" -=")
            return [v for v in VERSIONS if v.language == language and _means(number, v)]
    return [v for v in VERSIONS if _means(plain, v)]


def _means(number: str, version: Version) -> bool:
    return number in (version.number, version.number.removeprefix("1.0.0-"))


def first_with(level: int) -> Version:
    """Return the first version that reaches a level."""
    return next(version for version in VERSIONS if version.level == level)


# ------------------------------------------------------------------------------- what came when


class Feature(Struct, frozen=True):
    """Something that a document says, the level that has it, and whether it can be left out."""

    level: int
    pair: Pair
    what: str
    harmless: bool = False


_TAGGED = ("resource", "operation", "rest resource", "rest operation", "tool", "flow")
# Published files of naftiko 1.0.0-alpha1 have 'hints': they stay.
_KEYS: Mapping[tuple[str, str], tuple[int, bool]] = {
    ("capability", "aggregates"): (2, False),
    ("import", "description"): (2, True),
    ("operation", "outputSchema"): (2, False),
    ("mcp", "authentication"): (2, False),
    ("tool", "ref"): (2, False),
    ("rest operation", "ref"): (2, False),
    ("mcp resource", "ref"): (2, False),
    ("root", "exposes"): (3, False),
    ("root", "aggregates"): (3, False),
    ("api", "tunnel"): (3, False),
    **{(kind, "tags"): (3, True) for kind in _TAGGED},
    ("operation", "outputMediaType"): (4, True),
    ("operation", "maxBinarySize"): (4, True),
    ("rest", "maxBinarySize"): (4, True),
    ("mcp", "maxBinarySize"): (4, True),
    ("flow", "outputMediaType"): (4, True),
    ("mcp resource", "binary"): (4, True),
    ("rest operation", "responses"): (4, True),
    ("rest operation", "responseBinary"): (4, False),
    ("info", "version"): (5, True),
    ("mcp", "ttlMs"): (5, True),
    ("mcp", "cacheScope"): (5, True),
}
_VALUES: Mapping[tuple[str, str], Mapping[str, int]] = {
    ("adapter", "type"): {"control": 2},
    ("control", "type"): {"control": 2},
    ("authentication", "type"): {"oauth2": 2},
    ("step", "type"): {"script": 2},
    ("operation", "outputRawFormat"): {
        **dict.fromkeys(("tsv", "psv", "html", "markdown"), 2),
        "binary": 4,
    },
}
_MODES = frozenset({"call", "steps", "ref", "location"})


def features(record: Record) -> Iterator[Feature]:
    """Find what a record says that not every version of the language can say."""
    for key, value in pairs(record.node):
        if (known := _KEYS.get((record.kind, key.value))) is not None:
            yield Feature(known[0], (key, value), f"'{key.value}'", known[1])
        levels = _VALUES.get((record.kind, key.value), {})
        if isinstance(value, yaml.ScalarNode) and (
            level := levels.get(value.value.strip().lower())
        ):
            yield Feature(level, (key, value), f"'{key.value}: {value.value}'")
    if record.kind.startswith("import of "):
        section = {"adapter": "exposes"}.get(record.kind[10:], f"{record.kind[10:]}s")
        yield Feature(3, record.node.value[0], f"an import in '{section}'")
    target = pair(record.node, "target", "targetName") if record.kind == "mapping" else None
    if target is not None and "." in target[1].value:
        yield Feature(2, target, "a target with dots")
    if record.kind in ("tool", "flow", "mcp resource") and (mock := _mock(record.node)):
        yield Feature(2, mock, "a mock")
    if record.kind == "root" and pair(record.node, "capability") is None:
        shared = pair(record.node, "binds")
        if shared is not None and pair(record.node, "consumes") is None:
            yield Feature(3, shared, "a file that shares 'binds' alone")


def _mock(unit: yaml.Node) -> Pair | None:
    if any(key.value in _MODES for key, _ in pairs(unit)):
        return None
    return pair(unit, "outputParameters")


# ------------------------------------------------------------------------------- what is called how

_LABELLED = frozenset(
    {
        "info",
        "resource",
        "operation",
        "rest resource",
        "rest operation",
        "tool",
        "mcp resource",
        "prompt",
        "argument",
        "aggregate",
    }
)


def renamed(record: Record, target: Version) -> Iterator[tuple[yaml.Node, str]]:
    """Give the keys of a record that are called otherwise in a version, with their names there."""
    for old, new in _names(record.kind, target):
        found = pair(record.node, old)
        if found is not None and pair(record.node, new) is None:
            yield found[0], new
    if record.kind == "output" and not text_of(record.node, "mapping"):
        old, new = ("value", "const") if target.level == 1 else ("const", "value")
        found = pair(record.node, old)
        if found is not None and pair(record.node, new) is None:
            yield found[0], new


def _names(kind: str, target: Version) -> Iterator[tuple[str, str]]:
    both = []
    if kind in _LABELLED:
        both.append(("label", "display"))
    if kind == "aggregate":
        both.append(("functions", "flows"))
    if kind == "mapping":
        both.append(("targetName", "target"))
    if kind.startswith("import"):
        both.append(("location", "from"))
    for naftiko, ikanos in both:
        yield (naftiko, ikanos) if target.keyed else (ikanos, naftiko)
