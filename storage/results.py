"""Results of windows, as a monitor writes them, and the connections that it holds.

Reading happens in a `Snapshot`, writing in a `WindowClaim`; each is a transaction on a connection of its own, since
a claim is held while a snapshot is read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from runtime.failpoint import failpoint
from schemas.definition import Records
from schemas.durations import moment
from schemas.figures import ColumnFigure, SegmentFigures
from schemas.notices import PROGRESS
from schemas.status import above, below
from schemas.text import printable
from storage.alarm_changes import unpublished
from storage.alarms import FoldTransaction, WatchTerms, lock_watch, to_fold
from storage.chunk import EncodedChunk, encode
from storage.chunks import write_chunks
from storage.compact import Chunk, merged
from storage.connect import Connection, Jsonb, Rollback, connect, snapshots
from storage.health import forget_health, report_health
from storage.keepalive import kept_alive
from storage.listings import Shortage, shortages
from storage.notices import listen_statement, notify_windows
from storage.panes import decode_chunk
from storage.snapshot import SCALARS, SQL, Snapshot
from storage.windows import UNREADABLE, EncodedSummary, Receipt, StoredRun, WindowKey, WindowResult

PATIENCE_S = 300.0
"""For an answer of Postgres: of a large run, some take seconds."""


class WindowClaim:
    """The right to write one window, held until the transaction ends."""

    def __init__(self, connection: Connection, window: WindowKey) -> None:
        self._connection = connection
        self._window = window

    def bind_reference(self, reference: str) -> str | None:
        """Keep the reference that the run's windows are compared with, unless it has one.

        Args:
            reference: Hash of its artifact.

        Returns:
            That which the run has now; None where the run was removed.
        """
        where = {"run_id": self._window.run_id}
        self._connection.execute(SQL["bind_reference"], where | {"reference": reference})
        row = self._connection.execute(SQL["reference"], where).fetchone()
        return None if row is None else row[0]

    def publish(self, result: WindowResult) -> Receipt | None:
        """Write a result with its columns.

        Returns:
            None where what is there says as much already.
        """
        closed_at = None if result.closed_at is None else moment(result.closed_at)
        params = self._window.key | {name: getattr(result.figures, name) for name in SCALARS}
        params |= {"window_end": moment(self._window.end), "status": result.status}
        params |= {"above": above(result.status), "below": below(result.status)}
        params |= {"rows": result.counts.rows, "joined_rows": result.counts.joined, "closed_at": closed_at}
        params |= {"offsets": Jsonb(result.offsets), "joined_offsets": Jsonb(result.joined_offsets)}
        params |= {"compute_ms": result.compute_ms, "timed": result.timed}
        row = self._connection.execute(SQL["publish"], params).fetchone()
        if row is None:
            return None
        self._connection.execute(SQL["clear_columns"], self._window.key)
        columns = {f: [getattr(c, f) for c in result.figures.columns] for f in ColumnFigure.__struct_fields__}
        columns["reason"] = [reason and printable(reason) for reason in columns["reason"]]
        self._connection.execute(SQL["write_columns"], self._window.key | columns)
        if result.status != "open" and result.summary is not None:
            self._write_summary(result.summary)
        if result.status != "open":
            self._write_segments(result.segments)
        notify_windows(self._connection, [self._window.notice(result.status)])
        revision, latency = row
        return Receipt(revision, latency, result.status, result.compute_ms)

    def _write_segments(self, segments: Sequence[SegmentFigures]) -> None:
        """In place of those of the revision before."""
        self._connection.execute(SQL["clear_segments"], self._window.key)
        if not segments:
            return
        made: dict[str, list[Any]] = {name: [getattr(one.figures, name) for one in segments] for name in SCALARS}
        made |= {"segment": [one.segment for one in segments], "rows": [one.rows for one in segments]}
        made |= {"joined_rows": [one.joined for one in segments]}
        made |= {"sufficient": [one.figures.sufficient for one in segments]}
        self._connection.execute(SQL["write_segments"], self._window.key | made)
        each = [(one.segment, column) for one in segments for column in one.figures.columns]
        columns = {f: [getattr(column, f) for _, column in each] for f in ColumnFigure.__struct_fields__}
        columns["segment"] = [segment for segment, _ in each]
        self._connection.execute(SQL["write_segment_columns"], self._window.key | columns)

    def _write_summary(self, summary: EncodedSummary) -> None:
        """In place of that of the revision before; and note that it has to be made evidence of."""
        params = msgspec.structs.asdict(summary) | {"is_known": summary is not UNREADABLE}
        self._connection.execute(SQL["write_summary"], self._window.key | params)


class ResultStore:
    """Three connections: snapshots, claims, and notifications. Any of them may raise `storage.errors.Error`."""

    def __init__(self, reader: Connection, writer: Connection, listener: Connection) -> None:
        self._reader = snapshots(reader)
        self._writer = writer
        self._listener = listener
        if not listener.pooled:
            self._listener.execute(listen_statement(PROGRESS))

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._reader.transaction():
            yield Snapshot(self._reader)

    @contextmanager
    def claim(self, window: WindowKey) -> Iterator[WindowClaim | None]:
        """None where another monitor has it. Commits at the end, rolls back on an exception."""
        with self._writer.transaction():
            row = self._writer.execute(SQL["claim"], {"name": window.name}).fetchone()
            yield WindowClaim(self._writer, window) if row else None

    def keep_reference(self, model: str, mae: float | None) -> None:
        """Store the error that those of runs with this model are held against. mae: None without labels."""
        self._writer.execute(SQL["keep_reference"], {"model": model, "mae": mae})

    def keep_layout(self, hash: str, layout: bytes) -> None:
        """Store the bins that summaries refer to, unless they are there. layout: JSON."""
        self._writer.execute(SQL["keep_layout"], {"hash": hash, "layout": layout.decode()})

    @contextmanager
    def fold(self, run_id: str, terms: WatchTerms) -> Iterator[FoldTransaction | None]:
        """Fold a run; None where another monitor does. Commits at the end, rolls back on an exception.

        terms: How the run is watched from now on, if it is not yet.
        """
        with self._writer.transaction():
            watch = lock_watch(self._writer, run_id, terms)
            if watch is None:
                yield None
                return
            with self._reader.transaction():
                yield FoldTransaction(self._reader, self._writer, run_id, watch)

    def to_fold(self, run_ids: Sequence[str]) -> set[str]:
        """Those of these runs that have something left to fold."""
        return to_fold(self._reader, run_ids)

    def unpublished(self) -> int:
        """Count the changes of alarms that are not published."""
        return unpublished(self._reader)

    def advance(self, run_id: str, stream: str, size: int, frontier: int) -> None:
        where = {"run_id": run_id, "stream": stream, "size_s": size // 1_000}
        self._writer.execute(SQL["advance"], where | {"next_start_ms": frontier})

    def set_back(self, run_id: str, stream: str, size: int, frontier: int) -> None:
        where = {"run_id": run_id, "stream": stream, "size_s": size // 1_000}
        self._writer.execute(SQL["set_back"], where | {"next_start_ms": frontier})

    def merge(self, run: StoredRun, stream: Records, partition: int, group: Sequence[Chunk]) -> bool:
        """Put one chunk in place of several; False where another monitor was faster. All or nothing.

        Raises ValueError for chunks that cannot be read, or that do not hold what the panes say.
        """
        where = {"run_id": run.run_id, "topic": stream.topic, "partition": partition}
        with self._writer.transaction():
            firsts = [chunk.first_offset for chunk in group]
            with self._writer.cursor(binary=True) as cursor:
                taken = cursor.execute(SQL["take_chunks"], where | {"firsts": firsts}).fetchall()
            if len(taken) < len(group):
                raise Rollback
            made = merged(stream, run.pane, [decode_chunk(p, stream, (partition, first)) for first, _, p in taken])
            span = {"from": moment(made.starts[0]), "to": moment(made.starts[-1])}
            row = self._writer.execute(SQL["take_panes"], where | span | {"firsts": firsts}).fetchone()
            if row != (made.batch.num_rows,):
                raise ValueError(f"chunks {stream.topic}/{partition}@{firsts[0]} do not hold what their panes say")
            whole = EncodedChunk(
                run_id=run.run_id,
                first_offset=firsts[0],
                last_offset=max(last for _, last, _ in taken),
                rows=made.batch.num_rows,
                payload=encode(made.batch),
                pane_starts=made.starts,
                first_rows=made.firsts,
                counts=made.counts,
            )
            write_chunks(self._writer, stream.topic, partition, [whole])
            failpoint("monitor.mid_merge")
            return True
        return False

    def shortages(self, run_id: str, min_rows: int) -> list[Shortage]:
        """Sizes of which most windows have too few rows."""
        with self._reader.transaction():
            return shortages(self._reader, run_id, min_rows)

    def report_health(self, instance: str, run_id: str | None, measures: Mapping[str, Any]) -> None:
        report_health(self._writer, "monitor", instance, run_id, measures)

    def forget_health(self) -> None:
        forget_health(self._writer, "monitor")

    def wait(self, timeout: float) -> set[str]:
        """Wait until a run moves; return those that did, none after `timeout` seconds.

        A pooler passes no notifications on: what moved is then found by polling.
        """
        if self._listener.pooled:
            time.sleep(timeout)
            return set()
        first = {note.payload for note in self._listener.notifies(timeout=timeout, stop_after=1)}
        if not first:
            return first
        return first | {note.payload for note in self._listener.notifies(timeout=0)}


@contextmanager
def open_store(url: str) -> Iterator[ResultStore]:
    """A store, closed at the end. Raises as `connect`."""
    name = "driftline-monitor"
    with connect(url, name) as reader, connect(url, name) as writer, connect(url, name) as listener:
        for connection in (reader, writer, listener):
            connection.patience = PATIENCE_S
        store = ResultStore(reader, writer, listener)
        with kept_alive([reader, writer]):
            yield store
