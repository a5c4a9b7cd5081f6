"""`driftline notify` as an operator calls it: nothing secret leaves the environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import notifier.stage
from cli import main as command_line
from notifier.settings import Settings
from runtime.connections import ROOT
from tests.fleet import PATIENCE_S, eventually
from tests.monitor.changes import change
from tests.notifier.receivers import HERE, HttpReceiver, receiving
from tests.notifier.told import alarms, begin, outcomes

SECRETS = {"PW": "gehe im/@", "HOOK": "T0KEN1234"}


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Call the command; (exit code, what it printed in one line)."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/x")
    monkeypatch.setattr(command_line, "ENVIRONMENT", {})

    def called(*words: str) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["driftline", "notify", *words])
        code: Any = 0
        try:
            command_line.main()
        except SystemExit as ended:
            code = ended.code or 0
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    yield called
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nobody is to be told of alarms: name somebody with --notify or --alertmanager"),
        (("--notify", "chnage=mailto://h"), "'chnage' is no track"),
        (("--notify", "mailto://me:$PW@h"), "$PW, which is not set"),
        (("--notify", "mailto://me:geheim@h.org"), "put it into a variable"),
        (("--notify", "slack://geheim"), "apprise cannot use an address slack://…"),
        (("--alertmanager", "http://me:geheim@h:9093"), "put it into a variable"),
        (("--alertmanager", "mailto://geheim"), "write it as http://HOST:9093"),
        (("--notify", "json://h", "--remind-every", "soon"), "soon"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage_and_shows_no_secret(words: Any, said: str, call: Any) -> None:
    code, text = call(*words)
    assert code == 2
    assert said in text
    assert "geheim" not in text


def test_a_secret_may_stand_in_a_variable_of_ours(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Settings] = []
    monkeypatch.setattr(notifier.stage, "run", lambda settings, *_: given.append(settings))
    for function in ("exit_now", "stop_on_signals"):  # which are for a whole process
        monkeypatch.setattr(f"cli.commands.stages.{function}", lambda: None)
    monkeypatch.setenv("DRIFTLINE_NOTIFY", "mailto://me:geheim@h.org harm=json://h/x")
    monkeypatch.setenv("DRIFTLINE_ALERTMANAGER", "http://me:geheim@h:9093")
    assert call("--remind-every", "never") == (0, "")
    (settings,) = given
    assert [str(address.selection) for address in settings.notify] == ["all", "harm"]
    assert [address.url for address in settings.alertmanager] == ["http://me:geheim@h:9093"]
    assert settings.remind_s is None


def test_defaults_are_those_of_the_settings(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Settings] = []
    monkeypatch.setattr(notifier.stage, "run", lambda settings, *_: given.append(settings))
    for function in ("exit_now", "stop_on_signals"):
        monkeypatch.setattr(f"cli.commands.stages.{function}", lambda: None)
    call("--notify", "json://h")
    (settings,) = given
    assert settings == Settings(database_url=settings.database_url, notify=settings.notify)


def test_a_test_is_sent_to_each_target_and_says_who_did_not_take_it(http: HttpReceiver, call: Any) -> None:
    code, text = call("--test", "--notify", f"json://{HERE}:{http.port}")
    assert code == 0
    assert text.startswith(f"json://{HERE}:{http.port} #")
    assert text.endswith(": taken")
    code, text = call("--test", "--notify", f"json://{HERE}:{http.port}", "--notify", f"json://{HERE}:9")
    assert code == 1
    assert "1 of 2 did not take it" in text
    assert "refused" in text
    assert [body["title"] for _, body in http.got] == ["[test] Driftline"] * 2


@pytest.mark.integration
def test_a_process_shows_its_secrets_in_no_list_and_no_log(
    database: str, http: HttpReceiver, tmp_path: Path
) -> None:
    begin(database)
    words = [
        "notify",
        "--notify",
        f"json://me:$PW@{HERE}:{http.port}/$HOOK",
        "--notify",
        f"json://me:$PW@{HERE}:9/$HOOK",
    ]
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "driftline.py", *words, "--alertmanager", f"http://me:$PW@{HERE}:9"],
            cwd=ROOT,
            env=os.environ | SECRETS | {"DATABASE_URL": database},
            stdout=file,
            stderr=file,
        )
    try:
        eventually(lambda: b"notifying" in log.read_bytes(), log.read_text)
        alarms(database, [change("a", 1)])
        eventually(lambda: http.ids == ["a#1"] and outcomes(database), log.read_text)
        eventually(lambda: log.read_text().count("notification_failed") >= 3, log.read_text)
        shown = Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_S)
    assert code == 0, log.read_text()
    assert "$PW" in shown
    for secret in ("gehe", "T0KEN1234"):
        assert secret not in shown
        assert secret not in log.read_text()
    assert http.got[0][0]["Authorization"] == "Basic bWU6Z2VoZSBpbS9A"
