"""An option's default, help and variable stand in one place, and one variable means one thing."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from typer.main import get_command

import board.stage
import consumer.stage
import monitor.stage
from board.settings import Settings as BoardSettings
from cli import chosen, options
from cli import main as command_line
from cli.variables import DOCUMENT, DROPPED, OTHERS, document, variables
from consumer.settings import Settings as ConsumerSettings
from monitor.settings import Settings as MonitorSettings
from runtime.connections import ROOT
from schemas.errors import UsageError
from storage.prepare import PASSWORDS

COMMAND = get_command(command_line.app)
KNOWN = variables(COMMAND)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Servers are named, and never asked; `main` sets up logging for a whole process."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/x")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setattr(command_line, "ENVIRONMENT", {})
    monkeypatch.setattr("cli.chosen.usable_model", lambda model: model)
    yield
    structlog.reset_defaults()


def call(*words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["driftline", *words])
    with pytest.raises(SystemExit):
        command_line.main()


def refuse(*_: Any, **__: Any) -> None:
    raise UsageError("enough", "it was parsed")


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_a_variable_sets_one_option_and_means_one_thing(known: Any) -> None:
    assert (len(known.sets), len(known.meaning)) == (1, 1), known


def test_what_destroys_something_is_read_from_no_variable() -> None:
    assert {"--yes", "--force"}.isdisjoint(name for known in KNOWN for name in known.sets)


@pytest.mark.parametrize(
    ("name", "stage", "kind"),
    [
        ("consume", consumer.stage, ConsumerSettings),
        ("monitor", monitor.stage, MonitorSettings),
        ("board", board.stage, BoardSettings),
    ],
    ids=["consume", "monitor", "board"],
)
def test_a_stage_without_options_has_the_defaults_of_its_settings(
    name: str, stage: Any, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(stage, "run", lambda settings, *_: given.append(settings))
    for function in ("exit_now", "stop_on_signals"):  # which are for a whole process
        monkeypatch.setattr(f"cli.commands.stages.{function}", lambda: None)
    call(name, monkeypatch=monkeypatch)
    (settings,) = given
    fields = dict(zip(reversed(kind.__struct_fields__), reversed(kind.__struct_defaults__), strict=False))
    found = {name: getattr(settings, name) for name, default in fields.items() if default is not msgspec.NODEFAULT}
    outside = {"kafka", "instance", "scorers"}  # of the environment, of this process, of the stream
    assert {n: v for n, v in found.items() if n not in outside} == {
        n: v for n, v in fields.items() if n in found and n not in outside
    }


@pytest.mark.parametrize(("text", "promise"), [("none", None), ("2/month", 2.0)])
def test_a_monitor_watches_for_alarms_unless_it_is_told_not_to(
    text: str, promise: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[MonitorSettings] = []
    monkeypatch.setattr(monitor.stage, "run", lambda settings, *_: given.append(settings))
    for function in ("exit_now", "stop_on_signals"):
        monkeypatch.setattr(f"cli.commands.stages.{function}", lambda: None)
    call("monitor", "--promise", text, monkeypatch=monkeypatch)
    assert [settings.promise for settings in given] == [promise]


def test_an_option_changes_one_term_of_a_stream_and_leaves_the_others() -> None:
    assert chosen.run_config(pane_ms=None, max_ahead_ms=None) is None
    changed = chosen.run_config(pane_ms="1m", max_ahead_ms=None)
    assert changed == msgspec.structs.replace(chosen.stream().terms, pane_ms=60_000)


def test_the_document_lists_every_variable_as_it_is() -> None:
    assert document(COMMAND) == DOCUMENT.read_text(encoding="utf-8"), "run `make docs`"


@pytest.mark.parametrize("path", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda path: path.name)
def test_documents_name_only_variables_that_something_reads(path: Path) -> None:
    if path.name == "CHANGELOG.md":
        return
    named = set(re.findall(r"\bDRIFTLINE_[A-Z_]*[A-Z]\b(?!_)", path.read_text(encoding="utf-8")))
    assert named - {"DRIFTLINE_SERVICE_HOST"} <= {*OTHERS, *(known.name for known in KNOWN)}


def test_the_passwords_of_roles_are_known_and_nothing_that_was_dropped_is_read() -> None:
    assert PASSWORDS.keys() <= OTHERS.keys()
    assert not DROPPED.keys() & {known.name for known in KNOWN}


@pytest.mark.parametrize(
    ("command", "former", "now"),
    [
        ("train", "DRIFTLINE_MONTH", "DRIFTLINE_TRAIN_MONTH"),
        ("train", "DRIFTLINE_FILE", "DRIFTLINE_TRAIN_FILE"),
        ("dummy", "DRIFTLINE_RUN", "DRIFTLINE_DUMMY_RUN"),
        ("demo", "DRIFTLINE_SPEED", "DRIFTLINE_DEMO_SPEED"),
    ],
)
def test_a_variable_that_set_the_option_before_is_warned_of(
    command: str, former: str, now: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("cli.chosen.source", "cli.servers.check_database_url"):
        monkeypatch.setattr(place, refuse)
    monkeypatch.setenv(former, "2022-02")
    call(command, monkeypatch=monkeypatch)
    warning = rf"{former} no longer sets --\w+ of `\S*driftline {command}`: {now} does"
    assert re.search(warning, " ".join(capsys.readouterr().err.split()))


def test_a_variable_that_set_the_option_before_is_no_matter_where_the_option_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_RUN", "february")
    call("dummy", "--days", "0", "--run", "x", monkeypatch=monkeypatch)
    assert "no longer" not in capsys.readouterr().err


def test_the_model_of_the_stages_is_no_matter_to_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.chosen.source", refuse)
    monkeypatch.setenv("DRIFTLINE_MODEL", "models/artifacts/mine")
    call("train", monkeypatch=monkeypatch)
    assert "DRIFTLINE_MODEL" not in capsys.readouterr().err


def test_a_variable_of_one_command_is_called_after_it() -> None:
    assert options.variable("topic-prefix") == "DRIFTLINE_TOPIC_PREFIX"
    assert options.variable("out", "train") == "DRIFTLINE_TRAIN_OUT"
