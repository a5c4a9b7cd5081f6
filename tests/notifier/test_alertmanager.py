"""A real Alertmanager: what fires is an alert there, what ends is resolved, what is silenced is not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.stack.part import ports
from notifier.addresses import parse
from notifier.alertmanager import Alertmanager
from storage.connect import connect
from storage.decisions import add_silence
from tests.fleet import eventually
from tests.monitor.changes import change
from tests.notifier.receivers import HERE
from tests.notifier.told import alarms, ask, begin, notifying, settings

PROGRAM = "prometheus-alertmanager"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"no {PROGRAM} here (apt install {PROGRAM})"),
]

CONFIG = """\
route: {receiver: nobody, group_by: [run]}
receivers: [{name: nobody}]
inhibit_rules:
  - source_matchers: [track="harm"]
    target_matchers: [track="change"]
    equal: [stream, run]
"""


@contextmanager
def running(folder: Path, port: int) -> Iterator[None]:
    """One that forgets everything in the end."""
    config = folder / "alertmanager.yml"
    config.write_text(CONFIG)
    command = [
        PROGRAM,
        f"--config.file={config}",
        f"--storage.path={folder / str(port)}",
        f"--web.listen-address={HERE}:{port}",
        "--cluster.listen-address=",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        eventually(lambda: asked(port) is not None, (folder / "log").read_text)
        yield
    finally:
        process.terminate()
        process.wait(60)


def asked(port: int) -> list[dict[str, Any]] | None:
    """Its alerts that are not resolved; None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{HERE}:{port}/api/v2/alerts", timeout=60) as response:
            return list(json.load(response))
    except (urllib.error.URLError, ConnectionError):
        return None


def states(port: int) -> dict[str, str]:
    """State by alarm."""
    return {one["labels"]["alarm"]: one["status"]["state"] for one in asked(port) or ()}


def settles(port: int, expected: dict[str, str]) -> None:
    eventually(lambda: states(port) == expected, lambda: f"{states(port)}, not {expected}")


def test_alarms_are_alerts_until_they_end_or_are_silenced_and_one_that_was_restarted_has_them_back(
    database: str, tmp_path: Path
) -> None:
    (port,) = ports(tmp_path, 1)
    begin(database)
    begin(database, "other")
    manager = Alertmanager(parse(f"http://{HERE}:{port}", {}), resend_s=0.2)
    with notifying(settings(database), [manager]):
        with running(tmp_path, port):
            harm = change("h", 1, track="harm", run_id="other")
            alarms(database, [change("a", 1), harm, change("b", 1, run_id="other")])
            settles(port, {"a": "active", "h": "active", "b": "suppressed"})
            (alert,) = [one for one in asked(port) or () if one["labels"]["alarm"] == "h"]
            assert alert["labels"]["severity"] == "critical"
            assert alert["annotations"]["id"] == "h#1"
            assert alert["generatorURL"] == "http://localhost:8000/alarm?run=other&id=h"
            ((made,),) = ask(database, "SELECT created_at FROM driftline.alarm_change WHERE alarm_id = 'h'")
            assert abs((datetime.fromisoformat(alert["startsAt"]) - made).total_seconds()) < 0.01
            alarms(database, [change("h", 2, track="harm", run_id="other", state="recovered")])
            settles(port, {"a": "active", "b": "active"})
            with connect(database) as connection:
                words = {"author": "me", "reason": "why", "track": None, "column": None}
                add_silence(connection, run="other", until=None, duration=timedelta(hours=1), **words)
            settles(port, {"a": "active"})
        alarms(database, [change("c", 1)])
        with running(tmp_path, port):
            settles(port, {"a": "active", "c": "active"})
            alarms(database, [change("a", 2, state="withdrawn")])
            settles(port, {"c": "active"})


def test_a_test_is_an_alert_of_its_own(tmp_path: Path) -> None:
    (port,) = ports(tmp_path, 1)
    with running(tmp_path, port):
        Alertmanager(parse(f"http://{HERE}:{port}", {})).test()
        assert [one["labels"] for one in asked(port) or ()] == [{"alertname": "DriftlineTest"}]
