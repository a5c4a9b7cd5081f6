"""What a stage would miss is a failure, what is broken as well as what is not there yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from cli import doctor
from local.stack.doctor import Check
from models.artifact import CARD
from models.taxi import SCORERS
from models.taxi.train import train
from schemas.definition import Field, Records, Stream
from schemas.streams.taxi import TAXI, TRIPS
from storage.connect import connect
from storage.health import report_health
from storage.notifications import Ledger
from storage.streams import remember
from tests.models.conftest import made_up
from tests.monitor.changes import change, write
from tests.monitor.feed import T0, Feed
from tests.notifier.told import begin


def checks(environ: Mapping[str, str], model: Path, prefix: str = "", stream: Stream = TAXI) -> list[Check]:
    return [*doctor.run_checks(environ, stream, SCORERS, model, prefix)]


def of_model(folder: Path) -> Check:
    return next(
        check for check in checks({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, folder) if check.name == "model"
    )


@pytest.fixture(autouse=True)
def _no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.doctor.checks", lambda **_: iter(()))


def test_no_model_is_a_failure_until_one_is_trained(tmp_path: Path) -> None:
    found = of_model(tmp_path / "default")
    assert (found.ok, found.state) == (False, "failed")
    assert "no default model yet" in found.detail
    assert "driftline train" in found.do


def test_a_model_of_the_demo_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo-synthetic").mkdir()
    (tmp_path / "demo-synthetic" / CARD).write_text("{}")
    assert "beside it: demo-synthetic" in of_model(tmp_path / "default").detail


def test_a_model_that_is_damaged_is_a_failure(tmp_path: Path) -> None:
    train(made_up(2_000), kind="tutorial", out=tmp_path / "default", source="made up")
    assert of_model(tmp_path / "default") == Check("model", True, of_model(tmp_path / "default").detail)
    (tmp_path / "default" / CARD).write_text("{}")
    found = of_model(tmp_path / "default")
    assert not found.ok
    assert "damaged" in found.detail


@pytest.mark.integration
def test_a_run_that_counts_seconds_is_a_warning(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for run, newest in (
            ("good", 1_643_673_600_000),
            ("live", 1_643_673_601),
            ("seconds", 1_643_673_600),
            ("waits", None),
        ):
            connection.execute(
                "INSERT INTO driftline.run_progress (run_id, topic, partition, first_offset, max_event_time_ms)"
                " VALUES (%s, 'trips', 0, 0, %s)",
                (run, newest),
            )
    environ = {"DATABASE_URL": database, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    found, live = [check for check in checks(environ, tmp_path) if check.name.startswith("run ")][::-1]
    assert (found.name, found.state) == ("run seconds", "warning")
    assert "another --run" in found.do
    assert "`driftline runs rm live`" in live.do
    assert found.detail == "its newest event time is 1970-01-20 00:34: it looks like seconds: send milliseconds"


@pytest.mark.integration
def test_a_run_of_which_no_window_will_be_computed_is_a_warning(database: str, tmp_path: Path) -> None:
    with Feed(database, model="b" * 64) as feed:
        feed.flush(TRIPS, 0, [T0])
        feed.connection.execute("UPDATE driftline.run_progress SET accepted = 1")
        environ = {"DATABASE_URL": database, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}

        def found() -> list[Check]:
            return [check for check in checks(environ, tmp_path) if check.name == "windows"]

        (warning,) = found()
        assert warning.state == "warning"
        assert warning.detail.startswith(
            "run r has rows, and none of its windows was computed: no monitor is running"
        )
        with connect(database) as connection:
            watched = {"model": "a" * 64, "stream": "taxi", "sizes_s": [3600]}
            report_health(connection, "monitor", "here:1", None, watched)
            assert "the monitor skips it: model bbbbbbbbbbbb scored it" in found()[0].detail
            report_health(connection, "monitor", "here:1", None, watched | {"model": "b" * 64})
            assert found() == []


@pytest.mark.integration
def test_a_topic_that_would_refuse_a_run_is_a_warning(
    kafka_config: dict[str, str], prefix: str, tmp_path: Path
) -> None:
    admin = AdminClient(kafka_config)
    wanted = [
        NewTopic(prefix + "trips", 3, 1, config={"cleanup.policy": "compact"}),
        NewTopic(prefix + "outcomes", 2, 1),
    ]
    for made in admin.create_topics(wanted).values():
        made.result(60)
    environ = {"DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    environ["KAFKA_BOOTSTRAP_SERVERS"] = kafka_config["bootstrap.servers"]
    trips, outcomes = [check for check in checks(environ, tmp_path, prefix) if check.name.startswith("topic")]
    assert (trips.ok, trips.warning, outcomes.warning) == (True, True, False)
    assert trips.detail.startswith("3 partitions; cleanup.policy is compact")
    assert "cleanup.policy=delete" in trips.do
    assert outcomes.detail == "2 partitions"


OTHER = Stream(
    name="grid",
    events=Records(
        topic="loads",
        kind="load",
        id="load_id",
        time="at",
        fields=(Field(name="expected", type="float", role="number"),),
        prediction="expected",
    ),
)
"""Without labels; its records carry their prediction."""


@pytest.mark.integration
def test_streams_of_one_database_are_listed_side_by_side(
    database: str, kafka_config: dict[str, str], prefix: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for stream in (TAXI, OTHER):
            remember(connection, stream)
        query = "INSERT INTO driftline.run (run_id, stream, stream_hash, {}) VALUES ('r', %s, %s, {})"
        terms = {"pane_ms": 300_000, "lateness_ms": 0, "outcome_lateness_ms": 0, "max_ahead_ms": 1}
        connection.execute(
            query.format(", ".join(terms), ", ".join(map(str, terms.values()))), (OTHER.name, OTHER.hash)
        )
    environ = {"DATABASE_URL": database, "KAFKA_BOOTSTRAP_SERVERS": kafka_config["bootstrap.servers"]}
    details = {check.name: check.detail for check in checks(environ, tmp_path, prefix, OTHER)}
    assert details["stream grid"] == "events in loads; 1 run"
    assert details["stream taxi"] == "events in trips, labels in outcomes; 0 runs"
    assert {f"topic {prefix}{topic}" for topic in ("loads", "trips", "outcomes")} <= details.keys()


def test_a_stream_that_carries_its_prediction_needs_no_model(tmp_path: Path) -> None:
    names = {check.name for check in checks({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, tmp_path, stream=OTHER)}
    assert "model" not in names


def test_a_topic_of_the_same_name_with_another_prefix_is_named() -> None:
    found = doctor._missing_topic("trips", ["mine-trips"])
    assert (found.ok, found.warning, found.detail) == (True, True, "not there yet, but mine-trips")
    assert "same --topic-prefix" in found.do
    assert "prefix" not in doctor._missing_topic("trips", []).do


def test_a_misspelt_variable_of_kafka_is_named() -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_BOOTSTRAP_SERVER": "127.0.0.1:1"}
    (found,) = doctor._topics(environ, (TAXI,), "")
    assert not found.ok
    assert "KAFKA_BOOTSTRAP_SERVER" in found.do


@pytest.mark.integration
def test_a_target_that_takes_nothing_is_a_warning_and_so_is_one_that_nobody_looks_after(
    database: str, tmp_path: Path
) -> None:
    begin(database)
    with connect(database) as connection:
        ledgers = [
            Ledger(connection, name, stream=None, tracks=("change",), holder="me")
            for name in ("down", "left", "well")
        ]
        for ledger in ledgers:
            ledger.add()
            ledger.claim(60.0)
        write(database, [change("a", 1), change("b", 1)])
        down, left, well = ledgers
        down.report("connection refused")
        left.mark([left.changes()[0].change_id])
        well.mark([found.change_id for found in well.changes()])
        connection.execute(
            "UPDATE driftline.notification_target SET served_at = served_at - interval '2 minutes'"
            " WHERE target = 'left'"
        )
    said = {c.name: c for c in checks({"DATABASE_URL": database}, tmp_path) if c.name.startswith("notify ")}
    assert [*said] == ["notify down", "notify left", "notify well"]
    assert re.fullmatch(r"2 messages wait; it fails since .*: connection refused", said["notify down"].detail)
    assert said["notify left"].detail == "1 message waits; no notifier looks after it"
    assert [check.state for check in said.values()] == ["warning", "warning", "ok"]
    assert "driftline notify" in said["notify left"].do
