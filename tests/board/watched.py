"""A run whose alarms a monitor watched, without one: made-up scores are folded, and stored as it stores them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from psycopg.types.json import Jsonb

from benchmarks.board import YEAR, seed
from monitor.verdict.evidence import allowances
from monitor.verdict.fold import Point, Series, State, Watch, WindowScore, fold
from monitor.verdict.lifecycle import Alarm
from monitor.verdict.members import Signal
from monitor.verdict.record import record
from monitor.verdict.summary import encode
from schemas.definition import Role
from schemas.durations import moment
from schemas.streams.taxi import TAXI
from storage.alarms import CalibrationRow, EvidenceRow, FoldTransaction, WatchTerms, lock_watch
from storage.connect import Connection, connect
from tests.monitor.feed import DAY, HOUR
from tests.monitor.verdict.weeks import LAYOUT as SMALL_LAYOUT
from tests.monitor.verdict.weeks import Bend, hours

WEEK = 7 * DAY
MONDAY = YEAR + 2 * DAY
"""2022-01-03, the first Monday after the first window."""
SIZES = (HOUR, 6 * HOUR, DAY)
LINES = {HOUR: 9.0, 6 * HOUR: 8.0, DAY: 6.0}
SIGNALS: Mapping[Role, tuple[Signal, ...]] = {
    "events": (
        Signal("trip_distance", "column", "trip_distance"),
        Signal("fare_amount", "column", "fare_amount"),
        Signal("prediction", "prediction", "prediction"),
        Signal("volume", "volume"),
    ),
    "labels": (
        Signal("trip_duration", "label", "trip_duration"),
        Signal("error", "error"),
        Signal("coverage", "coverage"),
    ),
}
LAYOUT = "0" * 64
PROMISE = 0.87
SET_BY = {"season": MONDAY - 3 * WEEK, "role": "events", "size": DAY, "signal": "volume"}
KEPT = (
    "Watching 7 signals at 1h, 6h, 1d. From your last 4 calm weeks: at most 0.9 false alarms a month on average, if"
    " next week is like those; 1.9 with 90 % confidence."
)
WORSE = """
UPDATE driftline.window_result SET mae = 2 * mae, columns_drifted = 2, share_drifted = 0.1
WHERE run_id = %s AND window_start >= %s AND window_start < %s"""
RED = """
UPDATE driftline.column_metric SET severity = severity + 1.4
WHERE run_id = %s AND window_start >= %s AND window_start < %s AND column_name IN ('trip_distance', 'prediction')"""
PRICE = "1 calm week: the best that can be promised is 2.2 false alarms a month; 3 more calm weeks for one a month."


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A run from YEAR on, with hourly windows.

    Attributes:
        days: That it has.
        drifts: First and last day, from YEAR on, of trips that are longer, and of what is predicted badly.
        refused: Why nothing is promised.
        done: Whether the run is over.
    """

    days: int = 56
    drifts: Sequence[tuple[int, int]] = ()
    refused: str | None = None
    done: bool = True

    def put(self, database: str, run: str) -> list[Alarm]:
        """Write it into a database. Returns its alarms, the first first."""
        with connect(database) as connection:
            connection.autocommit = True
            self._windows(connection, run)
            with connection.transaction():
                terms = WatchTerms(layout=LAYOUT, sizes=SIZES, promise=1.0, holidays="US-NY")
                watch = lock_watch(connection, run, terms)
                assert watch is not None
                return self._fold(FoldTransaction(connection, connection, run, watch), connection, run)

    def _windows(self, connection: Connection, run: str) -> None:
        seed(connection, run, windows=24 * self.days, metrics=["drift"])
        if not self.done:
            connection.execute("UPDATE driftline.run SET finished_at = NULL WHERE run_id = %s", (run,))
        for first, end in self.drifts:
            span = run, moment(YEAR + first * DAY), moment(YEAR + end * DAY)
            connection.execute(WORSE, span)
            connection.execute(RED, span)
        connection.execute(
            "INSERT INTO driftline.summary_layout VALUES (%s, '{}') ON CONFLICT DO NOTHING", (LAYOUT,)
        )

    def _fold(self, transaction: FoldTransaction, connection: Connection, run: str) -> list[Alarm]:
        state, alarms = State(), dict[Any, Alarm]()
        scores = sorted(_scores(self.days, self.drifts), key=lambda score: score.order)
        for season in sorted({score.season for score in scores}):
            measured = _watch(season, self.refused)
            folded = fold(state, [score for score in scores if score.season == season], measured)
            state = folded.state
            alarms |= folded.alarms
            for gone in folded.dropped:
                alarms.pop(gone, None)
            transaction.write_calibration(_calibration(measured, self.refused))
            transaction.write_evidence([_evidence(point, measured.calibration_id) for point in folded.points])
        for alarm in alarms.values():
            _write(connection, run, alarm)
        transaction.finish(state=b"{}", season=None, excluded=(), done=self.done, folded=())
        return sorted(alarms.values(), key=lambda alarm: alarm.pending_at)


