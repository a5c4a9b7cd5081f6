"""Writes what consumers would, straight into the database, and an engine that needs no Evidently."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from monitor.calibrating import Calibrator
from monitor.drift.figures import Config
from monitor.gauges import MonitorGauges
from monitor.scheduling.scheduler import run_scheduler
from monitor.settings import Settings
from monitor.summaries import Summarizer
from monitor.verdict.layout import SummaryLayout
from schemas.definition import Field, Records, Stream
from schemas.durations import moment
from schemas.figures import ColumnFigure, WindowFigures
from schemas.streams.taxi import OUTCOMES, STREAMS, TAXI, TRIPS
from storage.chunk import PREDICTION, encode, layout
from storage.panes import LoadedRows
from storage.streams import remember
from storage.windows import WindowKey
from tests.fleet import PATIENCE_S

T0 = 1_643_673_600_000  # 2022-02-01
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PANE = 5 * MINUTE
LATENESS = {"trips": 10 * MINUTE, "outcomes": 2 * HOUR}
MODEL = "a" * 64
SCORED = Records(
    topic="payments",
    kind="payment",
    id="payment",
    time="at",
    fields=(Field(name="amount", type="float", role="number"), Field(name="risk", type="float", role="number")),
    prediction="risk",
)
"""Of a stream without labels; each record carries its prediction."""


def rows_at(stream: Records, times: Sequence[int], offsets: Sequence[int], partition: int) -> pa.RecordBatch:
    """Rows in chunk layout; every value depends on partition and offset alone."""
    random = [np.random.default_rng([partition, offset]) for offset in offsets]
    columns: dict[str, Any] = {
        "offset": list(offsets),
        stream.id: [f"{time}-{partition}" for time in times],
        stream.time: list(times),
    }
    for number, kept in enumerate(stream.kept):
        if kept.name == stream.prediction:
            continue
        draws = [r.random() + number for r in random]
        if kept.type == "str":
            columns[kept.name] = ["N" if draw % 1 < 0.9 else None for draw in draws]
        elif kept.type == "int":
            columns[kept.name] = [1 + int(10 * draw) % 9 for draw in draws]
        else:
            columns[kept.name] = [10 * draw for draw in draws]
    if stream.label is None:
        columns[PREDICTION] = [20 * r.random() for r in random]
    return pa.RecordBatch.from_pydict(columns, schema=layout(stream))


def in_pane_order(batch: pa.RecordBatch, stream: Records) -> tuple[pa.RecordBatch, list[tuple[int, int, int]]]:
    """Sorted by (pane, offset), and (pane start, first row, rows) of each pane."""
    panes = batch[stream.time].to_numpy() // PANE * PANE
    order = np.lexsort((batch["offset"].to_numpy(), panes))
    starts, firsts, counts = np.unique(panes[order], return_index=True, return_counts=True)
    index = list(zip(starts.tolist(), firsts.tolist(), counts.tolist(), strict=True))
    return batch.take(pa.array(order)), index


@dataclass
class Feed:
    """One run in the partitions of its stream. Each call is one consumer's flush: one transaction, notified."""

    url: str
    run: str = "r"
    partitions: int = 2
    model: str | None = MODEL
    stream: Stream = TAXI
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    m: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(self.url, autocommit=True)
        with self.connection.transaction():
            self.begin(self.model)
            for stream in self.stream.topics:
                for partition in range(self.partitions):
                    self.connection.execute(
                        "INSERT INTO driftline.partition_progress (topic, partition, next_offset, owner, beat_at)"
                        " VALUES (%s, %s, 0, 'c', clock_timestamp()) ON CONFLICT DO NOTHING",
                        (stream.topic, partition),
                    )

    def begin(self, model: str | None) -> None:
        """Write down the run, with its stream and what scores it."""
        remember(self.connection, self.stream)  # type: ignore[arg-type]
        self.connection.execute(
            "INSERT INTO driftline.run (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, model,"
            " stream, stream_hash) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(self.run, PANE, LATENESS["trips"], LATENESS["outcomes"], DAY, model),
                *(self.stream.name, self.stream.hash),
            ),
        )

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def flush(self, stream: Records, partition: int, times: Sequence[int] = (), *, mark: int | None = None) -> None:
        """Rows at these event times, then a heartbeat at `mark`."""
        at = self.offsets.get((stream.topic, partition), 0)
        offsets = range(at, at + len(times))
        self.offsets[stream.topic, partition] = at + len(times) + (mark is not None)
        known = [t for t in (self.m.get((stream.topic, partition)), mark, *times) if t is not None]
        self.m[stream.topic, partition] = max(known)
        with self.connection.transaction():
            if times:
                self.chunk(stream, partition, rows_at(stream, times, offsets, partition))
            self._progress(stream, partition, finished=False)

    def finish(self) -> None:
        """The final heartbeat, everywhere."""
        for stream in self.stream.topics:
            for partition in range(self.partitions):
                self.m.setdefault((stream.topic, partition), T0)
                self.offsets[stream.topic, partition] = self.offsets.get((stream.topic, partition), 0) + 1
                with self.connection.transaction():
                    self._progress(stream, partition, finished=True)

    def mark(self, at: int, streams: Sequence[Records] | None = None) -> None:
        for stream in streams or self.stream.topics:
            for partition in range(self.partitions):
                self.flush(stream, partition, mark=at)

    def beat(
        self, partition: int, *, caught_up_s: float | None, stream: Records = TRIPS, beat_s: float = 0
    ) -> None:
        """The owner's sign of life; caught_up_s: for how long nothing has come."""
        self.connection.execute(
            "UPDATE driftline.partition_progress SET log_end = next_offset,"
            " beat_at = clock_timestamp() - %s * interval '1 second',"
            " caught_up_since = clock_timestamp() - %s * interval '1 second' WHERE (topic, partition) = (%s, %s)",
            (beat_s, caught_up_s, stream.topic, partition),
        )

    def chunk(self, stream: Records, partition: int, batch: pa.RecordBatch) -> None:
        """Rows of one flush, in offset order."""
        ordered, panes = in_pane_order(batch, stream)
        first, last = batch["offset"][0].as_py(), batch["offset"][-1].as_py()
        key = (self.run, stream.topic, partition, first)
        self.connection.execute(
            "INSERT INTO driftline.chunk VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (*key, last, batch.num_rows, encode(ordered)),
        )
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO driftline.pane (run_id, topic, partition, first_offset, pane_start, first_row, rows)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [(*key, moment(start), row, rows) for start, row, rows in panes],
            )

    def _progress(self, stream: Records, partition: int, *, finished: bool) -> None:
        place = (stream.topic, partition)
        self.connection.execute(
            "UPDATE driftline.partition_progress SET next_offset = %s, log_end = greatest(log_end, %s),"
            " caught_up_since = NULL, beat_at = clock_timestamp() WHERE (topic, partition) = (%s, %s)",
            (self.offsets[place], self.offsets[place], *place),
        )
        self.connection.execute(
            "INSERT INTO driftline.run_progress"
            " (run_id, topic, partition, max_event_time_ms, finished, first_offset, moved_at)"
            " VALUES (%s, %s, %s, %s, %s, 0, clock_timestamp())"
            " ON CONFLICT (run_id, topic, partition) DO UPDATE SET moved_at = excluded.moved_at,"
            " max_event_time_ms = excluded.max_event_time_ms, finished = excluded.finished",
            (self.run, *place, self.m[place], finished),
        )
        self.connection.execute("SELECT pg_notify('driftline_progress', %s)", (self.run,))


