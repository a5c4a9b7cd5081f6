"""Computes a window: claims it, loads its rows, compares them with the reference, writes the result."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Literal

import msgspec
import pyarrow as pa
import structlog

from monitor.engine import Engine, check_model, failed
from monitor.scheduling.close_times import CloseTimes
from monitor.scheduling.planning import read_progress
from monitor.scheduling.readiness import Patience, is_wanted
from runtime.failpoint import failpoint
from schemas.definition import Records
from schemas.durations import moment
from schemas.figures import ColumnFigure, SegmentFigures
from schemas.status import Closing
from storage.chunk import PREDICTION
from storage.panes import ChunkCache, LoadedRows, load_rows, unreadable_rows
from storage.results import ResultStore, WindowClaim
from storage.snapshot import Snapshot
from storage.windows import (
    UNREADABLE,
    EncodedSummary,
    Receipt,
    RowCounts,
    StoredRun,
    WindowKey,
    WindowResult,
    joined_with,
)

log = structlog.get_logger()

Taken = Literal["taken"]
TAKEN: Taken = "taken"


class WindowTask(msgspec.Struct, frozen=True, kw_only=True):
    """A window, as one snapshot shows it.

    holds: rows by the index of panes. first: whether it has no closed result yet. closed_at: wall time, ms; None
    while it is open. timed: whether the time since then can be measured. summary, segments, estimate: of a closed
    window.
    """

    closing: Closing
    holds: RowCounts
    first: bool
    closed_at: int | None
    timed: bool
    rows: LoadedRows
    joined: LoadedRows | None
    summary: EncodedSummary | None
    segments: tuple[SegmentFigures, ...]
    estimate: ColumnFigure | None


class _Content(msgspec.Struct, frozen=True):
    """What a window holds: its rows, those that they are joined with, and what is made of all of them."""

    rows: LoadedRows
    joined: LoadedRows | None
    summary: EncodedSummary | None = None
    segments: tuple[SegmentFigures, ...] = ()
    estimate: ColumnFigure | None = None


class WindowWorker:
    """Computes windows, one after the other."""

    def __init__(
        self,
        store: ResultStore,
        engine: Engine,
        cache: ChunkCache,
        patience: Patience,
        *,
        summarized: bool = False,
    ) -> None:
        """summarized: store the summaries of closed windows, of which evidence and alarms are made."""
        self._store = store
        self._engine = engine
        self._summarizer = engine.summarizer if summarized else None
        self._cache = cache
        self._patience = patience

    def compute(
        self, run: StoredRun, window: WindowKey, close_times: CloseTimes, failure: str | None = None
    ) -> Receipt | Taken | None:
        """Compute a window and write it.

        1. Claim it: other monitors skip it until this transaction ends.
        2. In one snapshot begun after that, check that it is still due, and load its rows.
        3. Compute its figures.
        4. Store which reference a run without one is compared with.
        5. Write row, columns and summary, unless the stored result is as good, and commit.

        Args:
            run: The run.
            window: Key of the window.
            close_times: When windows of the run closed.
            failure: Why it cannot be computed: it is then written without figures, all its columns `failed`.

        Returns:
            The receipt; None if nothing had to be written; `taken` if another monitor computes it.

        Raises:
            ModelUnusable: Another monitor has given the run another reference meanwhile.
        """
        with self._store.claim(window) as claim:
            if claim is None:
                return TAKEN
            with self._store.snapshot() as snapshot:
                task = self._task(snapshot, run, window, close_times, failure)
            if task is None:
                return None
            result = self._result(window, task, failure)
            if run.reference is None:
                self._bind_reference(claim, run)
            receipt = claim.publish(result)
            failpoint("monitor.before_commit")
        failpoint("monitor.after_commit")
        if receipt is None:
            return None
        write = log.debug if task.closing == "open" else log.info
        fields = {"status": result.status, "rows": task.holds.rows, "revision": receipt.revision}
        write("window_written", **log_fields(window), **fields)
        return receipt if task.first else msgspec.structs.replace(receipt, latency=None)

    def _bind_reference(self, claim: WindowClaim, run: StoredRun) -> None:
        reference = claim.bind_reference(self._engine.model)
        check_model(msgspec.structs.replace(run, reference=reference), self._engine.model, run.stream)

    def _task(
        self, snapshot: Snapshot, run: StoredRun, window: WindowKey, close_times: CloseTimes, failure: str | None
    ) -> WindowTask | None:
        progress = read_progress(snapshot, run, self._patience)
        close_times.set_clock(progress.now, time.monotonic())
        close_times.record(progress.watermarks, progress.moved_at)
        records, joined_records = window.records, joined_with(run.stream, window.records)
        closing = progress.watermarks[records.role].closing(window.end)
        scan = snapshot.scan(
            run.run_id, records, joined_records, size=window.size, start=window.start, end=window.end
        )
        if window.start not in scan.holds or not is_wanted(scan, closing, window.start):
            return None
        written, closed = scan.written.get(window.start), closing != "open"
        closed_at = close_times.closed_at(records.role, window.end, progress.now) if closed else None
        if failure is None:
            content = self._load(snapshot, window, joined_records, summarized=closed)
        else:
            content = _skip(snapshot, window, joined_records, UNREADABLE if self._summarizer else None)
        return WindowTask(
            closing=closing,
            holds=scan.holds[window.start],
            first=closed and (written is None or written.status == "open"),
            closed_at=closed_at,
            timed=closed_at is not None and close_times.is_timed(closed_at),
            rows=content.rows,
            joined=content.joined,
            summary=content.summary,
            segments=content.segments,
            estimate=content.estimate,
        )

    def _load(self, snapshot: Snapshot, window: WindowKey, other: Records | None, *, summarized: bool) -> _Content:
        """Load a window's rows and those that they are joined with; without such, rows can be sampled meanwhile."""
        summarizer = self._summarizer if summarized else None
        if other is None:
            parts: list[pa.Table] = []
            rows = load_rows(
                snapshot,
                window,
                self._cache,
                reduce=partial(self._engine.sample, window.records),
                observe=parts.append if summarizer else None,
            )
            if summarizer is None:
                return _Content(rows, None)
            counted = summarizer.summarize(window, parts, None)
            segments = summarizer.figures(window, counted)
            return _Content(rows, None, summarizer.encoded(counted), segments, summarizer.estimate(counted[0]))
        rows = load_rows(snapshot, window, self._cache)
        columns = (other.id, other.time, PREDICTION) if summarizer is None else summarizer.columns
        joined = load_rows(snapshot, window.with_records(other), self._cache, columns=columns)
        if summarizer is None:
            return _Content(rows, joined)
        counted = summarizer.summarize(window, [rows.table], joined.table)
        return _Content(rows, joined, summarizer.encoded(counted), summarizer.figures(window, counted))

    def _result(self, window: WindowKey, task: WindowTask, failure: str | None) -> WindowResult:
        failpoint("monitor.mid_report")
        began = time.perf_counter()
        if failure is None:
            figures = self._engine.figures(window, task.rows, task.joined).with_estimate(task.estimate)
        else:
            figures = failed(window.records, failure)
        return WindowResult(
            status="insufficient" if task.closing == "final" and not figures.sufficient else task.closing,
            counts=task.holds,
            figures=figures,
            offsets=task.rows.offsets,
            joined_offsets=task.joined.offsets if task.joined else {},
            summary=task.summary,
            segments=task.segments,
            compute_ms=(time.perf_counter() - began) * 1_000,
            closed_at=task.closed_at,
            timed=task.timed,
        )


def _skip(snapshot: Snapshot, window: WindowKey, other: Records | None, summary: EncodedSummary | None) -> _Content:
    joined = unreadable_rows(snapshot, window.with_records(other)) if other else None
    return _Content(unreadable_rows(snapshot, window), joined, summary)


def log_fields(window: WindowKey) -> dict[str, Any]:
    """Format a window's key for log lines."""
    key = window.key
    return {
        "run": key["run_id"],
        "stream": key["stream"],
        "size_s": key["size_s"],
        "start": f"{moment(window.start):%FT%R}",
    }
