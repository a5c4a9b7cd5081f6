"""Consumers and monitors as the state machine moves them: step by step, without threads, processes or a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consumer.decode import Decoder
from consumer.flush import Pending, decode_batch
from consumer.ledger import Flush, Partition
from consumer.store import Beat, RunBinding, Store
from consumer.windows import LatenessPolicy
from monitor.engine import Engine
from monitor.scheduling.fold_job import FoldReceipt, FoldWorker
from monitor.scheduling.plan import RunPlan
from monitor.scheduling.planning import read_progress, run_steps
from monitor.scheduling.readiness import Patience
from monitor.scheduling.window_job import TAKEN, WindowWorker
from monitor.settings import Settings
from schemas.definition import Records, RunConfig
from schemas.figures import WindowFigures
from schemas.streams.taxi import TAXI
from storage.panes import ChunkCache, LoadedRows
from storage.results import ResultStore
from storage.windows import WindowKey
from tests.integration.calibrations import RowCalibrator
from tests.monitor.feed import taxi_summarizer
from tests.rows import BY_TOPIC, Connection


class Crash(Exception):
    """The process is gone."""


@dataclass(frozen=True)
class Message:
    """As the client hands it over."""

    place: int
    raw: bytes | None
    written_at: int | None

    def offset(self) -> int:
        return self.place

    def value(self) -> bytes | None:
        return self.raw

    def key(self) -> bytes | None:
        return b"k"

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return (0, -1) if self.written_at is None else (1, self.written_at)


class Sent(NamedTuple):
    """As it stands in the log. written_at: its Kafka timestamp."""

    raw: bytes | None
    written_at: int | None = None


AGREEING = 4
"""As few as can be told from the two that set the clock."""

DECODERS = {topic: Decoder(stream) for topic, stream in BY_TOPIC.items()}


class Consumer:
    """start: a new process, which remembers nothing. held: what it believes to own."""

    def __init__(self, connection: Connection, name: str, config: RunConfig) -> None:
        self._connection, self._name = connection, name
        self._ours = RunBinding.from_stream(TAXI, config, "m")
        self.start()

    def start(self) -> None:
        self.store = Store(self._connection, self._name)
        self.held: dict[Partition, Pending] = {}

    def claim(self, partition: Partition) -> int:
        """Take a partition over; its new epoch."""
        claim = self.store.claim(partition)
        self.held[partition] = Pending(BY_TOPIC[partition.topic], claim)
        return claim.epoch

    def read(self, partition: Partition, log: Sequence[Sent], most: int) -> None:
        pending = self.held[partition]
        at = pending.expected
        messages = [Message(at + i, *sent) for i, sent in enumerate(log[at : at + most])]
        if messages:
            batch = decode_batch(DECODERS[partition.topic], messages)
            self.store.register(batch.runs, self._ours, TAXI)
            pending.add(batch, {run: self._policy(run, partition.topic) for run in batch.runs})

    def flush(self, partition: Partition) -> Flush:
        work = self.held[partition].seal(_zeros)
        self.commit(work)
        self.held[partition] = Pending(BY_TOPIC[partition.topic], work.committed())
        return work

    def commit(self, work: Flush) -> None:
        self.store.commit(work, [*BY_TOPIC])

    def sign_of_life(self, partition: Partition, log_end: int) -> Beat:
        claim = self.held[partition].claim
        return Beat(partition, claim.epoch, log_end, caught_up=claim.next_offset == log_end)

    def _policy(self, run: str, topic: str) -> LatenessPolicy:
        config = self.store.binding(run).config
        lateness = config.lateness_ms if BY_TOPIC[topic].label is None else config.label_lateness_ms
        return LatenessPolicy(config.pane_ms, lateness, config.max_ahead_ms, AGREEING)


class Checksums:
    """An engine whose figures tell which rows it was given, and in which order."""

    model = "m"
    error = None
    summarizer = taxi_summarizer()
    calibrator = None

    def sample(self, stream: Records, rows: pa.Table) -> pa.Table:
        return rows

    def figures(self, window: WindowKey, rows: LoadedRows, joined: LoadedRows | None) -> WindowFigures:
        return WindowFigures(
            mae=checksum(rows.table[window.records.id].to_pylist()),
            rmse=float(joined.table.num_rows if joined else 0),
            sampled=rows.table.num_rows,
            sufficient=True,
        )


class Dying(Checksums):
    """An engine whose process is killed in the middle of its report."""

    def figures(self, window: WindowKey, rows: LoadedRows, joined: LoadedRows | None) -> WindowFigures:
        raise Crash


class Monitor:
    """start: a new process, which remembers nothing."""

    def __init__(self, store: ResultStore, run_id: str, sizes: tuple[int, ...]) -> None:
        self._store, self._run_id, self._sizes = store, run_id, sizes
        # A partition that is read to its end is idle at once, and a consumer never counts as dead.
        self._patience = Patience(alive=10**9, idle=-1)
        layout = Checksums.summarizer.layout
        store.keep_layout(layout.hash, layout.encode())
        calibrator: Any = RowCalibrator(layout, sizes)
        self._folder = FoldWorker(store, calibrator, self._patience, Settings(stream=TAXI, database_url=""))
        self.start()

    def start(self) -> None:
        self.use(Checksums())
        self._plan: RunPlan | None = None
        self._now = 0.0

    def use(self, engine: Engine) -> None:
        self._worker = WindowWorker(self._store, engine, ChunkCache(10**6), self._patience, summarized=True)

    @property
    def done(self) -> bool:
        return self._plan is not None and self._plan.done

    def work(self, windows: int) -> None:
        """Look what is due, and compute so many windows."""
        plan = self._met()
        if plan is None:
            return
        self._now += 100
        with self._store.snapshot() as snapshot:
            progress = read_progress(snapshot, plan.run, self._patience)
            moved = run_steps(plan.refill(progress, self._now), snapshot, self._run_id)
        for track in moved:
            self._store.advance(self._run_id, track.records.role, track.size, track.frontier)
        for _ in range(min(windows, len(plan.queue))):
            window = plan.queue.popleft()
            if self._worker.compute(plan.run, window, plan.close_times) == TAKEN:
                plan.taken(window, self._now)
            else:
                plan.settled(window)

    def fold(self, *, waits: bool) -> FoldReceipt | None:
        """Fold what is complete. waits: for windows that are being revised."""
        plan = self._met()
        return None if plan is None else self._folder.fold(plan.run, self._sizes, waits=waits)

    def _met(self) -> RunPlan | None:
        if self._plan is None:
            with self._store.snapshot() as snapshot:
                if (run := snapshot.run(self._run_id, TAXI)) is not None:
                    frontiers = snapshot.frontiers([self._run_id]).get(self._run_id, {})
                    self._plan = RunPlan(run, self._sizes, frontiers, 0.0, 1)
        return self._plan


def checksum(ids: Sequence[str]) -> float:
    return float(crc32("".join(ids).encode()))


def _zeros(columns: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    return np.zeros(len(columns["pickup_at"]))
