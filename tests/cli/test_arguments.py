"""Arguments and environment become settings; what is wrong is said in one line, without values."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from naftiko_run.cli import arguments, main
from naftiko_run.settings import OPTIONS, Settings, UsageError, pairs

SECRET = "sk_canary_91c2"


def settings(*argv: str, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings that arguments and an environment give."""
    run = arguments.parse(["serve", "a.yaml", *argv], environ or {}).run
    found = run.args[1]  # type: ignore[attr-defined]
    assert isinstance(found, Settings)
    return found


def test_without_options_the_settings_are_their_defaults() -> None:
    assert settings() == Settings()


# Option, environment variable, what both say, and the field that it becomes.
SAME: list[tuple[str, str, str, str, object]] = [
    ("--host", "NAFTIKO_HOST", "0.0.0.0", "host", "0.0.0.0"),  # noqa: S104 - as configured
    ("--port", "NAFTIKO_PORTS", "a=1", "ports", {"a": 1}),
    ("--sandbox-database", "NAFTIKO_SANDBOX_DATABASE", "x.db", "sandbox_database", "x.db"),
    ("--import-path", "NAFTIKO_IMPORT_PATH", "/", "import_path", (Path("/"),)),
    ("--workers", "NAFTIKO_WORKERS", "3", "workers", 3),
    ("--allow-host", "NAFTIKO_ALLOW_HOST", "api.example", "allow_host", ("api.example",)),
    ("--timeout", "NAFTIKO_TIMEOUT", "2.5", "timeout", 2.5),
    ("--log-level", "NAFTIKO_LOG_LEVEL", "INFO", "log_level", "info"),
    ("--log-format", "NAFTIKO_LOG_FORMAT", "json", "log_format", "json"),
]
SWITCHES = ("sandbox", "watch", "strict", "strict_paths")


@pytest.mark.parametrize(("flag", "variable", "text", "field", "value"), SAME)
def test_an_option_and_its_variable_mean_the_same(
    flag: str, variable: str, text: str, field: str, value: object
) -> None:
    assert getattr(settings(flag, text), field) == value
    assert getattr(settings(f"{flag}={text}"), field) == value
    assert getattr(settings(environ={variable: text}), field) == value
    assert getattr(settings(environ={variable: ""}), field) == getattr(Settings(), field)


@pytest.mark.parametrize("field", SWITCHES)
def test_a_switch_is_on_or_off(field: str) -> None:
    flag, variable = f"--{field.replace('_', '-')}", f"NAFTIKO_{field.upper()}"
    assert getattr(settings(flag), field) is True
    for text in ("1", "true", "YES", "on"):
        assert getattr(settings(environ={variable: text}), field) is True
    for text in ("", "0", "false", "no"):
        assert getattr(settings(environ={variable: text}), field) is False


def test_every_option_is_held_by_one_of_these_tests() -> None:
    tested = {flag for flag, *_ in SAME} | {f"--{s.replace('_', '-')}" for s in SWITCHES}
    tested |= {"--upstream", "--var", "--env-file"}
    assert tested == {option.flag for option in OPTIONS}


def test_an_option_counts_more_than_its_variable() -> None:
    environ = {
        "NAFTIKO_PORTS": "a=1,b=2",
        "NAFTIKO_HOST": "::",
        "NAFTIKO_UPSTREAM_UNKEY": "http://e",
    }
    found = settings("--port=a=9", "--host=127.0.0.1", "--upstream=unkey=http://o", environ=environ)
    assert (found.ports, found.host) == ({"a": 9}, "127.0.0.1")
    assert found.upstreams["unkey"] == "http://o"
    assert settings(environ=environ).ports == {"a": 1, "b": 2}


def test_options_may_be_repeated() -> None:
    found = settings(
        "--port", "a=0", "--port=b=65535", "--import-path=.", "--import-path=/", "--allow-host=*"
    )
    assert found.ports == {"a": 0, "b": 65535}
    assert found.import_path == (Path(), Path("/"))
    assert found.allow_host == ("*",)


def test_upstreams_have_a_namespace_or_stand_for_all() -> None:
    found = settings("--upstream=unkey=https://a/b?c=d", "--upstream", "*=http://127.0.0.1:1")
    assert dict(found.upstreams) == {"unkey": "https://a/b?c=d"}
    assert found.origin == "http://127.0.0.1:1"
    found = settings(environ={"NAFTIKO_UPSTREAM_OPEN_METEO": "http://x", "NAFTIKO_UPSTREAM_Y": ""})
    assert dict(found.upstreams) == {"OPEN_METEO": "http://x"}


def test_variables_come_from_files_and_then_from_options(tmp_path: Path) -> None:
    first, second = tmp_path / "a.env", tmp_path / "b.json"
    first.write_text("# a comment\nA=1\nB='two words'\nexport C=3\n", "utf-8")
    second.write_text('{"B": "json", "D": "4"}', "utf-8")
    found = settings(f"--env-file={first}", f"--env-file={second}", "--var=C=x=y", "--var", "E=")
    assert found.variables == {"A": "1", "B": "json", "C": "x=y", "D": "4", "E": ""}


