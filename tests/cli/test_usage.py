"""Wrong calls of the command line: an exit code, a message that says what to do, and never a traceback.

No server is up: who asks one before the options are checked, or imports what is slow, is found out.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.main import get_command

from cli import main as command_line
from cli.variables import DROPPED, unknown
from runtime.connections import ROOT

WRONG = [
    ("windoes", 2, "Did you mean 'windows'?"),
    ("stack sideways", 2, "No such command 'sideways'"),
    ("runs --runs x", 2, "No such option: --runs"),
    ("windows", 2, "no database"),
    ("windows --newest 0 --run r", 2, "'--newest' (env var: 'DRIFTLINE_NEWEST'): 0 is too small: give 1 or more."),
    ("windows --newest many", 2, "'many' is not a whole number."),
    ("train --volume lots", 2, "'lots' is not a number."),
    ("train --seed 1.5", 2, "'1.5' is not a whole number."),
    ("produce --run r --kind blue", 2, ": 'blue' is not one of 'green', 'yellow'."),
    ("board --port 70000", 2, "70000 is too large: give 65535 or less."),
    ("windows --fail-on anything --run r", 2, "'drift'"),
    ("windows --run r --size 1hour", 2, "'1hour' is not a duration: write a whole number and ms, s, m, h, d or w"),
    ("windows --run r --size 0h", 2, "'0h' is not a duration"),
    ("columns --run r --size 1h", 2, "Missing option '--window'"),
    ("columns --run r --size 1h --window yesterday", 2, "'yesterday' is not a moment: write it as 2022-02-01"),
    ("columns --run r --size 1h --window 2022-02-30", 2, "is not a moment"),
    ("recompute --run r --size h --window 2022-02-01", 2, "'h' is not a duration"),
    ("report --run r --size 1h --window 2022-02-01 --out /proc/none/r.html", 2, "choose another path"),
    ("report --run r --size 1h --window 2022-02-01 --out {folder}", 2, "is a folder: name a file"),
    ("report --run r --size 1h --window 2022-02-01 --out {file}/r.html", 2, "choose another path"),
    ("backup --out {folder}", 2, "is a folder: name a file"),
    ("backup --out /proc/none/b.dump", 2, "cannot write to /proc/none/b.dump"),
    ("backup --out {file}/b.dump", 2, "choose another path"),
    ("backup --out /dev/full", 2, "is not a regular file"),
    ("backup --out {long}", 2, "File name too long"),
    ("train --synthetic --out /proc/none/model", 2, "cannot write to /proc/none/model"),
    ("train --synthetic --out {file}", 2, "is a file: name a folder"),
    ("train --synthetic --out {file}/model", 2, "choose another path"),
    ("train --month 2022-13", 2, "'2022-13' is not a month: write it as 2022-02"),
    ("train --synthetic --volume 0", 2, "0 is not a positive number: give one above 0"),
    ("train --synthetic --volume nan", 2, "is not a positive number"),
    ("train --synthetic --seed -1", 2, "'--seed'"),
    ("train --model best", 2, "'tutorial'"),
    ("produce --run r --speed fast", 2, "'fast' is not a speed: write `600x`"),
    ("produce --run r --speed 0x", 2, "'0x' is not a speed"),
    ("produce --run r --month February", 2, "'February' is not a month"),
    ("produce --run r --scenario nowhere.toml", 2, "give a TOML file, or one of: delayed-events"),
    ("produce --run r --scenario {file}", 2, "scenario file: Expected '=' after a key"),
    ("produce --run r --partitions 0", 2, "'--partitions'"),
    ("produce --run r --synthetic", 2, "no Kafka: run `driftline stack up`, or set KAFKA_BOOTSTRAP_SERVERS"),
    ("demo --speed quick", 2, "'quick' is not a speed"),
    ("demo --month 2022", 2, "'2022' is not a month"),
    ("consume --pane 5 --lateness 10m", 2, "'5' is not a duration"),
    ("consume --pane 1500ms", 2, "whole number of 1s panes"),
    ("consume --lateness -5m", 2, "is not a duration"),
    ("consume --max-ahead 1y", 2, "'1y' is not a duration"),
    ("consume --flush-ms 0", 2, "'--flush-ms'"),
    ("consume --flush-rows many", 2, "'--flush-rows'"),
    ("consume --metrics-port 70000", 2, "65535"),
    ("monitor --sizes banana", 2, "'banana' is not a duration"),
    ("monitor --sizes 1h,,6h", 2, "'' is not a duration"),
    ("monitor --sizes 1500ms", 2, "whole number of 1s panes"),
    ("monitor --idle-timeout soon", 2, "'soon' is not a duration"),
    ("board --port http", 2, "'--port'"),
    ("board --port -1", 2, "'--port'"),
    ("grafana --grafana-port 0", 2, "'--grafana-port'"),
    ("dummy --days 0", 2, "0 days: choose 1 to"),
    ("dummy --sizes 7m", 2, "not a whole number of 5m panes"),
    ("produce --run r --file /nope", 2, "/nope cannot be read (No such file or directory): name another file"),
    ("produce --run r --file {file} --file {folder}", 2, "is a folder: name a file"),
    ("train --file {folder}", 2, "is a folder: name a file"),
    ("demo --file /nope", 2, "/nope cannot be read"),
    ("restore /nope", 2, "/nope cannot be read"),
    ("restore {folder}", 2, "is a folder: name a file"),
    ("consume --model /nope", 2, "there is no model in /nope"),
    ("monitor --model {folder}", 2, "there is no model in"),
    ("monitor --model {file}", 2, "there is no model in"),
    ("models rm nosuch --yes", 2, "there is no model nosuch"),
    ("produce --run r --file {file}", 2, "no Kafka"),
    ("train --file {file}", 2, "is no parquet file"),
    (
        "produce --run r --topic-prefix= --topic-prefix a/b",
        2,
        "a topic cannot be called 'a/btrips': choose another",
    ),
    ("consume --topic-prefix ü", 2, "'ütrips': choose another prefix; a name has 1 to 249 letters of ASCII"),
    ("monitor --topic-prefix {long}", 2, "a topic cannot be called"),
    ("doctor --topic-prefix #", 2, "a topic cannot be called '#trips'"),
    ("recompute --run r --size 1h --window 2022-02-01 --topic-prefix a:", 2, "a topic cannot be called 'a:trips'"),
    ("dead-letters --reason bad", 2, "'undecodable'"),
    ("dead-letters --limit 0", 2, "'--limit'"),
    ("dead-letters", 2, "no database"),
    ("alarms --state loud", 2, "'firing'"),
    ("alarms --fail-on pending", 2, "'pending' is not one of 'firing'"),
    ("alarms loud", 2, "No such command 'loud'"),
    ("alarms show", 2, "Missing argument 'ID'"),
    ("alarms show a", 2, "no database"),
    ("alarms ack a", 2, "Missing option '--as'"),
    ("alarms ack a --as maybe", 2, "'maybe' is not one of 'false', 'known', 'real'"),
    ("silence add --for 1h", 2, "Missing option '--reason'"),
    ("silence add --reason x", 2, "a silence needs one end: give either --until or --for"),
    ("silence add --reason x --for 1h --until 2030-01-01", 2, "give either --until or --for"),
    ("silence add --reason x --for ever", 2, "'ever' is not a duration"),
    ("silence add --reason x --for 9999999999w", 2, "is longer than a year"),
    ("silence add --reason x --until tomorrow", 2, "'tomorrow' is not a moment"),
    ("silence add --reason= --for 1h", 2, "it is empty"),
    ("silence add --reason x --for 1h --track all", 2, "'change'"),
    (
        "silence add --reason x --for 1h --column trip_distanse",
        2,
        "there is no column trip_distanse: choose one of",
    ),
    ("silence end first", 2, "'first' is not a whole number"),
    ("weeks exclude", 2, "Missing argument 'DAY...'"),
    ("weeks exclude 2022-02-14 monday", 2, "'monday' is not a moment"),
    ("weeks exclude 0001-01-01", 2, "is before 1970"),
    ("calibrate --plot {folder}", 2, "is a folder: name a file"),
    ("restore", 2, "Missing argument"),
    ("runs", 2, "no database: run `driftline stack up`, or set DATABASE_URL"),
]

FROM_ENVIRONMENT = [
    (
        "consume",
        "DRIFTLINE_FLUSH_MS",
        "fast",
        "Invalid value for DRIFTLINE_FLUSH_MS: 'fast' is not a whole number.",
    ),
    ("train", "DRIFTLINE_SYNTHETIC", "perhaps", "'perhaps' is neither true nor false."),
    ("train", "DRIFTLINE_KIND", "blue", "DRIFTLINE_KIND: 'blue' is not one of 'green', 'yellow'."),
    ("produce --run r", "DRIFTLINE_PARTITIONS", "0", "DRIFTLINE_PARTITIONS: 0 is too small: give 1 or more."),
    ("monitor", "DRIFTLINE_SIZES", "banana", "'banana' is not a duration"),
    ("consume", "DRIFTLINE_PANE", "5 minutes", "'5 minutes' is not a duration"),
    ("produce --run r", "DRIFTLINE_SPEED", "fast", "'fast' is not a speed"),
    ("backup", "DRIFTLINE_BACKUP_OUT", "/proc/none/b.dump", "choose another path"),
    *(
        (call, "DRIFTLINE_TOPIC_PREFIX", "a b", "a topic cannot be called 'a btrips': choose another prefix")
        for call in ("produce --run r", "consume", "monitor", "doctor")
    ),
]

SLOW = ("evidently", "sklearn", "monitor.evidently.engine", "board.app")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No servers named, none embedded; and `main` sets up logging for a whole process."""
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("runtime.connections.embedded", lambda _: None)
    monkeypatch.setattr("runtime.invocation.OURS", tmp_path / "not installed")
    monkeypatch.setattr(command_line, "ENVIRONMENT", {})
    yield
    structlog.reset_defaults()


