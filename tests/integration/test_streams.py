"""Streams that nothing but their definitions knows, through the whole pipeline and beside a run of taxi trips.

What lies in `tests/streams` is made up from its definition alone: another stream is one file there.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from board.settings import Settings as BoardSettings
from cli.commands import results
from cli.removal import runs_of_models
from consumer import stage as consumer
from consumer.settings import Settings as ConsumerSettings
from grafana.generate import dashboards
from models.artifact import load
from models.taxi import SCORERS as TAXI_SCORERS
from monitor import stage as monitor
from monitor.settings import Settings as MonitorSettings
from producer import stage as producer
from producer.settings import Settings as ProducerSettings
from producer.sources.selection import from_generator
from runtime.connections import Addresses
from schemas.definition import Stream
from schemas.durations import moment
from schemas.streams.taxi import TAXI
from storage import listings
from storage.connect import connect
from storage.prepare import prepare
from storage.streams import definition_of
from tests import logs, oracle, rows
from tests.board.conftest import Served, serving
from tests.databases import fresh_database
from tests.grafana.asked import ask_all
from tests.grafana.conftest import reader_url, reading
from tests.streams import flights, made_up, payments
from tests.streams.made_up import HOUR, START

pytestmark = pytest.mark.integration

GUESTS = {stream.name: stream for stream in (flights.STREAM, payments.STREAM)}
ALL = {TAXI.name: TAXI, **GUESTS}
"""Name of the stream, and of its run."""
BY_TOPIC = {records.topic: records for stream in ALL.values() for records in stream.topics}
HOURS = 2


@dataclass(frozen=True)
class House:
    """A database in which a run of each stream stands, finished. models: artifact of each."""

    url: str
    prefix: str
    models: dict[str, Path]
    reading: oracle.Reading


@pytest.fixture(scope="module")
def house(
    stack: Addresses, kafka_config: dict[str, str], trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    prefix = f"streams-{uuid.uuid4().hex[:8]}-"
    folder = tmp_path_factory.mktemp("models")
    models = {name: made_up.artifact(stream, folder / name) for name, stream in GUESTS.items()}
    models[TAXI.name] = trained
    with fresh_database(stack.database_url) as url:
        prepare(url)
        for stream in ALL.values():
            _replay(stream, url, kafka_config, prefix, models[stream.name])
        rules = oracle.Rules(TAXI.terms.pane_ms, _lateness(), TAXI.terms.max_ahead_ms)
        reading = oracle.read(logs.read_back(kafka_config, prefix, (*BY_TOPIC,)), BY_TOPIC, rules)
        yield House(url, prefix, models, reading)
    logs.delete(kafka_config, prefix, (*BY_TOPIC,))


def _replay(stream: Stream, url: str, kafka: dict[str, str], prefix: str, model: Path) -> None:
    guest = stream is not TAXI
    source = (
        made_up.source(stream, 600, HOURS)
        if guest
        else from_generator(logs.START + 8 * HOUR, logs.START + 10 * HOUR, volume=5)
    )
    scorers = made_up.SCORERS if guest else TAXI_SCORERS
    shared: dict[str, Any] = {"stream": stream, "kafka": kafka, "topic_prefix": prefix}
    stored: dict[str, Any] = {**shared, "database_url": url, "until_done": stream.name, "model": model}
    stop = threading.Event()
    sent = producer.run(
        ProducerSettings(**shared, run_id=stream.name, source=source, partitions=2, speed=None), stop
    )
    assert sent.finished
    consumer.run(ConsumerSettings(**stored, scorers=scorers, flush_ms=100), stop)
    monitor.run(MonitorSettings(**stored, scorers=scorers, sizes=(HOUR,)), stop)


def _lateness() -> dict[str, int]:
    return {
        records.topic: stream.terms.lateness_ms if records.label is None else stream.terms.label_lateness_ms
        for stream in ALL.values()
        for records in stream.topics
    }


@pytest.fixture
def database(house: House) -> Iterator[Any]:
    with psycopg.connect(house.url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def board(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = BoardSettings(
        stream=TAXI,
        database_url=house.url,
        models=(*house.models.values(),),
        reports=tmp_path_factory.mktemp("reports"),
    )
    with serving(settings) as board:
        yield board


def test_rows_dead_letters_and_tallies_of_all_streams_are_the_oracles(house: House, database: Any) -> None:
    rows.agree(database, house.reading, BY_TOPIC)
    assert {name for name, _, _ in house.reading.states} == {*ALL}


@pytest.mark.parametrize("name", ALL)
def test_windows_hold_the_rows_that_the_oracle_reads_and_stand_under_their_role(
    name: str, house: House, database: Any
) -> None:
    counted = oracle.windows(house.reading, HOUR)
    expected = [
        (BY_TOPIC[topic].role, start, number) for (run, topic, start), number in counted.items() if run == name
    ]
    found = database.execute(
        "SELECT stream, (extract(epoch FROM window_start) * 1000)::bigint, rows FROM driftline.window_result"
        " WHERE run_id = %s",
        [name],
    ).fetchall()
    rows.same("windows", found, expected)
    assert {role for role, _, _ in found} == {records.role for records in ALL[name].topics}


@pytest.mark.parametrize("name", ALL)
def test_a_run_refers_to_the_definition_it_was_begun_with(name: str, house: House) -> None:
    with connect(house.url) as connection:
        found = definition_of(connection, name, fallback=GUESTS["flights"])
    assert found == ALL[name]


@pytest.mark.parametrize("name", GUESTS)
def test_each_monitored_column_has_its_drift_once(name: str, database: Any) -> None:
    stream = GUESTS[name]
    expected = {("events", column) for column in (*stream.events.numbers, *stream.events.categories, "prediction")}
    expected |= {("labels", stream.label)} if stream.labels else set()
    found = database.execute(
        "SELECT stream, column_name, count(DISTINCT window_start), count(*) FROM driftline.column_metric"
        " WHERE run_id = %s AND metric = 'drift' AND value IS NOT NULL GROUP BY 1, 2",
        [name],
    ).fetchall()
    assert {(role, column) for role, column, _, _ in found} == expected
    assert all(windows == figures for _, _, windows, figures in found)


def test_the_error_of_a_labelled_stream_is_that_of_its_model(house: House, database: Any) -> None:
    stream = GUESTS["flights"]
    events, labels = stream.events, stream.labels
    assert labels is not None
    assert labels.label is not None
    feature = made_up.first_number(events)
    known = _by_id(house.reading, stream.name, events.topic, events.id)
    off = [
        2 * known[record[labels.id]][feature] + 1 - record[labels.label]
        for record in _by_id(house.reading, stream.name, labels.topic, labels.id).values()
    ]
    pairs = database.execute(
        "SELECT sum(mae * rows * label_coverage), count(mae) FROM driftline.window_result"
        " WHERE run_id = %s AND stream = 'labels'",
        [stream.name],
    ).fetchone()
    assert pairs[1] >= HOURS
    maes = database.execute(
        "SELECT min(mae), max(mae) FROM driftline.window_result WHERE run_id = %s AND stream = 'labels'",
        [stream.name],
    ).fetchone()
    assert maes[0] <= np.mean(np.abs(off)) <= maes[1]


def test_a_stream_without_labels_has_neither_their_windows_nor_an_error(database: Any) -> None:
    query = "SELECT DISTINCT stream, mae, target_drift FROM driftline.window_result WHERE run_id = 'payments'"
    assert database.execute(query).fetchall() == [("events", None, None)]


def test_the_board_shows_each_run_as_what_it_is(board: Served) -> None:
    listed = {run["run"]: run["stream"] for run in board.json("/api/runs")["runs"]}
    assert listed == {name: name for name in ALL}
    for name, stream in ALL.items():
        whole = board.json("/api/board", run=name, size="1h")
        assert (whole["stream"], whole["labelled"], whole["unit"]) == (
            name,
            stream.labels is not None,
            stream.unit,
        )
        assert {*stream.events.numbers, *stream.events.categories, "prediction"} <= {*whole["columns"]}
        assert any(mae is not None for mae in whole["windows"]["mae"]) == (stream.labels is not None)


@pytest.mark.parametrize("name", GUESTS)
def test_the_board_lays_a_window_beside_its_reference(name: str, board: Served) -> None:
    stream = GUESTS[name]
    found = board.json("/api/distributions", run=name, size="1h", start=START)["columns"]
    expected = {*stream.events.numbers, *stream.events.categories, "prediction"}
    assert {*found} == expected | ({stream.label} if stream.label else set())


def test_a_run_says_which_reference_it_is_compared_with_whoever_made_its_predictions(house: House) -> None:
    hashes = {name: load(path).hash for name, path in house.models.items()}
    with connect(house.url) as connection:
        listed = {run.run_id: run for run in listings.runs(connection)}
        used = runs_of_models(connection)
    assert {name: run.reference for name, run in listed.items()} == hashes
    assert {name: run.model for name, run in listed.items()} == hashes | {"payments": None}
    assert used == {hash: [name] for name, hash in hashes.items()}


def test_a_run_without_a_model_is_recomputed_and_reported_on_without_naming_its_reference(
    house: House, kafka_config: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.names.ARTIFACTS", house.models["payments"].parent)
    monkeypatch.setenv("DATABASE_URL", house.url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_config["bootstrap.servers"])
    window = {"size": "1h", "window": f"{moment(START):%FT%R}", "run": "payments", "model": None}
    results.recompute(**window, topic_prefix=house.prefix, as_json=True)
    results.report(**window, segment="", out=tmp_path / "report.html", back=None)
    assert "Run payments" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", dashboards())
def test_dashboards_answer_for_every_stream(name: str, house: House) -> None:
    made = dashboards()[name]
    made = json.loads(json.dumps(made))
    now = datetime.now(UTC)
    first = datetime.fromtimestamp(START / 1_000, UTC)
    ranges = ((now - timedelta(hours=1), now + timedelta(hours=1)), (first, first + timedelta(days=1)))
    with reading(reader_url(house.url)) as connection:
        for run in ALL:
            for variable in made["templating"]["list"]:
                if variable["name"] == "run":
                    variable["query"] = f"SELECT '{run}' AS run_id"
            for panel in made["panels"]:
                panel.get("fieldConfig", {})["overrides"] = []
            asked = ask_all(connection, made, ranges)
            assert any(query.most for query in asked)


def _by_id(reading: oracle.Reading, run: str, topic: str, id: str) -> dict[str, oracle.Record]:
    return {
        record[id]: record
        for (name, where, _), found in reading.rows.items()
        if (name, where) == (run, topic)
        for _, _, record in found
    }