class StubEngine:
    """Sums in row order, so that another order shows in the last bits. break_on: raises for windows it holds of."""

    model = MODEL
    error: float | None = 3.0

    def __init__(
        self,
        break_on: Callable[[pa.Table], bool] = lambda _: False,
        min_rows: int = 1,
        summarizer: Summarizer | None = None,
        calibrator: Calibrator | None = None,
    ) -> None:
        self.break_on = break_on
        self.summarizer = summarizer
        self.calibrator = calibrator
        self.min_rows = min_rows
        self.computed: list[tuple[str, int]] = []

    def sample(self, stream: Records, rows: pa.Table) -> pa.Table:
        return rows

    def figures(self, window: WindowKey, rows: LoadedRows, joined: LoadedRows | None) -> WindowFigures:
        self.computed.append((window.records.topic, rows.table.num_rows))
        if self.break_on(rows.table):
            raise ZeroDivisionError("broken on purpose")
        numbers = [name for name in window.records.numbers if name in rows.table.column_names]
        columns = tuple(ColumnFigure(name, "drift", "sum", in_order(rows.table[name])) for name in numbers)
        return WindowFigures(
            columns_tested=len(columns),
            columns=columns,
            sampled=rows.table.num_rows,
            sufficient=rows.table.num_rows >= self.min_rows,
            prediction_drift=in_order(rows.table[PREDICTION]) if joined is None else None,
            label_coverage=None if joined is None else rows.table.num_rows / max(joined.table.num_rows, 1),
        )


