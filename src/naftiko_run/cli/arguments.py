"""Arguments of the command line: which command, and the settings that it runs with."""

import argparse
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from naftiko_run.cli.status import USAGE
from naftiko_run.findings import did_you_mean
from naftiko_run.loading.binds import parse_variables
from naftiko_run.settings import OPTIONS, Option, Settings, UsageError, pairs
from naftiko_run.version import __version__

COMMANDS = ("serve", "validate", "inspect", "call", "stdio", "migrate")
_LEVELS = ("debug", "info", "warning", "error")
_SPLIT = {"NAFTIKO_PORTS": ",", "NAFTIKO_IMPORT_PATH": os.pathsep, "NAFTIKO_ALLOW_HOST": ","}


class Chosen(Struct, frozen=True):
    """A command that is ready to run."""

    run: Callable[[], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        what, colon, words = message.partition("unrecognized arguments: ")
        if colon:
            # The words behind a misspelt option may be the value of a variable: its name is enough.
            names = [word.partition("=")[0] for word in words.split() if word.startswith("-")]
            message = f"{what}{colon}{' '.join(names) or 'too many'}"
        # argparse counts what may be left out among what is missing.
        raise UsageError(f"{message.removesuffix(', ARGUMENT')} ({self.prog} --help tells more)")


def parse(argv: list[str], environ: Mapping[str, str] | None = None) -> Chosen:
    """Read the arguments; ``serve`` is the command where none is named.

    Raises:
        UsageError: what is wrong, in one line.
        SystemExit: help or the version was shown; nothing is asked for, which is wrong usage.
    """
    environ = os.environ if environ is None else environ
    if not argv:
        _parser().print_help(sys.stderr)
        raise SystemExit(USAGE)
    if argv[0] not in (*COMMANDS, "--help", "-h", "--version"):
        _no_command(argv[0])
        argv = ["serve", *argv]
    arguments = _parsed(argv)
    settings = _settings(arguments, environ)
    return Chosen(partial(_COMMANDS[arguments.command], arguments, settings))


def _no_command(word: str) -> None:
    """Refuse what is a misspelt command rather than a file: it must not be served."""
    near = did_you_mean(word, COMMANDS, most=1)
    if near and not Path(word).exists():
        raise UsageError(f"no command and no file {word!r}; {near}")


def _parsed(argv: list[str]) -> argparse.Namespace:
    """Read the words, those behind an option too: argparse takes paths and values only in a row."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    trailing = _TRAILING.get(arguments.command)
    if rest and (trailing is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if trailing is not None:
        getattr(arguments, trailing).extend(rest)
    return arguments


_TRAILING = {"serve": "paths", "validate": "paths", "inspect": "paths", "call": "values"}
"""Where a command may get more words than one."""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="naftiko-run",
        allow_abbrev=False,
        description="Serve capability specs: the HTTP APIs they consume, as the REST routes and"
        " MCP tools they expose.",
        epilog="naftiko-run capabilities/*.yaml serves files at once: 'serve' may be left out.",
    )
    parser.add_argument("--version", action="version", version=f"naftiko-run {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, text in _TEXTS.items():
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        _COMMAND_ARGUMENTS[name](command)
        for option in OPTIONS if name != "migrate" else ():
            _add(command, option, shown=not option.of or name in option.of)
    return parser


_TEXTS = {
    "serve": "serve capability files (the default command)",
    "validate": "say what is wrong with capability files, and what to do",
    "inspect": "show routes and tools, and the upstream call behind each",
    "call": "call one tool or route, and print its answer",
    "stdio": "serve one MCP adapter over stdin and stdout",
    "migrate": "rewrite a capability file to another version of the language",
}


def _add(parser: argparse.ArgumentParser, option: Option, *, shown: bool) -> None:
    text = option.help + (f" [{option.environment}]" if option.environment else "")
    text = text.replace("%", "%%") if shown else argparse.SUPPRESS
    if option.switch:
        parser.add_argument(option.flag, action="store_true", default=None, help=text)
    else:
        parser.add_argument(
            option.flag,
            metavar=option.metavar,
            action="append" if option.repeat else "store",
            default=None,
            help=text,
        )


def _paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="a capability file, a folder of them (*.yaml, *.yml) or a glob",
    )


def _validate_arguments(parser: argparse.ArgumentParser) -> None:
    _paths(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json", "sarif", "github"),
        default="text",
        help="how findings are written (default text)",
    )


def _call_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="a capability file")
    parser.add_argument(
        "unit",
        metavar="TOOL_OR_ROUTE",
        help="a tool's name or a route such as 'GET /v1/apis?limit=5'; NAMESPACE/TOOL and"
        " 'GET /NAMESPACE/PATH' say of which adapter",
    )
    parser.add_argument(
        "values",
        metavar="ARGUMENT",
        nargs="*",
        help="name=value for a text, name:=json for any JSON value",
    )


def _stdio_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="a capability file")
    parser.add_argument(
        "--adapter", metavar="NAMESPACE", help="which MCP adapter, where the file has several"
    )


def _migrate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="a capability file, or one that is imported")
    parser.add_argument(
        "--to",
        metavar="VERSION",
        required=True,
        help="the version to write, such as 'ikanos 1.0.0-beta5' or beta5",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where to write it; stdout where none is given"
    )


_COMMAND_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "serve": _paths,
    "validate": _validate_arguments,
    "inspect": _paths,
    "call": _call_arguments,
    "stdio": _stdio_arguments,
    "migrate": _migrate_arguments,
}


# ------------------------------------------------------------------------------------- settings


def _settings(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    def one(flag: str) -> str:
        option = next(o for o in OPTIONS if o.flag == flag)
        value = getattr(arguments, flag.lstrip("-").replace("-", "_"), None)
        return str(value if value is not None else environ.get(option.environment, "") or "")

    def many(flag: str) -> list[str]:
        option = next(o for o in OPTIONS if o.flag == flag)
        value = getattr(arguments, flag.lstrip("-").replace("-", "_"), None)
        if value is not None:
            return list(value)
        text = environ.get(option.environment, "") if option.environment else ""
        return [v for v in text.split(_SPLIT.get(option.environment, ",")) if v.strip()]

    def switch(flag: str) -> bool:
        option = next(o for o in OPTIONS if o.flag == flag)
        if getattr(arguments, flag.lstrip("-").replace("-", "_"), None):
            return True
        return environ.get(option.environment, "").lower() in ("1", "true", "yes", "on")

    inherited = {
        name.removeprefix("NAFTIKO_UPSTREAM_"): value
        for name, value in environ.items()
        if name.startswith("NAFTIKO_UPSTREAM_") and value
    }
    given = pairs("--upstream", many("--upstream"))
    upstreams = inherited | given
    origin = upstreams.pop("*", "")
    for name, url in [*upstreams.items(), *([("*", origin)] if origin else [])]:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"--upstream {name}: the URL must begin with http:// or https://")
    ports = _ports(many("--port"))
    from_environment = {f"--upstream {name}" for name in inherited.keys() - given.keys()}
    if getattr(arguments, "port", None) is None:
        from_environment |= {f"--port {name}" for name in ports}
    return Settings(
        host=one("--host"),
        ports=ports,
        from_environment=frozenset(from_environment),
        upstreams=upstreams,
        origin=origin,
        variables=_variables(many("--env-file"), many("--var")),
        sandbox=switch("--sandbox"),
        sandbox_database=one("--sandbox-database") or ":memory:",
        import_path=_folders(many("--import-path")),
        strict=switch("--strict"),
        watch=switch("--watch"),
        workers=_workers(one("--workers")),
        strict_paths=switch("--strict-paths"),
        allow_host=tuple(many("--allow-host")),
        timeout=_seconds(one("--timeout")),
        log_level=_one_of("--log-level", one("--log-level") or "warning", _LEVELS),
        log_format=_one_of("--log-format", one("--log-format") or "text", ("text", "json")),
    )


def _ports(values: list[str]) -> dict[str, int]:
    ports: dict[str, int] = {}
    for name, value in pairs("--port", values).items():
        if not value.strip().isdecimal() or int(value) > 65535:
            raise UsageError(f"--port {name}: {value!r} is not a port (0 to 65535)")
        ports[name] = int(value)
    return ports


def _folders(values: list[str]) -> tuple[Path, ...]:
    for value in values:
        if not Path(value).is_dir():
            raise UsageError(f"--import-path {value}: no such folder")
    return tuple(map(Path, values))


def _variables(files: list[str], values: list[str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for file in files:
        try:
            variables |= parse_variables(Path(file).read_text("utf-8"), Path(file).suffix)
        except OSError as error:
            raise UsageError(f"--env-file {file}: {(error.strerror or '').lower()}") from None
        except Exception as error:  # noqa: BLE001 - whatever a parser says may quote the file
            # A line's number, never its content: that may be secret.
            reason = str(error) if str(error).startswith("line ") else "cannot be read"
            raise UsageError(f"--env-file {file}: {reason}") from None
    return variables | pairs("--var", values)


def _seconds(text: str) -> float:
    if not text:
        return Settings().timeout
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise UsageError(f"--timeout: {text!r} is not a number of seconds above 0")
    return seconds


def _workers(text: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise UsageError(f"--workers: {text!r} is not a number from 1 to 256")
    if int(text) > 1 and not hasattr(socket, "send_fds"):
        raise UsageError("--workers: this platform cannot share a port between processes")
    return int(text)


def _one_of(flag: str, value: str, allowed: Sequence[str]) -> str:
    if value.lower() not in allowed:
        raise UsageError(f"{flag}: {value!r} is not one of {', '.join(allowed)}")
    return value.lower()


# ------------------------------------------------------------------------------------- commands


def _serve(arguments: argparse.Namespace, settings: Settings) -> int:
    from naftiko_run.cli.serve import serve  # noqa: PLC0415 - the servers cost time to load

    return serve(arguments.paths, settings)


def _validate(arguments: argparse.Namespace, settings: Settings) -> int:
    from naftiko_run.cli.validate import validate  # noqa: PLC0415 - only what a command needs

    return validate(arguments.paths, settings, arguments.format)


def _inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    from naftiko_run.cli.inspect import inspect  # noqa: PLC0415 - only what a command needs

    return inspect(arguments.paths, settings)


def _call(arguments: argparse.Namespace, settings: Settings) -> int:
    from naftiko_run.cli.call import call  # noqa: PLC0415 - only what a command needs

    return call(arguments.path, arguments.unit, arguments.values, settings)


def _stdio(arguments: argparse.Namespace, settings: Settings) -> int:
    from naftiko_run.cli.stdio import stdio  # noqa: PLC0415 - only what a command needs

    return stdio(arguments.path, arguments.adapter, settings)


def _migrate(arguments: argparse.Namespace, settings: Settings) -> int:
    from naftiko_run.cli.migrate import migrate  # noqa: PLC0415 - only what a command needs

    del settings  # a document is rewritten as it is, whatever is set
    return migrate(arguments.path, arguments.to, arguments.output)


_COMMANDS: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
    "serve": _serve,
    "validate": _validate,
    "inspect": _inspect,
    "call": _call,
    "stdio": _stdio,
    "migrate": _migrate,
}
