from __future__ import annotations

from io import StringIO

import psycopg
import pytest
from rich.console import Console

from local.demo import summary
from schemas.errors import DriftlineError

pytestmark = pytest.mark.integration

TALLY = """
    INSERT INTO driftline.run_progress
        (run_id, topic, partition, last_seq, first_offset, accepted, late, future, invalid, duplicates)
    VALUES ('r', 'trips', 0, %s, 0, 90, 5, 2, 3, 7)"""


def shown(database: str) -> str:
    console = Console(file=StringIO(), width=140)
    with psycopg.connect(database) as connection:
        summary.show(connection, "r", console, seconds=61.4)
        summary.show_next_commands(console, summary.commands(connection, "r"))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


RUN = """
    INSERT INTO driftline.run (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, manifest)
    VALUES ('r', 1, 1, 1, 1, '{"injected": [{"starts_at": 7200000, "ends_at": 14400000,
                                             "label": "trip_distance in km", "columns": ["trip_distance"]}]}');"""
PROMISED = """
    INSERT INTO driftline.calibration
        (run_id, season_start, calibration_id, weeks, promise, about, signals, lines, unwatched, payload, state)
    VALUES ('r', '1970-01-01Z', 'c', '{}', %s, '', '{}', '{}', '{}', '', '')"""
ALARM = """
    INSERT INTO driftline.alarm
        (alarm_id, run_id, kind, message, track, state, pending_at, started_at, recovered_at, columns)
    VALUES (%s, 'r', 'drift', 'km, since Thu 1 Jan 1970 02:00', 'change', %s, %s, %s, %s,
            ARRAY['trip_distance', 'error', 'a', 'b'])"""


def test_an_injected_drift_is_told_by_its_alarm(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(RUN)
        connection.execute(PROMISED, [0.87])
        for name, state, fired, recovered in (
            ("late", "firing", "1970-01-03 05:00Z", None),
            ("first", "recovered", "1970-01-01 12:00Z", "1970-01-02 13:00Z"),
            ("suspected", "pending", "1970-01-01 03:00Z", None),
            ("taken back", "withdrawn", "1970-01-01 03:00Z", None),
        ):
            connection.execute(ALARM, [name, state, "1970-01-01 03:00Z", fired, recovered])
    text = shown(database)
    assert "pending Thu 01 Jan 03:00, firing 12:00, 10 h after it began: km; recovered" in text
    assert "before it  no alarm; promised: at most 0.9 false ones a month on average" in text


def test_alarms_before_a_drift_are_counted_and_none_is_said_where_none_came(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(RUN)
        connection.execute(PROMISED, [None])
        connection.execute(ALARM, ["a", "firing", "1970-01-01 00:00Z", "1970-01-01 02:00Z", None])
    text = " ".join(shown(database).replace("│", " ").split())
    assert "alarm none" in text
    assert "before it 1 alarm; too few calm weeks for a promise" in text


def test_what_to_go_on_with_can_be_pasted(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "program", lambda: ".venv/bin/driftline")
    commands = shown(database).partition("Go on with:\n")[2].splitlines()
    assert len(commands) >= 1
    assert all(line.startswith("  .venv/bin/driftline ") for line in commands)


def test_every_trip_is_accounted_for(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(TALLY, (99,))
    text = shown(database)
    assert "100 in = 90 in windows + 10 dead letters (5 late, 2 future, 3 invalid); 7 sent twice" in text
    assert "61 s" in text


def test_a_trip_that_is_lost_is_no_success(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(TALLY, (100,))
    with pytest.raises(DriftlineError, match="101 trips were sent, 100 are accounted for"):
        shown(database)


DRIFTED = """
    INSERT INTO driftline.run (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, manifest)
    VALUES ('r', 1, 1, 1, 1, '{"injected": [{"starts_at": 7200000, "ends_at": 14400000,
                                             "label": "trip_distance in km", "columns": ["trip_distance"]}]}');
    INSERT INTO driftline.window_result
        (run_id, stream, size_s, window_start, window_end, status, rows, sampled, offsets, columns_tested,
         columns_drifted, mae, written_at)
    SELECT 'r', stream, size_s, to_timestamp(size_s * n), to_timestamp(size_s * (n + 1)), 'final', 10 + n, 1, '{}',
           2, (n BETWEEN 2 AND 3)::int, CASE WHEN stream = 'labels' THEN 3 + (n BETWEEN 2 AND 3)::int END, now()
    FROM generate_series(0, 5) AS n, unnest(ARRAY['events', 'labels']) AS stream,
         unnest(ARRAY[3600, 21600, 86400]) AS size_s;
    INSERT INTO driftline.column_metric
        (run_id, stream, size_s, window_start, column_name, metric, value, threshold, severity, status)
    SELECT 'r', 'events', size_s, to_timestamp(size_s * n), 'trip_distance', 'drift', 1, 1, 12.3, 'drift'
    FROM unnest(ARRAY[3600, 21600, 86400]) AS size_s, generate_series(2, 3) AS n"""


def test_it_says_what_the_drift_did_to_the_model_and_fits_a_small_terminal(database: str) -> None:
    console = Console(file=StringIO(), width=80)
    with psycopg.connect(database) as connection:
        connection.execute(DRIFTED)
        connection.execute(PROMISED, [0.87])
        connection.execute(ALARM, ["a", "recovered", *["1970-01-01 05:00Z"] * 3])
        connection.execute(TALLY, (99,))
        summary.show(connection, "r", console, seconds=95.0, held_out=3.14)
        summary.show_next_commands(console, ("stack up", "board &", *summary.commands(connection, "r")))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "3.00 (1.0×) before, 4.00 (1.3×) during, 3.00 (1.0×) after; times the 3.14 held out" in " ".join(
        text.replace("│", " ").split()
    )
    lines = sum(-(-len(line) // 80) for line in text.splitlines())
    assert lines <= 23, text  # and one for the prompt


def test_a_drift_that_recurs_is_told_of_three_times(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(RUN)
        connection.execute(
            """UPDATE driftline.run SET manifest = jsonb_build_object('injected', (
                   SELECT jsonb_agg(jsonb_build_object('starts_at', 7200000 * n, 'ends_at', 7200000 * n + 3600000,
                                                       'label', 'time ' || n, 'columns', ARRAY['trip_distance']))
                   FROM generate_series(1, 5) AS n))"""
        )
        connection.execute(ALARM, ["a", "firing", "1970-01-01 05:00Z", "1970-01-01 05:00Z", None])
    text = " ".join(shown(database).replace("│", " ").split())
    assert [n for n in range(1, 6) if f"time {n}," in text] == [1, 2, 3]
    assert "time 1, Thu 01 Jan 02:00 alarm none injected time 2, Thu 01 Jan 04:00 alarm pending" in text
