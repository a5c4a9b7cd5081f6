"""The commands with a real model and Evidently: what `monitor` writes, `recompute` finds and `report` draws."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from models.artifact import Model
from models.taxi import SCORERS
from models.taxi.train import train
from monitor import estimating
from monitor.drift.figures import Config
from monitor.drift.sampling import sample
from monitor.evidently.engine import DriftEngine
from monitor.evidently.report import report
from monitor.recompute.compare import recompute
from monitor.settings import Settings
from monitor.stage import run
from schemas.durations import moment
from schemas.errors import ModelUnusable, UsageError
from schemas.figures import CATEGORY_METRICS, NUMBER_METRICS
from schemas.streams.taxi import OUTCOMES, STREAMS, TAXI, TRIPS
from storage.chunk import OFFSET, PREDICTION, layout
from storage.panes import RowCollector
from tests import logs
from tests.models.conftest import made_up
from tests.monitor.feed import DAY, HOUR, LATENESS, PANE, T0, Feed
from tests.oracle import Rules, read

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    place = tmp_path_factory.mktemp("models") / "model"
    return train(made_up(2_000), kind="tutorial", out=place, source="made up", beside=estimating.files)


@pytest.fixture
def scene(
    database: str, kafka_config: dict[str, str], prefix: str, model: Model
) -> Iterator[tuple[Feed, Settings]]:
    """A calm log in Kafka, and the tables of a consumer that has read all of it."""
    writer = logs.Writer(run="r")
    logs.calm(writer, logs.trips(400, 0.2))
    logs.write(kafka_config, prefix, writer.sent)
    reading = read(logs.read_back(kafka_config, prefix), {s.topic: s for s in STREAMS}, Rules(PANE, LATENESS, DAY))
    with Feed(database, partitions=logs.PARTITIONS, model=model.hash) as feed:
        for stream in STREAMS:
            for partition in range(logs.PARTITIONS):
                rows = sorted(
                    (offset, record)
                    for (_, topic, _), found in reading.rows.items()
                    for p, offset, record in found
                    if (topic, p) == (stream.topic, partition)
                )
                columns = {f.name: [record.get(f.name) for _, record in rows] for f in layout(stream)}
                columns[OFFSET] = [offset for offset, _ in rows]
                if PREDICTION in columns:
                    columns[PREDICTION] = model.predict(inputs(columns)).tolist()
                feed.chunk(stream, partition, pa.RecordBatch.from_pydict(columns, schema=layout(stream)))
        feed.mark(T0 + 5 * HOUR)
        feed.finish()
        yield (
            feed,
            Settings(
                scorers=SCORERS,
                stream=TAXI,
                database_url=database,
                kafka=kafka_config,
                topic_prefix=prefix,
                sizes=(HOUR,),
                until_done="r",
                model=model.path,
                metrics=Config(min_rows=10),
            ),
        )


def inputs(columns: dict[str, list[object]]) -> dict[str, np.ndarray]:
    whole = ("pickup_at", "PULocationID", "DOLocationID")
    types = {f.name: np.int64 if f.name in whole else np.float64 for f in layout(TRIPS)}
    text = (TRIPS.id, "store_and_fwd_flag", PREDICTION)
    return {name: np.array(values, types[name]) for name, values in columns.items() if name not in text}


def test_what_the_monitor_writes_the_log_says_again(
    scene: tuple[Feed, Settings], model: Model, tmp_path: Path
) -> None:
    feed, settings = scene
    run(settings, threading.Event())
    start = T0 + HOUR
    figures = feed.connection.execute(
        "SELECT stream, status, prediction_drift IS NOT NULL, mae IS NOT NULL, label_coverage > 0.9"
        " FROM driftline.window_result WHERE window_start = to_timestamp(%s) ORDER BY stream",
        (start / 1_000,),
    ).fetchall()
    assert figures == [("events", "final", True, False, None), ("labels", "final", False, True, True)]
    metrics = feed.connection.execute(
        "SELECT count(*) FROM driftline.column_metric WHERE stream = 'events' AND window_start = to_timestamp(%s)"
        " AND metric <> 'estimated_mae'",
        (start / 1_000,),
    ).fetchone()
    numbers = len(TRIPS.numbers) + 1
    assert metrics == (numbers * len(NUMBER_METRICS) + len(TRIPS.categories) * len(CATEGORY_METRICS),)

    ((estimated, reason),) = feed.connection.execute(
        "SELECT w.estimated_mae, m.reason FROM driftline.window_result w LEFT JOIN driftline.column_metric m"
        " ON (m.run_id, m.stream, m.window_start, m.metric) = (w.run_id, w.stream, w.window_start, 'estimated_mae')"
        " WHERE w.stream = 'events' AND w.window_start = to_timestamp(%s)",
        (start / 1_000,),
    ).fetchall()
    assert (estimated is None) != (reason is None)

    assert recompute(settings, "r", HOUR, start) == []
    feed.connection.execute("UPDATE driftline.window_result SET estimated_mae = 99 WHERE stream = 'events'")
    assert [(d.stream, d.figure) for d in recompute(settings, "r", HOUR, start)] == [("events", "estimated_mae")]
    feed.connection.execute(
        "UPDATE driftline.window_result SET estimated_mae = %s WHERE stream = 'events'", (estimated,)
    )
    feed.connection.execute("UPDATE driftline.window_result SET mae = mae + 1e-6 WHERE stream = 'labels'")
    assert [(d.stream, d.figure) for d in recompute(settings, "r", HOUR, start)] == [("labels", "mae")]
    feed.connection.execute("UPDATE driftline.window_result SET mae = mae - 1e-6 WHERE stream = 'labels'")
    feed.connection.execute(
        "UPDATE driftline.evidence SET rows = rows + 1"
        " WHERE stream = 'events' AND size_s = 3600 AND window_start = %s",
        (moment(start),),
    )
    ((name,),) = [(d.figure,) for d in recompute(settings, "r", HOUR, start)]
    assert re.fullmatch(r"evidence 1h 20\S+ rows", name)

    kept = feed.connection.execute("SELECT model, mae FROM driftline.reference").fetchall()
    assert kept == [(model.hash, model.card.mae)]

    made = report(settings, "r", HOUR, start, tmp_path / "deep" / "report.html")
    assert (
        made.rows
        == feed.connection.execute(
            "SELECT rows FROM driftline.window_result WHERE stream = 'events' AND window_start = to_timestamp(%s)",
            (start / 1_000,),
        ).fetchone()[0]
    )  # type: ignore[index]
    text = made.path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "Run r, 1h window 2022-" in text
    drifted, tested = feed.connection.execute(
        "SELECT columns_drifted, columns_tested FROM driftline.window_result"
        " WHERE stream = 'events' AND window_start = to_timestamp(%s)",
        (start / 1_000,),
    ).fetchone()  # type: ignore[misc]
    assert f"({drifted} out of {tested})" in text  # Evidently's table is of the monitor's columns and thresholds
    assert f"in {drifted} of {tested} columns" in text if drifted else "No drift" in text


def test_a_window_without_trips_has_no_report(scene: tuple[Feed, Settings], tmp_path: Path) -> None:
    for run_id, what in (("r", "no events"), ("nobody", "no run")):
        with pytest.raises(UsageError, match=what):
            report(scene[1], run_id, HOUR, T0 - DAY, tmp_path / "report.html")


def test_a_model_that_is_missing_is_said_before_anything_is_written(database: str, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="train"):
        run(Settings(stream=TAXI, database_url=database, model=tmp_path), threading.Event())


def test_a_database_that_refuses_is_said_before_the_reference_is_prepared(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "monitor.evidently.engine.DriftEngine.__init__", lambda *_: pytest.fail("the reference is prepared")
    )
    with pytest.raises(UsageError):
        run(
            Settings(stream=TAXI, database_url="postgresql://127.0.0.1:nonsense/", model=model.path),
            threading.Event(),
        )


def test_sampling_while_gathering_leaves_what_sampling_at_the_end_leaves(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.panes.REDUCE_FROM", 300)
    engine = DriftEngine(Settings(stream=TAXI, database_url="", model=model.path, metrics=Config(max_rows=100)))
    parts = [batch(first, 50) for first in range(0, 2_000, 50)]
    gathered, whole = RowCollector(TRIPS, reduce=lambda table: engine.sample(TRIPS, table)), RowCollector(TRIPS)
    for number, part in enumerate(parts):
        gathered.add(number % 3, part)
        whole.add(number % 3, part)
    kept = gathered.loaded()
    assert kept.table.num_rows < 800
    assert kept.offsets == whole.loaded().offsets
    assert sample(kept.table, TRIPS.id, 100).equals(sample(whole.loaded().table, TRIPS.id, 100))
    assert engine.sample(OUTCOMES, kept.table).num_rows == 100


def batch(first: int, rows: int) -> pa.RecordBatch:
    columns = {f.name: pa.nulls(rows, f.type) for f in layout(TRIPS)}
    columns[OFFSET] = pa.array(range(first, first + rows))
    columns[TRIPS.id] = pa.array([f"trip-{n}" for n in range(first, first + rows)])
    return pa.RecordBatch.from_arrays([*columns.values()], schema=layout(TRIPS))
