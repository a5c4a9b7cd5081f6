"""What `driftline runs`, `windows`, `columns` and `dead-letters` list: the newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from schemas.durations import duration_text, moment
from schemas.errors import DriftlineError, UsageError
from schemas.figures import error_times, severity_text
from schemas.records import LIVE
from schemas.text import printable
from storage.connect import Connection
from storage.queries import load_queries
from storage.select import Row, select

SQL = load_queries(Path(__file__).with_suffix(".sql"))

BEGINNING = 160
"""Characters of a record in a table."""

NAMED = 5
"""Runs that a message names."""


class RunRow(msgspec.Struct, frozen=True):
    """A run, with its records added up over partitions. watermark: of the events, event time.

    rows, windows: of events, the rows being those that were accepted. labels: those that were accepted.
    dead_letters: rejected records that name the run, events and labels together; reasons: how many for which.
    stream: the name of its stream; None for a run of the version before, which kept no definition.
    lag: records that are not read yet and may be of this run; 0 once it is over.
    model: hash of the model that scored it; None where the records carry their predictions. reference: hash of the
        artifact with whose reference its windows are compared; None while it is not known.
    remark: why there is no window of it.
    """

    run_id: str
    source: str | None
    started_at: datetime
    finished_at: datetime | None
    watermark: datetime | None
    rows: int
    labels: int
    dead_letters: int
    reasons: dict[str, int]
    duplicates: int
    missing: int
    windows: int
    lag: int
    scenario: str | None
    model: str | None
    reference: str | None
    stream: str | None
    pane_ms: int
    remark: str | None = None

    @property
    def run(self) -> str:
        return self.run_id

    @property
    def rejected(self) -> str:
        """Dead letters by reason, as text: `12 late, 3 model`."""
        return ", ".join(f"{number:,} {reason}" for reason, number in sorted(self.reasons.items()))


class MonitorRow(msgspec.Struct, frozen=True):
    """A monitor that reported within half a minute. run_id: the only run that it is for; None: all.

    model: hash of the one whose reference it compares with; None: it is starting, or of an earlier version, and has
    not said what it watches.
    """

    run_id: str | None
    model: str | None
    stream: str | None
    sizes_s: list[int] | None


class WindowRow(msgspec.Struct, frozen=True):
    """A window's result, of events or of labels.

    dead_letters: records of its time that were rejected, as of now; None of a segment. late: those among them that
        came too late.
    worst_column: the one of the largest severity, which is worst_severity; None where none was tested.
    reference_mae: what mae is held against: the error of the model before any window.
    estimated_mae: of events, the mae that is expected before labels come; None where that is not reliable.
    remark: why a window with enough rows has no verdict, or no error.
    """

    stream: str
    size_s: int
    window_start: datetime
    window_end: datetime
    status: str
    revision: int
    rows: int
    sampled: int
    late: int | None
    dead_letters: int | None
    columns_tested: int | None
    columns_drifted: int | None
    share_drifted: float | None
    dataset_drift: bool | None
    prediction_drift: float | None
    share_missing: float | None
    mae: float | None
    reference_mae: float | None
    rmse: float | None
    bias: float | None
    r2: float | None
    target_drift: float | None
    label_coverage: float | None
    estimated_mae: float | None
    offsets: dict[str, tuple[int, int]]
    closed_at: datetime | None
    written_at: datetime
    worst_column: str | None
    worst_severity: float | None
    remark: str | None

    @property
    def size(self) -> str:
        return duration_text(1_000 * self.size_s)

    @property
    def drifted(self) -> str:
        """How many of the tested columns drifted, and whether that is drift of the whole dataset."""
        if self.columns_tested is None or self.columns_drifted is None:
            return ""
        return f"{self.columns_drifted}/{self.columns_tested}" + (" dataset" if self.dataset_drift else "")

    @property
    def worst(self) -> str:
        """The column of the largest severity, with that."""
        if self.worst_column is None or self.worst_severity is None:
            return ""
        return f"{self.worst_column} {severity_text(self.worst_severity)}"

    @property
    def error(self) -> str:
        """The error, and how many times the reference's it is."""
        return "" if self.mae is None else f"{self.mae:.3g} {error_times(self.mae, self.reference_mae)}".strip()


