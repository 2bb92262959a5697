"""Variables: where each declared name gets its value from.

``--var`` first, then ``--env-file``, then the bind's own source: the environment, or a JSON, YAML
or ``.env`` file below ``file://``. A variable without value is a notice; only calls that need it
fail. Values never reach a finding.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from naftiko_run.findings import Finding
from naftiko_run.loading.files import Source, content_of
from naftiko_run.spec.document import Bind
from naftiko_run.types import Binds

MOST_BYTES = 1024 * 1024
ReadText = Callable[[Path], str]
"""Reads a small text file; raises OSError or ValueError."""


def resolve(
    binds: Iterable[Bind],
    folder: Path,
    *,
    given: Mapping[str, str],
    environ: Mapping[str, str],
    read_text: ReadText = lambda path: content_of(path, MOST_BYTES).decode(),
) -> tuple[Binds, list[Finding]]:
    """Resolve declared variables; ``given`` are those of the command line and its files.

    A bind's file is looked for beside the file that declares it, then in ``folder``.
    """
    declared: dict[str, str | None] = {}
    unset: dict[str, Finding] = {}
    findings: list[Finding] = []
    for bind in binds:
        source = environ
        if bind.location is not None:
            written_in = bind.where.source
            home = written_in.path.parent if isinstance(written_in, Source) else folder
            source, problems = _file(bind, [home, folder], read_text)
            findings.extend(problems)
        for name, key in bind.keys.items():
            value = _usable(given.get(name, given.get(key, source.get(key))))
            for known in (name, f"{bind.namespace}.{name}"):
                # Several binds may declare one name: the first that has a value counts.
                if declared.get(known) is None:
                    declared[known] = value
            unset.setdefault(name, _unset(bind, name, key))
    findings += [finding for name, finding in unset.items() if declared[name] is None]
    others = {name: _usable(value) or "" for name, value in {**environ, **given}.items()}
    return Binds(declared, others), findings


def _usable(value: str | None) -> str | None:
    """Take off the line end that a file leaves, and bytes of the environment that are no text."""
    if value is None:
        return None
    return value.rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _unset(bind: Bind, name: str, key: str) -> Finding:
    place = f"the file {bind.location}" if bind.location else "the environment"
    return bind.where.at("keys", name).notice(
        "I-VAR-UNSET",
        f"variable {name!r} has no value: calls that need it are answered with 503",
        f"set {key} in {place}, or start with --var {name}=VALUE",
    )


def _file(
    bind: Bind, folders: Sequence[Path], read_text: ReadText
) -> tuple[Mapping[str, str], list[Finding]]:
    location = bind.location or ""
    where = bind.where.at("location")
    if not location.startswith("file://"):
        scheme = location.partition(":")[0]
        message = f"variables from {scheme!r} are not supported"
        return {}, [where.warning("W-BIND-LOCATION", message, "use file:// or the environment")]
    # file:///./x and file://./x are both relative, as the language has it.
    relative = re.sub(r"^/(?=\.\.?/)", "", location.removeprefix("file://"))
    for path in dict.fromkeys(folder / relative for folder in folders):
        try:
            return parse_variables(read_text(path), path.suffix), []
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            # The reason may quote the file's content, which is secret.
            message = f"{location!r} cannot be read as variables"
            return {}, [where.warning("W-BIND-FILE", message, "write a flat map of names to texts")]
    return {}, [where.warning("W-BIND-FILE", f"no file {location!r}", "create it")]


def parse_variables(text: str, suffix: str = ".env") -> dict[str, str]:
    """Read variables from a text: YAML, JSON, or lines of ``NAME=VALUE``.

    Raises:
        ValueError: it is not a flat map of names to texts.
    """
    if suffix in (".yaml", ".yml"):
        return _flat(yaml.load(text, Loader=yaml.BaseLoader) or {})  # noqa: S506 - texts alone
    if suffix == ".json" or text.lstrip().startswith("{"):
        return _flat(json.loads(text))
    return dict(_env_lines(text))


def _flat(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("not a map")  # noqa: TRY004 - the text is wrong, not a type of ours
    return {
        str(k): v if isinstance(v, str) else _scalar(v)
        for k, v in value.items()
        if isinstance(v, str | int | float)
    }


def _scalar(value: float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _env_lines(text: str) -> Iterable[tuple[str, str]]:
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"line {number} is not NAME=VALUE")
        yield name.strip(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    quoted = re.fullmatch(r"""(["'])(.*?)\1\s*(?:#.*)?""", value)
    if quoted is None:
        return value.partition(" #")[0].rstrip()
    return quoted[2].replace("\\n", "\n") if quoted[1] == '"' else quoted[2]
