from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
import pytest

from runtime.connections import Addresses
from tests.board.conftest import Served
from tests.fleet import PATIENCE_S, eventually
from tests.monitor.feed import HOUR, MINUTE, T0, TRIPS, Feed, monitor

pytestmark = pytest.mark.integration


@contextmanager
def followed(board: Served, **params: Any) -> Iterator[Iterator[tuple[str, Any]]]:
    """The events of a board, as (name, data)."""
    with board.client.stream("GET", "/api/events", params=params) as stream:
        assert stream.status_code == 200, stream.read()
        yield _events(stream.iter_lines())


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, orjson.loads(line.removeprefix("data: "))


def until(events: Iterator[tuple[str, Any]], name: str) -> Any:
    """The data of the next event of this name. Pings would go on for ever, where it does not come."""
    deadline = time.monotonic() + PATIENCE_S
    for found, data in events:
        if found == name:
            return data
        assert time.monotonic() < deadline, f"no event {name}"
    raise AssertionError(f"the stream ended without {name}")


def closed_hours(feed: Feed, hours: int = 3) -> None:
    """Rows in so many hours from T0, and the final heartbeat."""
    for partition in range(2):
        feed.flush(TRIPS, partition, [T0 + n * MINUTE for n in range(partition, 60 * hours, 2)])
    feed.finish()


def test_a_window_is_sent_when_a_monitor_publishes_it(board: Served, prepared: str) -> None:
    with Feed(prepared) as feed, followed(board, run="r", size="1h") as events:
        assert until(events, "status")["verdict"] == "waiting"
        closed_hours(feed)
        monitor(prepared)
        starts: list[int] = []
        while len(starts) < 3:
            message = until(events, "windows")
            starts += message["windows"]["start"]
            assert message["columns"][:2] == ["passenger_count", "trip_distance"]
        assert sorted(starts) == [T0, T0 + HOUR, T0 + 2 * HOUR]
    assert board.board.metrics.registry.get_sample_value("driftline_board_row_visible_seconds_count") == 3


def test_a_page_of_no_run_is_told_of_the_first_and_of_a_newer_one(board: Served, prepared: str) -> None:
    with followed(board) as events:
        for name in ("first", "second"):
            with Feed(prepared, run=name) as feed:
                feed.mark(T0)
            assert until(events, "run") == {"run": name}


def test_the_board_comes_back_when_its_connections_were_cut(board: Served, prepared: str) -> None:
    with Feed(prepared) as feed, followed(board, run="r", size="1h") as events:
        until(events, "status")
        with psycopg.connect(prepared, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'driftline-board' AND datname = current_database()"
            )
        closed_hours(feed, 1)
        monitor(prepared)
        assert until(events, "windows")["windows"]["rows"] == [60]
    eventually(lambda: board.get("/healthz").status_code == 200, lambda: board.get("/healthz").text)


def test_however_long_nobody_listened_what_was_written_meanwhile_is_told(
    board: Served, prepared: str, stack: Addresses
) -> None:
    def listens(whether: bool) -> None:
        eventually(lambda: board.board.hub.listening == whether, lambda: f"listening: {not whether} still")

    with Feed(prepared) as feed, followed(board, run="r", size="1h") as events:
        closed_hours(feed, 1)
        monitor(prepared)
        name = feed.connection.info.dbname
        with psycopg.connect(stack.database_url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[arg-type]
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'driftline-board' AND datname = %s",
                (name,),
            )
            listens(False)
            board.board.hub._in_sync_at -= 7_200
            feed.connection.execute(
                "UPDATE driftline.window_result SET rows = 61, written_at = now() - interval '1 hour'"
            )
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[arg-type]
        listens(True)
        while until(events, "windows")["windows"]["rows"] != [61]:
            pass


def test_it_ends_at_once_though_pages_are_open(board: Served, prepared: str) -> None:
    with Feed(prepared), followed(board) as events:
        until(events, "status")
        board.stop()
        assert {name for name, _ in events} <= {"status", "ping"}


def test_a_page_with_nothing_to_show_hears_that_the_board_lives(
    board: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("board.event_stream.PING_S", 0.05)
    with followed(board) as events:
        assert until(events, "ping") == {}


def test_a_note_of_what_no_window_can_be_ends_nothing(board: Served, prepared: str) -> None:
    """Any login may send one, the dashboards' too."""
    forged: list[dict[str, Any]] = [{"size_s": 0, "start": T0}, {"size_s": 3_600, "start": 10**17}]
    with Feed(prepared) as feed, followed(board, run="r", size="1h") as events:
        until(events, "status")
        with psycopg.connect(prepared, autocommit=True) as reader:
            reader.execute("SET ROLE driftline_reader")
            for note in forged:
                note |= {"run": "r", "stream": "events", "status": "final"}
                reader.execute("SELECT pg_notify('driftline_window', %s)", (orjson.dumps(note).decode(),))
        closed_hours(feed, 1)
        monitor(prepared)
        assert until(events, "windows")["windows"]["rows"] == [60]


def test_a_mistake_while_listening_ends_nothing(
    board: Served, prepared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads: list[str] = []

    def failing(channel: str, payload: str) -> None:
        payloads.append(payload)
        raise ArithmeticError

    monkeypatch.setattr(board.board.hub, "_dispatch", failing)
    with psycopg.connect(prepared, autocommit=True) as connection:

        def again() -> bool:
            connection.execute("NOTIFY driftline_progress, 'r'")
            return len(payloads) > 1

        eventually(again, lambda: "it does not listen again")


def test_health_is_bad_while_nobody_listens(board: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board.board.hub, "listening", False)
    found = board.get("/healthz")
    assert found.status_code == 503
    assert "does not send notifications" in found.json()["error"]