class ColumnRow(msgspec.Struct, frozen=True):
    """One figure of one column. severity: direction-free, 1 and above is drift. reference: the figure there."""

    stream: str
    column_name: str
    metric: str
    method: str | None
    value: float | None
    threshold: float | None
    severity: float | None
    status: str
    reason: str | None
    reference: float | None = None


class DeadLetterRow(msgspec.Struct, frozen=True):
    """A record that was kept aside, and why. run_id: '' where none could be read in it.

    key, raw: its bytes as they came, which JSON has in base64. headers: decoded as far as they could be.
    """

    written_at: datetime
    run_id: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    event_time: datetime | None
    key: bytes | None
    raw: bytes | None
    headers: Any

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def record(self) -> str:
        """Its beginning, as text, whatever it is."""
        return printable((self.raw or b"")[: 4 * BEGINNING].decode("utf-8", "backslashreplace"), BEGINNING)


class DeadLetterCounts(msgspec.Struct, frozen=True):
    """listed: of the run that was asked for, or of all. of_no_run: in which none could be read."""

    listed: int
    of_no_run: int


def runs(connection: Connection) -> list[RunRow]:
    """List all runs, the newest first."""
    return _rows(connection, "runs", RunRow, {})


def monitors(connection: Connection) -> list[MonitorRow]:
    """List the monitors that reported lately."""
    return _rows(connection, "monitors", MonitorRow, {})


def run_named(connection: Connection, run: str | None) -> RunRow:
    """Find a run by its name.

    Args:
        connection: Any connection that may read.
        run: Its name; None is the only run there is.

    Raises:
        UsageError: There is no such run, or more than one; the error names some.
        DriftlineError: Records of it came, and all of them were rejected: a run begins with its first valid record.
    """
    found = runs(connection)
    if run is None and len(found) == 1:
        return found[0]
    for row in found:
        if row.run_id == run:
            return row
    if run is not None:
        _refuse_rejected(connection, run)
    if not found:
        raise UsageError(
            "there are no runs yet" if run is None else f"there is no run {run}, nor any other",
            "`driftline demo` makes one, or `driftline produce` with a consumer; `driftline runs` lists them",
        )
    names = ", ".join(row.run_id for row in found[:NAMED])
    raise UsageError(
        f"there are {len(found)} runs" if run is None else f"there is no run {run}",
        f"name one by --run; the newest: {names}; `driftline runs` lists them",
    )


def _refuse_rejected(connection: Connection, run: str) -> None:
    """Raise DriftlineError if records came of a run that has not begun."""
    named, of_no_run = _rejected(connection, run), _rejected(connection, "")
    if named:
        raise DriftlineError(
            f"no valid record of run {run} was read: {named:,} were rejected",
            f"`driftline dead-letters --run {run}` says why",
        )
    if run == LIVE and of_no_run:
        raise DriftlineError(
            f"no valid record of run {run} was read: {of_no_run:,} that name no run were rejected",
            "`driftline dead-letters` says why",
        )


def rejected_of_no_run(connection: Connection) -> int:
    """Count the rejected records that no listed run counts: no run could be read, or it has no valid record yet."""
    ((count,),) = connection.execute(SQL["rejected_of_no_run"]).fetchall()
    return int(count)


def _rejected(connection: Connection, run: str) -> int:
    counts = _rows(connection, "dead_letter_counts", DeadLetterCounts, {"run_id": run, "reasons": None})
    return counts[0].listed if counts else 0