def taxi_summarizer() -> Summarizer:
    """Bins of rows like those that `rows_at` makes up."""
    events, labels = (pa.Table.from_batches([rows_at(r, range(T0, T0 + 2_000), range(2_000), 9)]) for r in STREAMS)
    label = str(OUTCOMES.label)
    table = events.drop_columns(["offset"]).append_column(label, labels[label].cast(pa.float64()))
    return Summarizer(SummaryLayout.from_reference(table, TAXI), TAXI)


class StubModel:
    """Each row's prediction from several of its columns, as they come."""

    hash = MODEL

    def predict(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
        assert columns["pickup_at"].dtype == np.int64
        assert columns["passenger_count"].dtype == np.float64
        minutes = columns["trip_distance"] / 3 + columns["pickup_at"] % 977
        return np.asarray(minutes + np.nan_to_num(columns["passenger_count"], nan=-1.0))


def in_order(column: pa.ChunkedArray) -> float:
    total = 0.0
    for value in column.to_pylist():
        total = total * 0.9 + float(value or 0)
    return total


def settings(url: str, **changes: Any) -> Settings:
    defaults: dict[str, Any] = {"sizes": (HOUR,), "until_done": "r", "poll_s": 0.2, "open_every_s": 0.05}
    defaults["metrics"] = Config(min_rows=2)  # from which on an open window is shown
    defaults["alive_s"] = 50.0  # a test may take longer than consumers are given from one beat to the next
    return Settings(database_url=url, **({"stream": TAXI} | defaults | changes))


class Running:
    """A monitor in a thread. Leaving the block stops it and raises what it raised."""

    def __init__(self, settings: Settings, engine: StubEngine, gauges: MonitorGauges | None = None) -> None:
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(settings, engine, gauges), daemon=True)

    def _run(self, settings: Settings, engine: StubEngine, gauges: MonitorGauges | None) -> None:
        try:
            run_scheduler(settings, self._stop, engine, gauges)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        if self._error:
            error, self._error = self._error, None
            raise error


def monitor(url: str, engine: StubEngine | None = None, **changes: Any) -> StubEngine:
    """Run a monitor until the run is done."""
    engine = engine or StubEngine()
    running = Running(settings(url, **changes), engine)
    running._thread.start()
    running.join()
    return engine


FORGET_RESULTS = (
    "TRUNCATE driftline.window_result, driftline.column_metric, driftline.window_summary, driftline.frontier"
)
"""All windows are computed again."""

RESULT = (
    "run_id, stream, size_s, window_start, status, rows, sampled, columns_tested, prediction_drift, label_coverage,"
    " offsets, joined_rows, joined_offsets"
)


def results(connection: psycopg.Connection[Any], *, more: str = "") -> list[Any]:
    """Everything that must not depend on clocks, crashes or company."""
    windows = connection.execute(
        f"SELECT {RESULT}{more} FROM driftline.window_result ORDER BY stream, size_s, window_start"
    ).fetchall()
    columns = connection.execute(
        "SELECT * FROM driftline.column_metric ORDER BY stream, size_s, window_start, column_name, metric"
    ).fetchall()
    return [*windows, *columns]


def fill(feed: Feed, hours: int, per_hour: int = 12) -> None:
    """Trips and their outcomes, evenly, in both partitions."""
    for hour in range(hours):
        times = [T0 + hour * HOUR + n * HOUR // per_hour for n in range(per_hour)]
        for stream in (TRIPS, OUTCOMES):
            for partition in (0, 1):
                feed.flush(stream, partition, times[partition::2])


def status_of(connection: psycopg.Connection[Any], start: int, stream: Records = TRIPS) -> Any:
    """(status, rows, revision) of an hour, None where it has no result."""
    return connection.execute(
        "SELECT status, rows, revision FROM driftline.window_result"
        " WHERE (stream, window_start, size_s) = (%s, %s, 3600)",
        (stream.role, moment(start)),
    ).fetchone()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.01)
