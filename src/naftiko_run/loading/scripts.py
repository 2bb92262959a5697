"""The files of script steps: what they name is read when the document is loaded.

A location is a folder, ``file:///./scripts`` counts from the folder of the file that says so; the
script and its dependencies lie in it, symlinks included. Reference: the language's section on
script steps.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from naftiko_run.findings import Finding
from naftiko_run.loading.files import content_of
from naftiko_run.loading.locations import path_of, reason
from naftiko_run.spec.document import (
    Adapter,
    Aggregate,
    Document,
    Script,
    Scripting,
    Step,
    Unit,
    Where,
)

MOST_BYTES: Final = 1024 * 1024
"""How large a file of a script may be."""
MOST_FILES: Final = 100
"""How many dependencies a script may have."""
SWITCHES: Final = ("NAFTIKO_SCRIPTING", "IKANOS_SCRIPTING")
"""The variables that switch scripts off, where a document says nothing of it."""
LANGUAGES: Final = ("javascript", "python")

_SEGMENT = re.compile(r"[a-zA-Z0-9._-]+").fullmatch
_NO = frozenset({"false", "0", "no", "off"})

ReadBytes = Callable[[Path, int], bytes]


class _Refused(Exception):
    """Why a script cannot run."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def resolve(
    document: Document, environ: Mapping[str, str], read_bytes: ReadBytes = content_of
) -> tuple[Document, tuple[Path, ...]]:
    """Read the files that script steps name; the second are those that were looked for."""
    files: dict[Path, None] = {}
    scripting = document.scripting
    off = _switched_off(scripting, environ)

    def step(written: Step) -> Step:
        if written.script is None:
            return written
        try:
            script = _read(written, written.script, scripting, off, files, read_bytes)
        except _Refused as refused:
            script = replace(written.script, problem=refused.finding)
        return replace(written, script=script)

    def unit(written: Unit) -> Unit:
        if not any(each.script for each in written.steps):
            return written
        return replace(written, steps=tuple(map(step, written.steps)))

    def units(written: Iterable[Unit]) -> tuple[Unit, ...]:
        return tuple(map(unit, written))

    def adapter(written: Adapter) -> Adapter:
        resources = (replace(each, unit=unit(each.unit)) for each in written.resources)
        return replace(written, units=units(written.units), resources=tuple(resources))

    def aggregate(written: Aggregate) -> Aggregate:
        return replace(written, flows=units(written.flows))

    resolved = replace(
        document,
        adapters=tuple(map(adapter, document.adapters)),
        aggregates=tuple(map(aggregate, document.aggregates)),
    )
    return resolved, tuple(files)


def _switched_off(scripting: Scripting, environ: Mapping[str, str]) -> str:
    """Say what switches scripts off, if anything; what a document says goes before a variable."""
    if scripting.enabled is not None:
        return "" if scripting.enabled else "'management.scripting.enabled: false'"
    for name in SWITCHES:
        if environ.get(name, "").strip().lower() in _NO:
            return f"{name}={environ[name].strip()}"
    return ""


def _read(
    step: Step,
    script: Script,
    scripting: Scripting,
    off: str,
    files: dict[Path, None],
    read_bytes: ReadBytes,
) -> Script:
    where = step.where
    if off:
        raise _Refused(
            where.at("type").error(
                "E-SCRIPT-OFF", f"scripts are switched off by {off}", "switch them on to serve this"
            )
        )
    language = _language(where, script, scripting)
    folder = _folder(where, script, scripting)
    if not script.file:
        what = f"the script step {step.name!r} has no file"
        raise _Refused(where.error("E-SCRIPT-FILE", what, "add 'file'"))
    if len(script.dependencies) > MOST_FILES:
        what = f"more than {MOST_FILES} dependencies"
        raise _Refused(where.at("dependencies").error("E-SCRIPT-FILE", what, "join some of them"))
    named = [(where.at("dependencies", n), name) for n, name in enumerate(script.dependencies)]
    texts = [
        (name, _text(place, folder, name, files, read_bytes))
        for place, name in (*named, (where.at("file"), script.file))
    ]
    return replace(script, language=language, texts=tuple(texts))