def test_secrets_are_in_no_representation() -> None:
    found = settings(f"--var=KEY={SECRET}", f"--upstream=u=http://user:{SECRET}@host")
    assert SECRET not in repr(found)
    assert found.variables["KEY"] == SECRET


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--port", "nothing"], "--port: write NAME=VALUE"),
        (["--port", "a=x"], "--port a: 'x' is not a port (0 to 65535)"),
        (["--port", "a=65536"], "--port a: '65536' is not a port (0 to 65535)"),
        (["--port", "a=-1"], "--port a: '-1' is not a port (0 to 65535)"),
        (["--timeout", "0"], "--timeout: '0' is not a number of seconds above 0"),
        (["--timeout", "nan"], "--timeout: 'nan' is not a number of seconds above 0"),
        (["--timeout", "inf"], "--timeout: 'inf' is not a number of seconds above 0"),
        (["--workers", "0"], "--workers: '0' is not a number from 1 to 256"),
        (["--workers", "many"], "--workers: 'many' is not a number from 1 to 256"),
        (["--log-level", "loud"], "--log-level: 'loud' is not one of debug, info, warning, error"),
        (["--log-format", "xml"], "--log-format: 'xml' is not one of text, json"),
        (["--import-path", "/nowhere"], "--import-path /nowhere: no such folder"),
        (["--env-file", "/nowhere/x"], "--env-file /nowhere/x: no such file or directory"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(argv: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings(*argv)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "argv",
    [
        ["--var", SECRET],
        [f"--var={SECRET}"],
        [f"--var==={SECRET}"],
        ["--vra", f"KEY={SECRET}"],
        [f"--vra=KEY={SECRET}"],
        [f"--va=KEY={SECRET}"],
        ["--upstream", SECRET],
        [f"--upstream=unkey=ftp://user:{SECRET}@host"],
        [f"--upstream=unkey={SECRET}"],
        ["--host", "x", f"--tokn={SECRET}"],
    ],
)
def test_no_usage_error_repeats_a_value(argv: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        settings(*argv)
    assert SECRET not in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_line_of_a_file_of_variables_is_repeated(tmp_path: Path) -> None:
    for name, text in {
        "a.env": f"A=1\n{SECRET}\n",
        "b.json": f'{{"A": "{SECRET}"',
        "c.yaml": f"a: [{SECRET}",
        "d.json": f'["{SECRET}"]',
    }.items():
        file = tmp_path / name
        file.write_text(text, "utf-8")
        with pytest.raises(UsageError) as caught:
            settings(f"--env-file={file}")
        assert SECRET not in str(caught.value)
        assert str(caught.value).startswith(f"--env-file {file}: ")
    binary = tmp_path / "binary.env"
    binary.write_bytes(b"\xff\xfe" + SECRET.encode())
    with pytest.raises(UsageError) as caught:
        settings(f"--env-file={binary}")
    assert SECRET not in str(caught.value)


def test_options_are_written_in_full() -> None:
    with pytest.raises(UsageError, match="--sand"):
        settings("--sand")


def test_serve_is_the_command_where_none_is_named() -> None:
    assert arguments.parse(["a.yaml", "--sandbox"], {}).run.args[0].command == "serve"  # type: ignore[attr-defined]
    assert arguments.parse(["--sandbox", "a.yaml"], {}).run.args[0].paths == ["a.yaml"]  # type: ignore[attr-defined]
    for command in ("validate", "inspect"):
        assert arguments.parse([command, "a.yaml"], {}).run.args[0].command == command  # type: ignore[attr-defined]


def test_pairs_are_split_at_the_first_equals() -> None:
    assert pairs("--var", ["A=b=c", " D =e"]) == {"A": "b=c", "D": "e"}
    with pytest.raises(UsageError):
        pairs("--var", ["=b"])


def test_the_command_gives_status_2_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("naftiko-run: the following arguments are required: PATH")
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("argv", "field", "words"),
    [
        (["a.yaml", "--sandbox", "b.yaml"], "paths", ["a.yaml", "b.yaml"]),
        (["validate", "a.yaml", "--strict", "b.yaml"], "paths", ["a.yaml", "b.yaml"]),
        (["call", "a.yaml", "t", "x=1", "--var", "K=V", "y:=2"], "values", ["x=1", "y:=2"]),
    ],
)
def test_paths_and_values_may_stand_behind_options(
    argv: list[str], field: str, words: list[str]
) -> None:
    read = arguments.parse(argv, {}).run.args[0]  # type: ignore[attr-defined]
    assert getattr(read, field) == words


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["sevre", "a.yaml"], "no command and no file 'sevre'; did you mean 'serve'?"),
        (["validat", "a.yaml"], "no command and no file 'validat'; did you mean 'validate'?"),
        (["stdio", "a.yaml", "b.yaml"], "too many (naftiko-run --help"),
        (["call", "a.yaml"], "are required: TOOL_OR_ROUTE (naftiko-run call --help tells more)"),
        (["call", "a.yaml", "t", "--strct", "x=1"], "unrecognized arguments: --strct ("),
    ],
)
def test_words_that_are_nothing_are_refused_with_what_to_do(argv: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        arguments.parse(argv, {})
    assert said in str(caught.value)


def test_a_file_named_almost_like_a_command_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("serves").touch()
    read = arguments.parse(["serves"], {}).run.args[0]  # type: ignore[attr-defined]
    assert (read.command, read.paths) == ("serve", ["serves"])


def test_help_shows_the_options_that_count_for_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = {}
    for command in arguments.COMMANDS:
        with pytest.raises(SystemExit):
            arguments.parse([command, "--help"], {})
        shown[command] = capsys.readouterr().out
    assert all(option.flag in shown["serve"] for option in OPTIONS)
    assert [c for c, text in shown.items() if "--watch" in text] == ["serve"]
    assert [c for c, text in shown.items() if "--timeout" in text] == ["serve", "call", "stdio"]
    # What is not shown is taken all the same: one line fits several commands.
    assert arguments.parse(["validate", "a.yaml", "--watch"], {})