Call = Callable[[list[str]], tuple[int, str]]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Exit code of a call, and what stderr says as one line."""

    def run(words: list[str]) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["driftline", *words])
        before = {name for name in SLOW if name in sys.modules}
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        assert {name for name in SLOW if name in sys.modules} == before, "something slow was imported first"
        assert isinstance(ended.value.code, int)
        out, text = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in text
        assert not re.search("Input should|Value error", text), "pydantic's own words"
        assert "│" not in text, "a frame, though nobody looks"
        return ended.value.code, " ".join(text.split())

    return run


@pytest.mark.parametrize(("call", "code", "message"), WRONG, ids=[call for call, _, _ in WRONG])
def test_a_wrong_call_is_refused_at_once_and_says_what_to_do(
    call: str, code: int, message: str, tmp_path: Path, refused: Call
) -> None:
    (tmp_path / "file").write_text("mine")
    places = {"folder": tmp_path, "file": tmp_path / "file", "long": tmp_path / ("x" * 300)}
    found, text = refused([word.format(**places) for word in call.split()])
    assert (found, message in text) == (code, True), text
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "something is left behind"
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", ["produce --run r", "demo"])
@pytest.mark.parametrize(
    ("mistyped", "said"),
    [
        ('column = "trip_distanec"', "'trip_distanec' is no column of decimals; these are: congestion_surcharge,"),
        ("faktor = 3.0", "scenario mine: drift 1: Object contains unknown field `faktor`"),
    ],
)
def test_a_mistyped_scenario_is_refused_before_anything_is_started(
    command: str, mistyped: str, said: str, tmp_path: Path, refused: Call
) -> None:
    keys = {"column": '"trip_distance"', "factor": "2.0", "starts_at": '"0%"', "ends_at": '"9%"', "kind": '"scale"'}
    keys |= dict([mistyped.split(" = ")])
    (tmp_path / "mine.toml").write_text("\n".join(["[[drift]]", *(f"{key} = {keys[key]}" for key in keys)]))
    code, text = refused([*command.split(), "--scenario", str(tmp_path / "mine.toml")])
    assert (code, said in text) == (2, True), text


@pytest.mark.parametrize("setting", FROM_ENVIRONMENT)
def test_a_wrong_variable_is_refused_like_the_option_and_named(
    setting: tuple[str, str, str, str], monkeypatch: pytest.MonkeyPatch, refused: Call
) -> None:
    call, name, value, message = setting
    monkeypatch.setenv(name, value)
    code, text = refused(call.split())
    assert (code, message in text, name in text) == (2, True, True), text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "DRIFTLINE_IDEL_TIMEOUT",
            "DRIFTLINE_IDEL_TIMEOUT is ignored: nothing reads it; did you mean DRIFTLINE_IDLE_TIMEOUT?",
        ),
        ("DRIFTLINE_FLUSH_MSEC", "did you mean DRIFTLINE_FLUSH_MS?"),
        ("DRIFTLINE_READERS_PASSWORD", "did you mean DRIFTLINE_READER_PASSWORD?"),
        ("DRIFTLINE_ZZZ", "DRIFTLINE_ZZZ is ignored: nothing reads it driftline:"),
        ("DRIFTLINE_X", "DRIFTLINE_X is ignored: nothing reads it driftline:"),
        ("DRIFTLINE_RUNN", "did you mean DRIFTLINE_RUN?"),
        ("DRIFTLINE_YES", "DRIFTLINE_YES is no longer read: write --yes each time"),
        ("DRIFTLINE_OUT", "DRIFTLINE_OUT is no longer read: DRIFTLINE_TRAIN_OUT, DRIFTLINE_BACKUP_OUT and"),
    ],
)
def test_a_variable_that_nothing_reads_is_said_once_and_fails_nothing(
    name: str, expected: str, monkeypatch: pytest.MonkeyPatch, refused: Call
) -> None:
    before = refused(["runs"])
    monkeypatch.setenv(name, "1h")
    code, text = refused(["runs"])
    assert (code, text.count(name)) == (before[0], 1)
    assert expected in text
    assert text.endswith(before[1])


@pytest.mark.parametrize("call", ["backup", "report --run r --size 1h --window 2022-02-01", "train --month x"])
def test_a_variable_of_an_option_that_has_its_own_by_now_is_said_once(
    call: str, monkeypatch: pytest.MonkeyPatch, refused: Call
) -> None:
    monkeypatch.setenv("DRIFTLINE_OUT", "/tmp/x")
    assert refused(call.split())[1].count("DRIFTLINE_OUT ") == 1


def test_variables_that_something_reads_and_those_of_a_platform_are_no_misspellings() -> None:
    platform = {"DRIFTLINE_PORT": "tcp://10.0.0.1:8000", "DRIFTLINE_SERVICE_HOST": "x"}
    places = [
        *ROOT.glob("*.yml"),
        *ROOT.glob(".env.example"),
        *ROOT.glob("*/*.py"),
        *ROOT.glob("grafana/**/*.yaml"),
    ]
    read = {
        name
        for path in places
        for name in re.findall(r"\bDRIFTLINE_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    } - {"DRIFTLINE_NAME", "DRIFTLINE_COMMAND_NAME", *DROPPED}
    assert {"DRIFTLINE_FAILPOINT", "DRIFTLINE_ALERT_WEBHOOK", "DRIFTLINE_TRAIN_MONTH"} <= read
    environ = platform | dict.fromkeys(read, "1") | {"KAFKA_SIZSE": "1"}
    assert list(unknown(environ, get_command(command_line.app))) == []


STAGES = (
    *("consume", "monitor", "notify --notify json://h", "board"),
    *("dummy", "migrate", "backup", "restore {file}", "grafana", "demo"),
)
LISTS = (
    "alarms",
    "calibrate",
    "silence list",
    "weeks list",
    "runs",
    "runs rm r --yes",
    "windows",
    "columns --size 1h --window 2022-02-01",
)
WINDOWS = ("report --size 1h --window 2022-02-01", "recompute --size 1h --window 2022-02-01")


@pytest.mark.parametrize("call", [*STAGES, *LISTS, *WINDOWS])
def test_an_address_of_a_database_that_cannot_be_read_is_wrong_usage(
    call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refused: Call
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", "mysql://u:hush@127.0.0.1/d")
    code, text = refused(call.format(file=tmp_path / "file").split())
    assert (code, "DATABASE_URL is no libpq URL: write it as" in text, "hush" in text) == (2, True, False), text


@pytest.mark.parametrize("call", ["runs", "migrate"])
def test_a_database_that_was_named_and_is_away_is_to_be_looked_at(
    call: str, monkeypatch: pytest.MonkeyPatch, refused: Call
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/d")
    code, text = refused([call])
    assert code == 1
    assert "see that Postgres runs there, or correct DATABASE_URL" in text
    assert "stack up" not in text


def test_what_kubernetes_says_of_services_ends_no_command(monkeypatch: pytest.MonkeyPatch, refused: Call) -> None:
    for name in ("DRIFTLINE_PORT", "DRIFTLINE_METRICS_PORT", "DRIFTLINE_GRAFANA_PORT", "KAFKA_PORT"):
        monkeypatch.setenv(name, "tcp://10.0.0.1:8000")
    monkeypatch.setenv("KAFKA_SERVICE_HOST", "10.0.0.1")
    for call in ("consume", "produce --run r --synthetic"):
        code, text = refused(call.split())
        assert code == 2
        assert "run `driftline stack up`, or set" in text, "as without these variables"
    assert "DRIFTLINE_PORT" not in os.environ


def test_without_a_command_the_usual_order_of_steps_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["driftline"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    steps = [text.index(f" {step} ") for step in ("stack up", "train", "consume", "monitor", "board", "produce")]
    assert steps == sorted(steps)
    assert len(text.splitlines()) < 24


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["windows", "-h"], ["stack", "up", "-h"]])
def test_help_has_a_short_name_everywhere(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["driftline", *words])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 0
    assert "Usage: " in capsys.readouterr().out


def test_help_that_goes_through_a_pipe_is_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["driftline", "--help"])
    with pytest.raises(SystemExit, match="0"):
        command_line.main()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    for name, command in get_command(command_line.app).commands.items():  # type: ignore[attr-defined]
        assert f"{name} {' '.join(command.help.split(chr(10) * 2)[0].split())}" in text


def test_the_month_is_also_that_of_synthetic_trips() -> None:
    commands = get_command(command_line.app).commands  # type: ignore[attr-defined]
    for name in ("produce", "train", "demo"):
        (month,) = (option for option in commands[name].params if "--month" in option.opts)
        assert "with --synthetic, the month to generate" in month.help


def test_the_version_is_that_of_the_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["driftline", "--version"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 0
    stated = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated
    assert capsys.readouterr().out == f"driftline {stated[1]}\n"