def hold(connection: Connection, run: str, days: int, drifts: Sequence[tuple[int, int]], bend: Bend) -> None:
    """Store what hourly windows of events of `Watched` held: the bins of a small layout, bent in some days."""
    calm, bent = (hours(1, seed=4, bend=each).summaries["events"] for each in (None, bend))
    connection.execute(
        "INSERT INTO driftline.summary_layout VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (SMALL_LAYOUT.hash, SMALL_LAYOUT.encode().decode()),
    )
    connection.execute("UPDATE driftline.watch SET layout = %s WHERE run_id = %s", (SMALL_LAYOUT.hash, run))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO driftline.window_summary (run_id, stream, size_s, window_start, layout, rows, payload)"
            " VALUES (%s, 'events', 3600, to_timestamp(%s), %s, 1, %s)",
            [
                (run, start / 1000, SMALL_LAYOUT.hash, encode(replace(held.between(at, at + HOUR), start=start)))
                for hour in range(24 * days)
                for start, at in [(YEAR + hour * HOUR, MONDAY + hour % 24 * HOUR)]
                for held in [bent if any(first <= hour // 24 < end for first, end in drifts) else calm]
            ],
        )


def _evidence(point: Point, calibration_id: str) -> EvidenceRow:
    score = point.score
    return EvidenceRow(
        role=score.role, size=score.size, start=score.start, season=score.season, due=score.due,
        calibration_id=calibration_id, rows=100, value=point.level, signal=point.signal, z=score.z,
        shares=score.shares,
    )  # fmt: skip


def _scores(days: int, drifts: Sequence[tuple[int, int]]) -> Iterator[WindowScore]:
    made = np.random.default_rng(7)
    for role, signals in SIGNALS.items():
        late = 10 * 60_000 if role == "events" else 2 * HOUR
        for size in SIZES:
            for start in range(YEAR, YEAR + days * DAY, size):
                z = made.normal(0, 0.9, len(signals))
                if any(YEAR + first * DAY <= start < YEAR + end * DAY for first, end in drifts):
                    z += {"events": [3.0, 0, 2.6, 0], "labels": [0, 2.4, 0]}[role]
                yield WindowScore(
                    role=role, size=size, start=start, due=start + size + late, season=_season(start),
                    z=tuple(np.float32(z).astype(float).tolist()),
                )  # fmt: skip


def _season(start: int) -> int:
    return MONDAY + (start - MONDAY) // WEEK * WEEK


def _watch(season: int, refused: str | None) -> Watch:
    series = {
        (role, size): Series(
            signals=signals,
            drift=tuple(allowances(signals, size).tolist()),
            line=(LINES[size],) * len(signals),
            rates=(1.0,) * len(signals),
        )
        for role, signals in SIGNALS.items()
        for size in SIZES
    }
    return Watch(
        season=season, calibration_id=f"{season:064x}", promise=None if refused else PROMISE, series=series
    )


def _calibration(watch: Watch, refused: str | None) -> CalibrationRow:
    return CalibrationRow(
        season=watch.season,
        calibration_id=watch.calibration_id,
        weeks=(1,) if refused else tuple(watch.season - n * WEEK for n in range(4, 0, -1)),
        promise=watch.promise,
        set_by=SET_BY,
        refused=refused,
        about=f"Watching 7 signals at 1h, 6h, 1d, without a promise. {refused}" if refused else KEPT,
        signals={role: [signal.name for signal in signals] for role, signals in SIGNALS.items()},
        lines={
            role: {str(size // 1_000): list(watch.series[role, size].line) for size in SIZES} for role in SIGNALS
        },
        unwatched={},
        payload=b"",
        state=b"{}",
    )


def _write(connection: Connection, run: str, alarm: Alarm) -> None:
    members = [
        {name: getattr(m, name) for name in ("role", "name", "kind", "column", "value", "since", "consequence")}
        | {"size_s": m.size // 1_000}
        for m in alarm.members
    ]
    times = {
        name: None if at is None else moment(at)
        for name, at in {
            "started_at": alarm.pending_at if alarm.fired_at is None else alarm.fired_at,
            "recovered_at": alarm.recovered_at,
            "window_start": alarm.start,
            "first_evidence": alarm.first_evidence,
            "pending_at": alarm.pending_at,
        }.items()
    }
    params = times | {
        "alarm_id": alarm.name(run), "run_id": run, "severity": alarm.value, "columns": [*alarm.columns],
        "kind": alarm.kind, "message": record(alarm, run, TAXI, 1.0).message, "state": alarm.state,
        "track": "change", "harm": alarm.harm, "stream": alarm.role, "window_size_s": alarm.size // 1_000,
        "members": Jsonb(members),
        "calibration_id": alarm.calibration_id, "promise": alarm.promise,
    }  # fmt: skip
    names = ", ".join(params)
    connection.execute(
        f"INSERT INTO driftline.alarm ({names}) VALUES ({', '.join(f'%({name})s' for name in params)})", params
    )


def judge(connection: Connection, run: str, alarm: Alarm, verdict: str, note: str = "") -> None:
    """Let somebody acknowledge an alarm."""
    connection.execute(
        "INSERT INTO driftline.alarm_ack (alarm_id, run_id, verdict, note, author) VALUES (%s, %s, %s, %s, 'ana')",
        (alarm.name(run), run, verdict, note),
    )
