"""Evidence and alarms of a run: read in one snapshot, written in the transaction that holds the row of `watch`.

Times are ms since the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from schemas.alarms import AlarmRecord
from schemas.definition import Records, Role
from schemas.durations import moment
from schemas.records import MAX_TIME
from schemas.text import printable
from storage.connect import Connection, Jsonb
from storage.queries import load_queries
from storage.snapshot import Snapshot, ms_of

SQL = load_queries(Path(__file__).with_suffix(".sql"))

ALARM_COLUMNS = (
    "state",
    "track",
    "kind",
    "harm",
    "value",
    "columns",
    "message",
    "role",
    "size_s",
    "window_start",
    "first_evidence",
    "pending_at",
    "started_at",
    "recovered_at",
    "calibration_id",
    "promise",
    "estimated",
    "unestimated",
    "members",
)
"""What is written of an alarm, the document last."""

CALIBRATION_COLUMNS = (
    "calibration_id",
    "weeks",
    "promise",
    "refused",
    "about",
    "set_by",
    "signals",
    "lines",
    "unwatched",
)
"""What is written of a calibration, but for what it is decoded from; the four documents last."""


ErrorSums = tuple[float, ...]
"""Of labels and of events, as column `errors` of table `evidence` has them."""


class WatchTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is watched: whoever folds its first window decides.

    Attributes:
        layout: Hash of the bins of its summaries.
        sizes: Of the windows, ms.
        promise: False alarms a month that are asked for.
        holidays: Calendar, such as `US-NY`; '' for none.
        segments: Hash of how its segments are divided; '' where they are not watched.
    """

    layout: str
    sizes: tuple[int, ...]
    promise: float
    holidays: str = ""
    segments: str = ""


class StoredWatch(msgspec.Struct, frozen=True, kw_only=True):
    """A run's row of `watch`.

    Attributes:
        terms: How it is watched.
        state: After the last window that was folded; None: none was.
        excluded: Starts of the seasons that people had excluded by then.
        done: Whether all its windows were folded, and no more can come.
    """

    terms: WatchTerms
    state: bytes | None
    excluded: tuple[int, ...]
    done: bool


