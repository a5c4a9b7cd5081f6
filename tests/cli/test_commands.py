from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import structlog
import typer
from rich.console import Console

from cli import main as command_line
from cli.options import variable
from local.dummy.plan import DAY, DummyPlan
from local.dummy.store import replace
from runtime.connections import ROOT
from schemas.durations import moment
from schemas.errors import DriftlineError, ModelUnusable, UsageError

COMMAND = typer.main.get_command(command_line.app)
BARE = {"--help", "--json", "--yes", "--force", "--back", "--attended", "--test"}
"""Options that no variable sets: what destroys something is written each time."""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`main` sets up logging and environment for a whole process; here others follow."""
    monkeypatch.setattr(command_line, "ENVIRONMENT", {})
    yield
    structlog.reset_defaults()


def commands(group: Any = COMMAND, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield (*path, name), command


KNOWN = dict(commands())
DECISIONS = {
    ("alarms", "ack"): ("as", "note"),
    ("silence", "add"): ("run", "track", "column", "for", "until", "reason"),
    ("silence", "list"): ("all",),
    ("weeks", "exclude"): ("reason",),
    ("compare",): ("csv",),
    ("notify",): ("test",),
}
"""Options of what a person decides once: a variable that was left set must not decide it again."""


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def test_the_names_that_others_build_on_are_there() -> None:
    expected = {
        ("demo",): {"--keep", "--file", "--month", "--synthetic", "--speed", "--scenario"},
        ("stack", "up"): set(),
        ("stack", "down"): set(),
        ("stack", "status"): {"--json"},
        ("train",): {"--file", "--month", "--synthetic", "--model", "--out"},
        ("produce",): {"--run", "--file", "--month", "--synthetic", "--speed", "--scenario", "--partitions"},
        ("scenarios",): {"--json"},
        ("consume",): {"--until-done", "--model", "--pane", "--lateness", "--outcome-lateness"},
        ("monitor",): {"--until-done", "--sizes"},
        ("runs",): {"--json"},
        ("runs", "rm"): {"--yes", "--json"},
        ("models",): {"--json"},
        ("models", "rm"): {"--force", "--yes", "--json"},
        ("windows",): {"--run", "--size", "--json"},
        ("columns",): {"--run", "--size", "--window", "--json"},
        ("recompute",): {"--run", "--size", "--window"},
        ("report",): {"--run", "--size", "--window"},
        ("board",): {"--host", "--port"},
        ("doctor",): set(),
        ("dummy",): {"--run", "--days"},
        ("backup",): {"--out"},
        ("restore",): {"--yes"},
    }
    missing = {name: wanted - options(KNOWN[name]) for name, wanted in expected.items()}
    assert not any(missing.values()), missing


def test_every_option_has_its_environment_variable() -> None:
    for path, command in KNOWN.items():
        for parameter in command.params:
            if parameter.param_type_name == "option" and BARE.isdisjoint(parameter.opts):
                name = parameter.opts[0].removeprefix("--")
                assert parameter.envvar in (variable(name), variable(name, path[0]), None), (path, parameter.opts)
                of_the_run = path[0] in ("report", "recompute") and name == "model"
                of_a_person = name in DECISIONS.get(path, ())
                assert (parameter.envvar is None) == (of_the_run or of_a_person), (path, parameter.opts)


def test_every_command_and_option_in_the_readme_exists() -> None:
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("driftline ")]
    assert len(lines) >= 9
    for line in lines:
        words = line.partition("#")[0].split()[1:]
        path = tuple(words[:2]) if tuple(words[:2]) in KNOWN else tuple(words[:1])
        assert path in KNOWN, line
        assert {word for word in words if word.startswith("--")} <= options(KNOWN[path]), line


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelUnusable("no model", "train one"), 1),
        (UsageError("two sources", "name one"), 2),
        (KeyboardInterrupt(), 130),
    ],
    ids=["failed", "usage", "interrupted"],
)
def test_what_went_wrong_is_one_line_and_an_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    monkeypatch.setattr(command_line, "_warn_of_unknown_variables", lambda: None)  # asks the real app
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == code
    printed = capsys.readouterr().err
    assert printed == (f"driftline: {error}\n" if isinstance(error, DriftlineError) else "")


def test_a_mistake_in_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(command_line, "app", fail)
    monkeypatch.setattr(command_line, "_warn_of_unknown_variables", lambda: None)  # asks the real app
    with pytest.raises(ZeroDivisionError):
        command_line.main()


def test_wrong_usage_is_exit_code_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["driftline", "produce"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 2
    assert "--run" in capsys.readouterr().err


def outcome(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of the command line."""
    monkeypatch.setattr(sys, "argv", ["driftline", *words])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.integration
@pytest.mark.parametrize(
    "words",
    [
        ("windows", "--run", "nobody"),
        ("windows", "--run", "nobody", "--json"),
        ("columns", "--run", "nobody", "--size", "1h", "--window", "2022-02-01"),
        ("report", "--run", "nobody", "--size", "1h", "--window", "2022-02-01"),
        ("recompute", "--run", "nobody", "--size", "1h", "--window", "2022-02-01"),
    ],
    ids=["windows", "windows as JSON", "columns", "report", "recompute"],
)
def test_a_run_that_nobody_has_met_is_wrong_usage(
    words: tuple[str, ...], database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert outcome(*words, monkeypatch=monkeypatch) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "there is no run nobody" in printed.err
    assert "driftline runs` lists them" in printed.err


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/x", "postgresql://u:secret@h:port:9/x", "host=h password=secret x"]
)
def test_nobody_reads_a_password_in_what_is_no_url(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert outcome("windows", "--run", "nobody", monkeypatch=monkeypatch) == 2
    printed = capsys.readouterr().err
    assert "DATABASE_URL" in printed
    assert "secret" not in printed


@pytest.mark.integration
def test_windows_are_as_long_as_people_write_it(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        replace(connection, DummyPlan("dummy", 1_789_000_000_000, days=1))
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setattr("cli.output.console", Console(width=160))
    for shown, words in {"6h": ("--size", "6h"), "1h": ("--size", "1h")}.items():
        assert outcome("windows", "--run", "dummy", *words, monkeypatch=monkeypatch) == 0
        head, *rows = capsys.readouterr().out.splitlines()
        assert head.split()[:2] == ["stream", "size"]
        assert {row.split()[1] for row in rows} == {shown}
    assert (
        outcome("columns", "--run", "dummy", "--size", "1h", "--window", "1999-01-01", monkeypatch=monkeypatch) == 2
    )
    assert "there is no such window" in capsys.readouterr().err
    begun = f"{moment(1_789_000_000_000 // DAY * DAY):%Y-%m-%d}"
    for verb in ("report", "recompute"):  # it has figures, and no records
        assert outcome(verb, "--run", "dummy", "--size", "6h", "--window", begun, monkeypatch=monkeypatch) == 2
        assert "wrote this run" in capsys.readouterr().err
    assert outcome("windows", "--run", "dummy", "--size", "7h", monkeypatch=monkeypatch) == 2
    assert "no windows of 7h: run dummy has 1h, 6h, 1d: choose one" in capsys.readouterr().err


def test_help_imports_nothing_that_is_slow() -> None:
    slow = {"confluent_kafka", "evidently", "sklearn", "scipy", "numpy", "pandas", "pyarrow", "psycopg", "litestar"}
    text = f"import driftline, sys; print(sorted({slow!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
