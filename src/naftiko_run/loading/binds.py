"""Variables: where each declared name gets its value from.

``--var`` first, then ``--env-file``, then the bind's own source: the environment, or a JSON, YAML
or ``.env`` file below ``file://``. A variable without value is a notice; only calls that need it
fail. Values never reach a finding.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import yaml

from naftiko_run.findings import Finding
from naftiko_run.spec.document import Bind
from naftiko_run.types import Binds

ReadText = Callable[[Path], str]
"""Reads a small text file; raises OSError or ValueError."""


def resolve(
    binds: Iterable[Bind],
    folder: Path,
    *,
    given: Mapping[str, str],
    environ: Mapping[str, str],
    read_text: ReadText = lambda path: path.read_text("utf-8"),
) -> tuple[Binds, list[Finding]]:
    """Resolve declared variables; ``given`` are those of the command line and its files."""
    declared: dict[str, str | None] = {}
    findings: list[Finding] = []
    for bind in binds:
        source = environ
        if bind.location is not None:
            source, problems = _file(bind, folder, read_text)
            findings.extend(problems)
        for name, key in bind.keys.items():
            value = given.get(name, given.get(key, source.get(key)))
            # A file that ends its last line leaves a line end that no header may carry.
            value = None if value is None else value.rstrip("\r\n")
            known = name in declared
            declared[name] = value
            declared[f"{bind.namespace}.{name}"] = value
            if value is None and not known:
                findings.append(_unset(bind, name, key))
    return Binds(declared, {**environ, **given}), findings


def _unset(bind: Bind, name: str, key: str) -> Finding:
    place = f"the file {bind.location}" if bind.location else "the environment"
    return bind.where.at("keys", name).notice(
        "I-VAR-UNSET",
        f"variable {name!r} has no value: calls that need it are answered with 503",
        f"set {key} in {place}, or start with --var {name}=VALUE",
    )


def _file(bind: Bind, folder: Path, read_text: ReadText) -> tuple[Mapping[str, str], list[Finding]]:
    location = bind.location or ""
    where = bind.where.at("location")
    if not location.startswith("file://"):
        scheme = location.partition(":")[0]
        message = f"variables from {scheme!r} are not supported"
        return {}, [where.warning("W-BIND-LOCATION", message, "use file:// or the environment")]
    # file:///./x and file://./x are both relative, as the language has it.
    path = folder / location.removeprefix("file://").replace("/./", "./", 1)
    try:
        return parse_variables(read_text(path), path.suffix), []
    except FileNotFoundError:
        return {}, [where.warning("W-BIND-FILE", f"no file {location!r}", "create it")]
    except (OSError, ValueError, yaml.YAMLError):
        # The reason may quote the file's content, which is secret.
        message = f"{location!r} cannot be read as variables"
        return {}, [where.warning("W-BIND-FILE", message, "write a flat map of names to texts")]


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
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        inner = value[1:-1]
        return inner.replace("\\n", "\n") if value[0] == '"' else inner
    return value.partition(" #")[0].rstrip()
