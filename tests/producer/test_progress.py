from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console
from structlog.testing import capture_logs

from cli.listing import replay_bar
from producer.log import Log
from producer.transmit import Progress, log_progress
from schemas.durations import approximate_duration, moment_ms
from schemas.errors import BrokerUnreachable

HALF = Progress(moment_ms("2022-02-15T00:00"), {"trips": 35_000, "outcomes": 34_000}, share=0.5, left_s=330.0)


def test_a_log_line_says_how_much_is_done_what_is_left_and_where_the_replay_is() -> None:
    with capture_logs() as logs:
        log_progress(HALF)
        log_progress(Progress(moment_ms("2022-02-01"), {"trips": 0, "outcomes": 0}, lost=True))
    assert logs[0] | {"log_level": ""} == {
        "event": "progress",
        "log_level": "",
        "done": "50.0%",
        "left": "6m",
        "event_time": "2022-02-15T00:00",
        "trips": 35_000,
        "outcomes": 34_000,
    }
    assert "left" not in logs[1]
    assert logs[1]["kafka"] == "away"


def test_a_terminal_shows_one_line_of_progress() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with replay_bar(screen) as report:
        assert report is not None
        report(HALF)
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    for part in ("2022-02-15 00:00", "50%", "6m left", "35,000 trips"):
        assert part in shown


def test_where_nobody_looks_progress_is_logged() -> None:
    with replay_bar(Console(file=io.StringIO())) as report:
        assert report is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (99, "99s"),
        (330, "6m"),
        (5_940, "99m"),
        (7_500, "2h 05m"),
        (172_799, "2d 00h"),
        (273_600, "3d 04h"),
    ],
)
def test_durations_are_rounded_for_people(seconds: float, text: str) -> None:
    assert approximate_duration(seconds) == text


def test_a_dead_broker_is_said_once_with_what_to_do_and_for_how_long_we_wait() -> None:
    nowhere, never = {"bootstrap.servers": "127.0.0.1:1"}, threading.Event()
    with capture_logs() as logs, Log(nowhere, never) as kafka, pytest.raises(BrokerUnreachable, match="stack up"):
        kafka.ensure_topics(["trips"], None, patience_s=3)
    (warning,) = (entry for entry in logs if entry["event"] == "waiting_for_kafka")
    assert "stack up" in warning["do"]
    assert "KAFKA_BOOTSTRAP_SERVERS" in warning["do"]
    assert 0 <= warning["gives_up_in_s"] <= 3