class Unfolded(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was written and is not evidence yet. start: of the window, ms; None: people have decided."""

    id: int
    role: Role | None
    size: int
    start: int | None


class StoredSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a closed window held. layout, payload: None where its rows could not be read. segments: None without."""

    start: int
    rows: int
    layout: str | None
    payload: bytes | None
    segments: bytes | None = None


ALL_SEGMENTS = "*"
"""In the place of a segment: the evidence of all of them, which have one line."""


class EvidenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence after one window; fields as the columns of table `evidence`."""

    role: Role
    size: int
    start: int
    season: int
    due: int
    calibration_id: str
    rows: int
    value: float
    signal: str | None
    z: tuple[float, ...]
    shares: Mapping[str, float]
    errors: ErrorSums | None = None
    segment: str = ""


class StoredScore(msgspec.Struct, frozen=True, kw_only=True):
    """What a window said when it was folded."""

    calibration_id: str
    rows: int
    z: tuple[float, ...]
    shares: Mapping[str, float]
    errors: ErrorSums | None = None


class CalibrationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A calibration as it is written; fields as the columns of table `calibration`."""

    season: int
    calibration_id: str
    weeks: tuple[int, ...]
    promise: float | None
    set_by: Any
    refused: str | None
    about: str
    signals: Any
    lines: Any
    unwatched: Any
    payload: bytes
    state: bytes
    segments: bytes | None = None


class FoldTransaction:
    """One fold of a run: what it reads is of one moment, what it writes is committed as a whole or not at all."""

    def __init__(self, reader: Connection, writer: Connection, run_id: str, watch: StoredWatch) -> None:
        """reader, writer: In a transaction each; that of the reader is one snapshot."""
        self.watch = watch
        self.snapshot = Snapshot(reader)
        self._reader = reader
        self._writer = writer
        self._run_id = run_id

    def _rows(self, query: str, **params: Any) -> list[Any]:
        with self._reader.cursor(binary=True) as cursor:
            return cursor.execute(SQL[query], {"run_id": self._run_id} | params).fetchall()

    def _write(self, query: str, **params: Any) -> Any:
        return self._writer.execute(SQL[query], {"run_id": self._run_id} | params)

    def first_missing(self, records: Records, *, size: int, start: int, end: int) -> int | None:
        """The start of the first window in [start, end) that has rows and no closed result."""
        where = {"topic": records.topic, "stream": records.role, "size_s": size // 1_000}
        ((found,),) = self._rows("first_missing", **where, **_span(start, end))
        return None if found is None else ms_of(found)

    def unfolded(self) -> list[Unfolded]:
        """What was written and is not evidence yet."""
        return [
            Unfolded(id=id, role=role, size=1_000 * (size_s or 0), start=None if at is None else ms_of(at))
            for id, role, size_s, at in self._rows("unfolded")
        ]

    def excluded(self, stream: str) -> tuple[int, ...]:
        """Starts of the seasons of a stream that people have excluded."""
        return tuple(ms_of(at) for (at,) in self._rows("excluded", stream=stream))

    def summaries(self, role: Role, *, size: int, start: int, end: int) -> dict[int, StoredSummary]:
        """Closed windows of one role and size that start in [start, end), by start."""
        rows = self._rows("windows", stream=role, size_s=size // 1_000, **_span(start, end))
        return {
            ms_of(at): StoredSummary(start=ms_of(at), rows=held, layout=layout, payload=payload, segments=segments)
            for at, held, layout, payload, segments in rows
        }

    def scores(self, season: int) -> dict[tuple[Role, int, int], StoredScore]:
        """What was folded of a season, by (role, size, start)."""
        return {
            (role, 1_000 * size_s, ms_of(at)): StoredScore(
                calibration_id=calibration,
                rows=rows,
                z=tuple(z),
                shares=json.loads(shares),
                errors=None if errors is None else tuple(errors),
            )
            for role, size_s, at, calibration, rows, z, shares, errors in self._rows(
                "scores", season=moment(season)
            )
        }

    def newest(self) -> list[tuple[Role, int, int]]:
        """(role, size, start) of the newest window of each role and size that was folded."""
        return [(role, 1_000 * size_s, ms_of(at)) for role, size_s, at in self._rows("newest")]

    def calibration_id(self, season: int) -> str | None:
        """What a season is measured against; None where it has not begun."""
        found = self._rows("calibration_id", season=moment(season))
        return found[0][0] if found else None

    def calibration(self, season: int) -> tuple[bytes, bytes | None]:
        """The calibration of a season that has begun, and that of its segments."""
        ((payload, segments),) = self._rows("calibration", season=moment(season))
        return bytes(payload), segments

    def state_before(self, season: int) -> bytes | None:
        """The state in which a season began; None where it has not."""
        found = self._rows("state_before", season=moment(season))
        return bytes(found[0][0]) if found else None

    def seasons(self) -> list[int]:
        """The seasons that have begun."""
        return [ms_of(at) for (at,) in self._rows("seasons")]

    def forget(self, season: int) -> None:
        """Delete what was folded from a season on, and the calibrations after it: both are made anew."""
        self._write("forget_evidence", season=moment(season))
        self._write("forget_calibrations", season=moment(season))

    def write_evidence(self, rows: Sequence[EvidenceRow]) -> None:
        """Write the evidence after some windows."""
        if not rows:
            return
        self._write(
            "write_evidence",
            streams=[row.role for row in rows],
            segments=[row.segment for row in rows],
            sizes_s=[row.size // 1_000 for row in rows],
            starts=[moment(row.start) for row in rows],
            seasons=[moment(row.season) for row in rows],
            due=[moment(row.due) for row in rows],
            calibrations=[row.calibration_id for row in rows],
            rows=[row.rows for row in rows],
            values=[row.value for row in rows],
            signals=[row.signal for row in rows],
            z=[_array(row.z) for row in rows],
            errors=[None if row.errors is None else _array(row.errors) for row in rows],
            shares=[json.dumps(row.shares) for row in rows],
        )

    def write_calibration(self, row: CalibrationRow) -> None:
        """Write what a season is measured against."""
        params = calibration_params(row)
        params |= {name: None if params[name] is None else Jsonb(params[name]) for name in CALIBRATION_COLUMNS[-4:]}
        self._write("write_calibration", **params)

    def alarms_since(self, start: int) -> dict[str, str]:
        """Id → state of the alarms that windows or seasons raised which start at `start` or later."""
        return dict(self._rows("alarms_since", **{"from": moment(start)}))

    def write_alarm(self, alarm: AlarmRecord) -> None:
        """Write an alarm as it is now."""
        params = alarm_params(alarm)
        self._write("write_alarm", **params | {"members": Jsonb(params["members"])})

    def drop_suspicions(self, alarm_ids: Sequence[str]) -> None:
        """Delete alarms that were only pending."""
        if alarm_ids:
            self._write("drop_suspicions", alarm_ids=list(alarm_ids))

    def withdraw(self, alarm_ids: Sequence[str]) -> list[AlarmRecord]:
        """Withdraw alarms whose evidence is gone.

        Returns:
            Those that had fired, as their last change left them.
        """
        if not alarm_ids:
            return []
        found = self._write("withdraw", alarm_ids=list(alarm_ids)).fetchall()
        return [
            msgspec.structs.replace(msgspec.json.decode(text, type=AlarmRecord), state="withdrawn")
            for (alarm_id,) in found
            for (text,) in self._write("last_record", alarm_id=alarm_id).fetchall()
        ]

    def write_changes(self, changes: Iterable[AlarmRecord]) -> list[AlarmRecord]:
        """Write what has changed, in order, but for what was written before.

        Args:
            changes: All changes of the alarms that they are of, as far as they were folded just now.

        Returns:
            Those that are new.
        """
        by_alarm: dict[str, list[AlarmRecord]] = {}
        for change in changes:
            by_alarm.setdefault(change.alarm_id, []).append(change)
        if not by_alarm:
            return []
        known = {
            alarm_id: (number, state)
            for alarm_id, number, state in self._write("last_changes", alarm_ids=list(by_alarm)).fetchall()
        }
        fresh = []
        for alarm_id, own in by_alarm.items():
            number, state = known.get(alarm_id, (0, None))
            for more, change in enumerate(unwritten(own, state), 1):
                record = Jsonb(msgspec.to_builtins(change))
                params = {"alarm_id": alarm_id, "number": number + more, "state": change.state, "alarm": record}
                self._write("write_change", **params)
                fresh.append(change)
        return fresh

    def finish(
        self, *, state: bytes | None, season: int | None, excluded: Sequence[int], done: bool, folded: Sequence[int]
    ) -> None:
        """Keep how far the run was folded.

        Args:
            state: After the last window.
            season: Of the last window.
            excluded: Seasons that people have excluded.
            done: Whether no more can come.
            folded: Of `Unfolded`, the ids that are evidence now.
        """
        if folded:
            self._write("delete_unfolded", ids=list(folded))
        self._write(
            "keep_state",
            state=state,
            season=None if season is None else moment(season),
            excluded=[moment(at) for at in excluded],
            done=done,
        )


def alarm_params(alarm: AlarmRecord) -> dict[str, Any]:
    """Return the columns of an alarm by name, those of ALARM_COLUMNS among them."""
    times = ("window_start", "first_evidence", "pending_at", "recovered_at")
    params = msgspec.structs.asdict(alarm)
    params |= {name: None if params[name] is None else moment(params[name]) for name in times}
    params |= {"started_at": moment(alarm.pending_at if alarm.fired_at is None else alarm.fired_at)}
    params |= {"members": msgspec.to_builtins(alarm.members), "columns": alarm.columns}
    return params | {"message": printable(alarm.message, 2_000, keep="\n")}


def calibration_params(row: CalibrationRow) -> dict[str, Any]:
    """Return the columns of a calibration by name, those of CALIBRATION_COLUMNS among them."""
    params = msgspec.structs.asdict(row)
    return params | {"season": moment(row.season), "weeks": [moment(week) for week in row.weeks]}


def _array(numbers: Iterable[float]) -> str:
    return "{" + ",".join(map(repr, numbers)) + "}"


def unwritten(changes: Sequence[AlarmRecord], last: str | None) -> Sequence[AlarmRecord]:
    """Of the changes of one alarm, choose those that are news.

    Args:
        changes: From its first on, or from the last one that was written.
        last: State after the last change that was written; None: none was.
    """
    states = [change.state for change in changes]
    if last is None or last not in states:
        return changes if last is None else changes[-1:]
    return changes[states.index(last) + 1 :]


def to_fold(connection: Connection, run_ids: Sequence[str]) -> set[str]:
    """Those of these runs that have something left to fold."""
    return {run_id for (run_id,) in connection.execute(SQL["to_fold"], {"run_ids": list(run_ids)})}


def ask_to_fold(connection: Connection, run_id: str) -> None:
    """Let a run be folded again as far as what people have decided since matters."""
    connection.execute(SQL["ask_to_fold"], {"run_id": run_id})


def lock_watch(connection: Connection, run_id: str, terms: WatchTerms) -> StoredWatch | None:
    """Take a run's row of `watch` until the transaction ends, and make it where there is none.

    Returns:
        None where somebody else has it, or the run is gone.
    """
    row = connection.execute(SQL["lock_watch"], {"run_id": run_id}).fetchone()
    if row is None:
        if connection.execute(SQL["watched"], {"run_id": run_id}).fetchone() is not None:
            return None
        params = msgspec.structs.asdict(terms) | {"run_id": run_id}
        params |= {"sizes_s": [size // 1_000 for size in terms.sizes]}
        connection.execute(SQL["begin_watch"], params)
        row = connection.execute(SQL["lock_watch"], {"run_id": run_id}).fetchone()
    return None if row is None else _watch(row)


def stored_watch(connection: Connection, run_id: str) -> StoredWatch | None:
    """Return how a run is watched, and how far it was folded; None where it is not."""
    with connection.cursor(binary=True) as cursor:
        row = cursor.execute(SQL["watch"], {"run_id": run_id}).fetchone()
    return None if row is None else _watch(row)


def _watch(row: Any) -> StoredWatch:
    layout, sizes_s, promise, holidays, segments, state, excluded, done = row
    sizes = tuple(1_000 * size for size in sizes_s)
    return StoredWatch(
        terms=WatchTerms(layout=layout, sizes=sizes, promise=promise, holidays=holidays, segments=segments),
        state=state,
        excluded=tuple(map(ms_of, excluded)),
        done=done,
    )


def _span(start: int, end: int) -> dict[str, Any]:
    return {"from": _moment(start), "to": _moment(end)}


def _moment(at: int) -> datetime:
    """As a moment that Postgres and Python can both hold."""
    return moment(min(max(at, 0), MAX_TIME + 1))
