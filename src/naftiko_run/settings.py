"""The options of the command line and their environment variables: one table, read in one place."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from naftiko_run.types import Discreet, without

DEFAULT_TIMEOUT = 30.0


class UsageError(Exception):
    """A wrong use of the command line: one line for people, exit status 2."""


SERVING = ("serve",)
CALLING = ("serve", "call", "stdio")


class Option(Struct, frozen=True, kw_only=True):
    """One option: its flag, environment variable, and what ``--help`` says of it.

    ``of`` are the commands that it changes, where not all. The others take it and say nothing of
    it, so that the arguments of one command fit the next.
    """

    flag: str
    environment: str = ""
    metavar: str = ""
    repeat: bool = False
    switch: bool = False
    help: str = ""
    of: tuple[str, ...] = ()


OPTIONS: tuple[Option, ...] = (
    Option(
        flag="--host",
        environment="NAFTIKO_HOST",
        metavar="ADDRESS",
        help="address of every listener whose adapter names none (default 127.0.0.1)",
    ),
    Option(
        flag="--port",
        environment="NAFTIKO_PORTS",
        metavar="NAMESPACE=PORT",
        repeat=True,
        help="move an exposed adapter; 0 takes any free port",
    ),
    Option(
        flag="--upstream",
        metavar="NAMESPACE=URL",
        repeat=True,
        help="replace the baseUri of a consumed namespace; '*=ORIGIN' replaces scheme and"
        " authority of all (also NAFTIKO_UPSTREAM_<NAMESPACE>)",
    ),
    Option(
        flag="--var", metavar="NAME=VALUE", repeat=True, help="a variable, before the environment"
    ),
    Option(
        flag="--env-file",
        metavar="FILE",
        repeat=True,
        help="variables from a file of NAME=VALUE lines (.env), JSON or YAML",
    ),
    Option(
        flag="--sandbox",
        environment="NAFTIKO_SANDBOX",
        switch=True,
        help="call the embedded sandbox of every consumed API that has one",
    ),
    Option(
        flag="--sandbox-database",
        environment="NAFTIKO_SANDBOX_DATABASE",
        metavar="FILE",
        help="keep the sandbox's state in a file instead of in memory",
        of=CALLING,
    ),
    Option(
        flag="--import-path",
        environment="NAFTIKO_IMPORT_PATH",
        metavar="DIR",
        repeat=True,
        help="a further folder for imports",
    ),
    Option(
        flag="--workers",
        environment="NAFTIKO_WORKERS",
        metavar="N",
        help="serve with several processes on the same ports (default 1)",
        of=SERVING,
    ),
    Option(
        flag="--watch",
        environment="NAFTIKO_WATCH",
        switch=True,
        help="serve new, changed and removed files without a restart",
        of=SERVING,
    ),
    Option(flag="--strict", environment="NAFTIKO_STRICT", switch=True, help="warnings are errors"),
    Option(
        flag="--strict-paths",
        environment="NAFTIKO_STRICT_PATHS",
        switch=True,
        help="a path parameter without a placeholder is an error",
    ),
    Option(
        flag="--allow-host",
        environment="NAFTIKO_ALLOW_HOST",
        metavar="NAME",
        repeat=True,
        help="accept requests for this host name besides this machine's own; '*' accepts all",
        of=SERVING,
    ),
    Option(
        flag="--timeout",
        environment="NAFTIKO_TIMEOUT",
        metavar="SECONDS",
        help=f"time limit of one upstream call (default {DEFAULT_TIMEOUT:g})",
        of=CALLING,
    ),
    Option(
        flag="--log-level",
        environment="NAFTIKO_LOG_LEVEL",
        metavar="LEVEL",
        help="debug, info, warning or error (default warning); info shows each request",
        of=("serve", "stdio"),
    ),
    Option(
        flag="--log-format",
        environment="NAFTIKO_LOG_FORMAT",
        metavar="FORMAT",
        help="text or json (default text); logs go to stderr",
        of=("serve", "stdio"),
    ),
)


class Settings(Discreet, Struct, frozen=True, kw_only=True):
    """What the options say, checked; ``variables`` and upstream URLs are never printed.

    ``from_environment`` are the names that no option gave, as ``--port NAME``, ``--upstream NAME``.
    """

    host: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    upstreams: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    from_environment: frozenset[str] = frozenset()
    variables: Mapping[str, str] = field(default_factory=dict)
    sandbox: bool = False
    sandbox_database: str = ":memory:"
    import_path: tuple[Path, ...] = ()
    strict: bool = False
    watch: bool = False
    workers: int = 1
    strict_paths: bool = False
    allow_host: tuple[str, ...] = ()
    timeout: float = DEFAULT_TIMEOUT
    log_level: str = "warning"
    log_format: str = "text"

    def __repr__(self) -> str:
        return without(self, "upstreams", "variables")


def pairs(option: str, values: list[str]) -> dict[str, str]:
    """Split ``NAME=VALUE`` texts.

    Raises:
        UsageError: one has no name or no ``=``; its value is not repeated.
    """
    result: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option}: write NAME=VALUE")
        result[name.strip()] = rest
    return result