def _language(where: Where, script: Script, scripting: Scripting) -> str:
    language = script.language or scripting.default_language
    place = where.at("language") if script.language else where
    if not script.language and scripting.default_language and scripting.where is not None:
        place = scripting.where.at("defaultLanguage")
    if not language:
        raise _Refused(
            place.error(
                "E-SCRIPT-LANGUAGE",
                "the script has no language",
                "add 'language: javascript' or 'language: python'",
            )
        )
    allowed = scripting.allowed_languages
    if allowed and language not in allowed:
        raise _Refused(
            place.error(
                "E-SCRIPT-LANGUAGE",
                f"{language!r} is not in the allowed languages ({', '.join(allowed)})",
                "use one of them, or add it to 'management.scripting.allowedLanguages'",
            )
        )
    if language == "groovy":
        raise _Refused(
            place.error(
                "E-SCRIPT-LANGUAGE",
                "Groovy is a language of the Java virtual machine, and there is none here",
                "write the script in JavaScript or Python",
            )
        )
    if language not in LANGUAGES:
        raise _Refused(
            place.error(
                "E-SCRIPT-LANGUAGE",
                f"there are no scripts in {language!r}",
                f"use one of {', '.join(LANGUAGES)}",
            )
        )
    return language


def _folder(where: Where, script: Script, scripting: Scripting) -> Path:
    """Return the folder of a script, its links followed."""
    place, location = where.at("location"), script.location
    if not location and scripting.default_location and scripting.where is not None:
        place, location = scripting.where.at("defaultLocation"), scripting.default_location
    if not location:
        raise _Refused(
            where.error(
                "E-SCRIPT-FILE",
                "the script has no location",
                "add 'location: file:///./scripts', the folder that 'file' lies in",
            )
        )
    path = path_of(location, place)
    if path is None:
        raise _Refused(
            place.error(
                "E-SCRIPT-FILE",
                f"{location!r} is no folder of this machine",
                "write file:///./name, or file:/// and an absolute path",
            )
        )
    try:
        found = path.resolve(strict=True)
        if not found.is_dir():
            raise NotADirectoryError(0, "it is not a folder")
    except (OSError, ValueError, RuntimeError) as error:
        what = f"the folder {location!r} cannot be read: {reason(error)}"
        raise _Refused(place.error("E-SCRIPT-FILE", what, "check the name")) from None
    return found


def _text(
    place: Where, folder: Path, name: str, files: dict[Path, None], read_bytes: ReadBytes
) -> str:
    segments = name.split("/")
    if not all(_SEGMENT(segment) and segment not in (".", "..") for segment in segments):
        raise _Refused(
            place.error(
                "E-SCRIPT-PATH",
                f"{name!r} is no path inside the folder of scripts",
                "write names of letters, digits, '.', '_' and '-', with '/' between them",
            )
        )
    try:
        # Whoever watches hears of a file also when it comes later.
        files[folder.joinpath(*segments)] = None
        found = folder.joinpath(*segments).resolve(strict=True)
        if not found.is_relative_to(folder):
            what = f"{name!r} leads out of the folder of scripts"
            raise _Refused(place.error("E-SCRIPT-PATH", what, "put the file itself there"))
        files[found] = None
        return read_bytes(found, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        what = f"the file {name!r} is not UTF-8"
        raise _Refused(place.error("E-SCRIPT-FILE", what, "save it so")) from None
    except (OSError, ValueError, RuntimeError) as error:
        what = f"the file {name!r} cannot be read: {reason(error)}"
        raise _Refused(place.error("E-SCRIPT-FILE", what, "check the name")) from None
