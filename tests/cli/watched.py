"""A run that is watched: calibrations, evidence and alarms as the monitor writes them, without one."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.alarm_text import alarm_text
from schemas.alarms import AlarmMember, AlarmRecord
from schemas.durations import moment, moment_ms
from schemas.streams.taxi import TAXI
from storage.alarms import CalibrationRow, EvidenceRow, FoldTransaction, WatchTerms, lock_watch
from storage.connect import Connection, connect
from storage.streams import remember

HOUR = 3_600_000
WEEK = 7 * 24 * HOUR
MONDAY = moment_ms("2022-02-14")
ONSET = MONDAY + 24 * HOUR
SIGNALS = {"events": ["trip_distance", "prediction", "volume"], "labels": ["duration", "error", "coverage"]}

PROMISED = (
    "Watching 6 signals at 1h, 6h. From your last 4 calm weeks: at most 0.9 false alarms a month on average, if"
    " next week is like those; 1.6 with 90 % confidence."
)
REFUSED = (
    "Watching 6 signals at 1h, 6h, without a promise. 1 calm week: the best that can be promised is 2.2 false"
    " alarms a month; 3 more calm weeks for one a month."
)


def member(name: str, value: float, **more: Any) -> AlarmMember:
    known = {
        "role": "events",
        "kind": "column",
        "column": name,
        "size_s": 3600,
        "since": ONSET,
        "consequence": False,
    }
    return AlarmMember(**known | {"name": name, "value": value} | more)


def alarm(start: int = ONSET + 11 * HOUR, **more: Any) -> AlarmRecord:
    """An alarm that a window raised which starts then."""
    known: dict[str, Any] = {
        "run_id": "february",
        "stream": "taxi",
        "track": "change",
        "state": "firing",
        "kind": "drift",
        "harm": "both",
        "message": "",
        "role": "events",
        "size_s": 3600,
        "window_start": start,
        "first_evidence": ONSET,
        "pending_at": ONSET + 4 * HOUR,
        "fired_at": start + HOUR,
        "recovered_at": None,
        "value": 3.14159,
        "promise": 0.87,
        "calibration_id": "c" * 64,
        "members": (
            member("trip_distance", 3.14159),
            member("error", 1.5, role="labels", kind="error", column=None, size_s=21_600),
            member("prediction", 2.5, kind="prediction", consequence=True),
        ),
    } | more
    where = f"{known['run_id']}:{known['role']}:1h:{moment(start):%Y-%m-%dT%H:%M:%S}"
    made = AlarmRecord(alarm_id=f"change:{where}", **known)
    return replace(made, message=alarm_text(made, TAXI))


def begin(connection: Connection, run: str = "february") -> None:
    """Begin a run of the taxi stream and watch it."""
    remember(connection, TAXI)
    connection.execute(
        "INSERT INTO driftline.run (run_id, stream, stream_hash, pane_ms, lateness_ms, outcome_lateness_ms,"
        " max_ahead_ms, finished_at) VALUES (%s, %s, %s, 300000, 0, 0, 1, now())",
        (run, TAXI.name, TAXI.hash),
    )
    connection.execute(
        "INSERT INTO driftline.summary_layout (hash, layout) VALUES ('l', '{}') ON CONFLICT DO NOTHING"
    )


def write(
    url: str, *alarms: AlarmRecord, run: str = "february", evidence: bool = True, refused: str | None = None
) -> None:
    """Fold two weeks of a run, in so far as tables show it."""
    with connect(url) as writer, connect(url) as reader:
        begin(writer, run)
        with writer.transaction():
            watch = lock_watch(writer, run, WatchTerms(layout="l", sizes=(HOUR, 6 * HOUR), promise=1.0))
            assert watch is not None
            fold = FoldTransaction(reader, writer, run, watch)
            for season in (MONDAY - WEEK, MONDAY):
                fold.write_calibration(_calibration(season, refused))
            if evidence:
                fold.write_evidence([_evidence(n) for n in range(-2, 36)])
            for one in alarms:
                fold.write_alarm(one)
            fold.write_changes(one for one in alarms if one.state != "pending")


def _calibration(season: int, refused: str | None) -> CalibrationRow:
    weeks = (1,) if refused else (4, 3, 2, 1)
    return CalibrationRow(
        season=season,
        calibration_id=("c" if season == MONDAY else "b") * 64,
        weeks=tuple(season - back * WEEK for back in weeks),
        promise=None if refused else 0.87,
        set_by={"season": season - WEEK, "role": "events", "size": 6 * HOUR, "signal": "volume"},
        refused=refused,
        about=REFUSED if refused else PROMISED,
        signals=SIGNALS,
        lines={"events": {"3600": [3.0, 3.0, 3.0]}},
        unwatched={"labels": {"3600": "half of its windows have fewer than 20 rows"}},
        payload=b"",
        state=b"",
    )


def _evidence(hours: int) -> EvidenceRow:
    """After a window that starts so many hours after the onset."""
    start = ONSET + hours * HOUR
    return EvidenceRow(
        role="events",
        size=HOUR,
        start=start,
        season=MONDAY,
        due=start + HOUR,
        calibration_id="c" * 64,
        rows=812,
        value=max(hours, 0) / 11,
        signal="trip_distance",
        z=(max(hours, 0) / 4, 0.5, -0.25),
        shares={"volume": 1.0},
    )
