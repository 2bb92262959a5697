"""Words for what a schema finds: ``'tags' must be a list, is a text``, and what to do about it.

The schemas help: ``x-message`` and ``x-fix`` stand where no keyword can know what was meant,
``x-form`` says in words what a pattern wants, and ``title`` names the thing.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from naftiko_run.loading.scalars import short
from naftiko_run.loading.syntax import quoted

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

_OTHER_NAMES = {
    "auth": ("authentication",),
    "baseUrl": ("baseUri",),
    "calls": ("call",),
    "display": ("label",),
    "flows": ("functions",),
    "from": ("location",),
    "functions": ("flows",),
    "label": ("display",),
    "location": ("from",),
    "operation": ("call",),
    "parameters": ("inputParameters",),
    "target": ("targetName",),
    "targetName": ("target",),
    "title": ("label", "display"),
    "url": ("baseUri",),
}
"""What the same thing is called in another version, another language, or elsewhere in the file."""

_KINDS = {
    "string": "a string",
    "object": "a mapping",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_YAML_1_1 = {"yes": "true", "on": "true", "no": "false", "off": "false"}

Facts = Mapping[str, Any]
Words = tuple[str, str]
"""What is wrong, and what to do."""


def violation(error: "ValidationError", around: Facts, title: str, what: str) -> Words:
    """Say what an error means.

    ``around`` is the schema that holds the keyword that failed, ``title`` the thing it is about,
    and ``what`` names the value.
    """
    if "x-message" in around:
        return around["x-message"], around.get("x-fix", "")
    keyword, facts = error.kind.name, error.kind.as_dict()
    if keyword == "required":
        return f"{title} needs '{facts['property']}'", f"add '{facts['property']}'"
    if keyword == "propertyNames":
        inner: ValidationError = facts["error"]
        return violation(inner, around, title, "a key")
    if keyword not in _WANTED:
        return f"{what} does not fit the language", "compare it with the documentation"
    wanted, fix = _WANTED[keyword](error.instance, facts, around)
    return f"{what} must be {wanted}, is {shown(error.instance)}", fix


def unknown_key(key: str, known: Iterable[str]) -> Words:
    """Say that a closed mapping does not know a key, and what was probably meant."""
    near = _near(key, known)
    if near:
        message = f"unknown key '{short(key)}'; did you mean '{near}'?"
        return message, f"write '{near}', or remove it"
    return f"unknown key '{short(key)}'", f"remove it; known are {_listed(list(known), 'and')}"


def other_version(key: str, version: str) -> Words:
    """Say that another version of the language has a key, this one not."""
    message = f"the key '{key}' belongs to {version}, not to this version of the language"
    return message, f"write '{version}' as the document's version, or remove the key"


def shown(value: object) -> str:
    """Show a value in a message: a scalar as it is, a collection by its kind."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        kind = _KINDS["object" if isinstance(value, dict) else "array"]
        return kind if value else f"an empty {kind[2:]}"
    return f"'{short(value)}'" if isinstance(value, str) else short(str(value))


def _near(word: str, known: Iterable[str]) -> str:
    """Return what was probably meant, ``""`` if nothing is near enough."""
    names = list(known)
    if other := [name for name in _OTHER_NAMES.get(word, ()) if name in names]:
        return other[0]
    plain = {_plain(name): name for name in names}
    found = get_close_matches(_plain(word[:60]), plain, n=1, cutoff=0.75)
    return plain[found[0]] if found else ""


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _listed(words: list[str], conjunction: str) -> str:
    """Join words for reading: ``a, b and c``."""
    if len(words) > 1:
        return f"{', '.join(words[:-1])} {conjunction} {words[-1]}"
    return words[0] if words else "none"


def _type(value: object, facts: Facts, _: Facts) -> Words:
    wanted = _listed([_KINDS[kind] for kind in facts["types"]], "or")
    return wanted, _type_fix(value, facts["types"]) or f"write {wanted}"


def _type_fix(value: object, types: list[str]) -> str:
    if value is None:
        return "give it a value, or remove the key"
    if "string" in types and not isinstance(value, list | dict):
        return f"quote it: {quoted(shown(value))}"
    if "string" in types and isinstance(value, dict) and list(value.values()) == [None]:
        return f"quote it: {quoted('{' + next(iter(value)) + '}')}"
    if "array" in types and isinstance(value, dict):
        return "write each entry as an item of a list: '- name: …'"
    if "object" in types and isinstance(value, list):
        return "write each entry under its name: 'name: …'"
    if "boolean" in types and isinstance(value, str) and value.lower() in _YAML_1_1:
        return f"write {_YAML_1_1[value.lower()]}"
    if isinstance(value, str) and value.isdecimal():
        return "remove the quotes"
    return ""


def _choice(value: object, facts: Facts, around: Facts) -> Words:
    options = [str(option) for option in facts.get("options") or [facts["expected_value"]]]
    near = _near(value, options) if isinstance(value, str) else ""
    if len(options) == 1:
        return around.get("x-form", f"'{options[0]}'"), f"write '{options[0]}'"
    return f"one of {_listed(options, 'and')}", f"write '{near}'" if near else "choose one of them"


def _pattern(_: object, facts: Facts, around: Facts) -> Words:
    form = around.get("x-form", f"a text that matches {facts['pattern']}")
    return form, f"write a name {form}" if form.startswith("made of") else f"write {form}"


def _range(_: object, __: Facts, around: Facts) -> Words:
    low, high = around.get("minimum"), around.get("maximum")
    if low is not None and high is not None:
        return f"from {low} to {high}", "choose a number in that range"
    return f"at least {low}" if high is None else f"at most {high}", "choose another number"


def _entries(_: object, facts: Facts, __: Facts) -> Words:
    count = facts["limit"]
    wanted = "a list with an entry" if count == 1 else f"a list with {count} entries"
    return wanted, "add an entry, or remove the key"


def _members(_: object, __: Facts, ___: Facts) -> Words:
    return "a mapping with an entry", "add an entry, or remove the key"


def _length(_: object, facts: Facts, __: Facts) -> Words:
    return f"at most {facts['limit']:,} characters long", "shorten it"


_WANTED: Mapping[str, Callable[[object, Facts, Facts], Words]] = {
    "type": _type,
    "enum": _choice,
    "const": _choice,
    "pattern": _pattern,
    "minimum": _range,
    "maximum": _range,
    "minItems": _entries,
    "minProperties": _members,
    "maxLength": _length,
}
"""What a keyword wants, and what to do; given the value, the error's facts, the schema around."""