def windows(
    connection: Connection,
    run: str,
    size_s: int | None = None,
    stream: str | None = None,
    limit: int | None = None,
    *,
    segment: str = "",
) -> list[WindowRow]:
    """List the windows of a run, the newest first.

    Args:
        connection: Any connection that may read.
        run: Its name.
        size_s: Only windows of so many seconds.
        stream: Only `events` or `labels`.
        limit: Only so many.
        segment: Of this segment; '' is the whole stream.
    """
    wanted = {"run_id": run, "size_s": size_s, "stream": stream, "limit": limit, "segment": segment}
    return _rows(connection, "windows", WindowRow, wanted)


def sizes(connection: Connection, run: str, *, segment: str = "") -> list[str]:
    """List the window sizes of a run, as text, the smallest first. segment: as for `windows`."""
    wanted = {"run_id": run, "segment": segment}
    return [duration_text(1_000 * size_s) for (size_s,) in connection.execute(SQL["sizes"], wanted)]


def check_segment(connection: Connection, run: str, segment: str) -> None:
    """Check that a run has figures of a segment.

    Raises:
        UsageError: It has none.
    """
    known = [name for (name,) in connection.execute(SQL["segments"], {"run_id": run})] if segment else []
    if segment and not known:
        raise UsageError(
            f"run {run} has no figures of segments",
            "replay it under another --run with a monitor that has --segments",
        )
    if segment and segment not in known:
        raise UsageError(f"run {run} has no segment {segment}", f"choose one of {', '.join(known)}")


class Shortage(msgspec.Struct, frozen=True):
    """A window size of which most windows have too few rows. useful_s: the smallest size that would do, if any."""

    size_s: int
    windows: int
    sufficient: int
    useful_s: int | None

    def describe(self, min_rows: int) -> str:
        """Describe it to an operator."""
        useful = f"{duration_text(1_000 * self.useful_s)} is the smallest useful size" if self.useful_s else ""
        return (
            f"{self.sufficient:,} of {self.windows:,} windows of {duration_text(1_000 * self.size_s)} had the"
            f" {min_rows} rows that a verdict needs: {useful or 'no usual size would do'}"
        )


def shortages(connection: Connection, run: str, min_rows: int) -> list[Shortage]:
    """List the sizes of a run of which most windows have too few rows, the smallest first."""
    return _rows(connection, "sufficiency", Shortage, {"run_id": run, "min_rows": min_rows})


def columns(connection: Connection, run: str, size_s: int, start: int, *, segment: str = "") -> list[ColumnRow]:
    """List every figure of a window, of events and labels. start: ms since the epoch. segment: as for `windows`."""
    wanted = {"run_id": run, "size_s": size_s, "window_start": moment(start), "segment": segment}
    return _rows(connection, "columns", ColumnRow, wanted)


def dead_letters(
    connection: Connection, run: str | None = None, reasons: Sequence[str] = (), limit: int | None = None
) -> tuple[list[DeadLetterRow], DeadLetterCounts]:
    """List dead letters, the newest first, and count them.

    Args:
        connection: Any connection that may read.
        run: Only of this run; None is all, and those of no run.
        reasons: Only for one of these; none is any.
        limit: Only so many of the newest.
    """
    wanted = {"run_id": run, "reasons": [*reasons] or None}
    counts = _rows(connection, "dead_letter_counts", DeadLetterCounts, wanted)
    found = _rows(connection, "dead_letters", DeadLetterRow, wanted | {"limit": limit})
    return found, counts[0] if counts else DeadLetterCounts(0, 0)


def columns_of_window(
    connection: Connection, run: str, size_s: int, start: int, *, segment: str = ""
) -> list[ColumnRow]:
    """List the figures of a window as `columns` does.

    Raises:
        UsageError: No monitor has written that window, or the run has no such segment.
    """
    if found := columns(connection, run, size_s, start, segment=segment):
        return found
    check_segment(connection, run, segment)
    of_segment = f" --segment {segment}" if segment else ""
    raise UsageError("there is no such window", f"`driftline windows --run {run}{of_segment}` lists them")


def _rows(connection: Connection, query: str, row: type[Row], params: Mapping[str, Any]) -> list[Row]:
    return select(connection, SQL[query], row, params)
