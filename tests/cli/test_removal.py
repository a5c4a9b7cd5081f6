"""`models`, `models rm` and `runs rm`: what is needed stays, what goes goes whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec import structs

from cli import main as command_line
from cli.removal import (
    Holdings,
    Removed,
    _problem,
    default_runs,
    describe_removed,
    holdings,
    models,
    removable,
    remove_runs,
    runs_of_models,
)
from consumer.retry import connect
from consumer.store import Beat, RunBinding, RunRemoved, Store
from models.card import Card, Errors, encode, seal
from models.names import Artifact, link, list_artifacts, remove
from schemas.definition import RunConfig
from schemas.errors import ModelUnusable, RunConflict, UsageError
from schemas.streams.taxi import TAXI
from tests.consumer.fakes import PLACE, START, flushed, trip
from tests.consumer.helpers import query

CARD = Card(
    kind="default",
    about="",
    stream="trips",
    definition="",
    source="TLC green-2022-01",
    period=(START, START + 86_400_000),
    rows=1,
    reference_rows=1,
    inputs=(),
    target="",
    target_range=(1.0, 60.0),
    errors=Errors(rows=1, period=(0, 1), mae=3.1, rmse=5.0, bias=0.0),
    seed=7,
    versions={},
    files={},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models, of which one is the default."""
    for seed in (1, 2):
        card = seal(structs.replace(CARD, seed=seed))
        (tmp_path / card.hash).mkdir()
        (tmp_path / card.hash / "card.json").write_bytes(encode(card))
    link(tmp_path / "default", card.hash)
    return tmp_path


@pytest.fixture
def default(folder: Path) -> Artifact:
    return next(artifact for artifact in list_artifacts(folder) if artifact.names)


@pytest.fixture
def older(folder: Path) -> Artifact:
    return next(artifact for artifact in list_artifacts(folder) if not artifact.names)


def test_models_are_listed_with_the_runs_that_use_them_and_those_that_are_gone(
    folder: Path, default: Artifact, older: Artifact
) -> None:
    rows = models(folder, {older.hash: ["c", "b", "a", "z"], "f" * 64: ["lost"]})
    assert [(row.hash, row.names, row.used_by) for row in rows[-1:]] == [("f" * 64, (), "lost")]
    by_hash = {row.hash: row for row in rows}
    assert by_hash[older.hash].used_by == "c, b, a and 1 more"
    assert (by_hash[default.hash].name, by_hash[default.hash].runs) == ("default", ())
    assert by_hash[default.hash].period == ("2022-02-01", "2022-02-02")


def test_what_uses_a_model_is_not_known_without_a_database(folder: Path) -> None:
    assert {row.used_by for row in models(folder, None)} == {"not known"}


def test_a_model_that_is_needed_is_not_removed_unless_told(
    folder: Path, default: Artifact, older: Artifact
) -> None:
    with pytest.raises(
        ModelUnusable, match=f"model {default.hash[:12]} is default: .*`driftline train`; or .*--force"
    ):
        removable(["default"], folder, {}, force=False)
    with pytest.raises(ModelUnusable, match=r"is used by a, b, c and 1 more, .*`driftline runs rm`"):
        removable([older.hash[:10]], folder, {older.hash: ["a", "b", "c", "d"]}, force=False)
    with pytest.raises(
        ModelUnusable, match=r"is default and is used by r, whose .*`driftline train`; .*runs rm`; or add"
    ):
        removable(["default"], folder, {default.hash: ["r"]}, force=False)
    with pytest.raises(ModelUnusable, match="no database says"):
        removable([older.hash], folder, None, force=False)
    with pytest.raises(UsageError, match="`driftline models` lists them"):
        removable(["nosuch"], folder, {}, force=True)
    assert removable([older.hash], folder, {}, force=False) == [older]
    assert removable(["default", default.hash], folder, None, force=True) == [default]


def test_everything_that_keeps_any_of_the_models_is_said_at_once(folder: Path, older: Artifact) -> None:
    with pytest.raises(UsageError) as refused:
        removable(["default", "nosuch", older.hash, "neither"], folder, {older.hash: ["r"]}, force=False)
    said = str(refused.value)
    assert [
        said.count(text)
        for text in ("is default: make another", "no model nosuch", "is used by r", "no model neither")
    ] == [1, 1, 1, 1]


def test_a_model_of_the_demo_has_no_other_trained_in_its_place(folder: Path, older: Artifact) -> None:
    link(folder / "demo-synthetic-2022-01", older.hash)
    with pytest.raises(ModelUnusable, match=r"`driftline demo` of that month .*; or add --force$") as refused:
        removable(["demo-synthetic-2022-01"], folder, {}, force=False)
    assert "`driftline train`" not in str(refused.value)
    link(folder / "mine", older.hash)
    with pytest.raises(ModelUnusable, match="is demo-synthetic-2022-01, mine: see that no stage is started with"):
        removable(["mine"], folder, {}, force=False)


def test_what_becomes_of_records_depends_on_whether_they_name_their_run() -> None:
    named, live = describe_removed({"a": "live", "b": "live"}), describe_removed({"live": "live"})
    assert ("another --run" in named, "begins" in named) == (True, False)
    assert ("another --run" in live, "begins live anew" in live) == (False, True)
    both = describe_removed({"live": "live", "a": "live"})
    assert ("another --run" in both, "begins live anew" in both) == (True, True)


def test_a_name_goes_with_its_model(folder: Path, default: Artifact, older: Artifact) -> None:
    remove(default)
    assert [path.name for path in folder.iterdir()] == [older.hash]


def test_removing_asks_and_says_what_to_do_where_nobody_can_answer(
    folder: Path, older: Artifact, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.commands.models.ARTIFACTS", folder)
    monkeypatch.setattr("cli.commands.models._used", lambda: {})
    monkeypatch.setattr(command_line, "logging", lambda: None)  # set up for a whole process; here others follow
    monkeypatch.setattr(command_line, "ENVIRONMENT", {})
    monkeypatch.setattr("sys.argv", ["driftline", "models", "rm", older.hash[:8]])
    with pytest.raises(SystemExit, match="2"):
        command_line.main()
    assert "add --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["driftline", "models", "rm", older.hash[:8], "--yes", "--json"])
    with pytest.raises(SystemExit, match="0"):
        command_line.main()
    (gone,) = json.loads(capsys.readouterr().out)
    assert gone["hash"] == older.hash
    assert older not in list_artifacts(folder)


def held(**more: Any) -> Holdings:
    quiet: dict[str, Any] = {
        "rows": 1,
        "labels": 0,
        "windows": 1,
        "dead_letters": 0,
        "begun_s": 900.0,
        "received_s": 300.0,
    }
    return Holdings(**quiet | {"finished": False, "lag": 0} | more)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "there is no run r: `driftline runs` lists them"),
        (held(), None),
        (held(received_s=None), None),
        (held(received_s=12.0), "records of run r were read 12 s ago: stop its producer, and try again in 48 s"),
        (
            held(received_s=0.2, lag=4_000),
            "records of run r were read 0 s ago: stop its producer, let the consumers read the 4,000 that are left,"
            " and try again in 60 s",
        ),
        (
            held(received_s=50.0, finished=True),
            "records of run r were read 50 s ago: it has ended: try again in 10 s",
        ),
        (held(begun_s=5.0, received_s=None), "run r began 5 s ago: stop its producer, and try again in 55 s"),
    ],
    ids=["not there", "quiet", "never moved", "moving", "behind", "over", "new"],
)
def test_a_run_that_cannot_be_removed_says_which_stage_is_to_be_stopped(
    found: Holdings | None, said: str | None
) -> None:
    problem = _problem("r", found, "live")
    assert (problem and str(problem)) == said


def test_the_run_of_records_that_name_none_has_no_producer_to_be_stopped() -> None:
    said = str(_problem("live", held(received_s=12.0), "live"))
    assert said == "records of run live were read 12 s ago: stop the consumers, try again in 48 s, then start them"


OURS = RunBinding.from_stream(TAXI, RunConfig(label_lateness_ms=0), "a" * 64)


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with closing(connect(database)) as connection:
        yield connection


@pytest.mark.integration
def test_a_run_goes_whole_and_a_consumer_that_remembers_it_begins_anew(
    connection: psycopg.Connection, database: str
) -> None:
    store = Store(connection, "me")
    for run in ("old", "kept", "live"):
        store.register([run], OURS, TAXI)
    store.seed(PLACE, 0, 0)
    claim = store.claim(PLACE)
    flush = flushed(
        [
            trip(START, 0, "old"),
            trip(START, 1, "old", trip_distance="x"),
            trip(START, 0, "kept"),
            *[trip(START, run=None)] * 2,
        ],
        claim,
    )
    store.commit(flush, ["trips"])
    assert runs_of_models(connection)["a" * 64] == ["live", "kept", "old"]
    with pytest.raises(
        UsageError, match=r"no run ever: .*; there is no run never: .*; records of run old were read 0 s"
    ):
        remove_runs(connection, ["old", "never", "ever"])
    with pytest.raises(RunConflict, match="records of run old were read 0 s ago: stop its producer"):
        remove_runs(connection, ["old"])
    with pytest.raises(RunConflict, match="records of run live were read 0 s ago: stop the consumers, try again"):
        remove_runs(connection, ["live"])
    assert default_runs(connection, ["old", "live"]) == {"old": "live", "live": "live"}
    for table, column in (("run_progress", "moved_at"), ("dead_letter", "written_at"), ("run", "started_at")):
        connection.execute(f"UPDATE driftline.{table} SET {column} = now() - interval '2 minutes'")
    assert holdings(connection, ["old"]) == [Removed("old", 1, 0, 0, 1)]
    remove_runs(connection, ["old"])
    left = {
        table: query(database, f"SELECT DISTINCT run_id FROM driftline.{table} ORDER BY 1")
        for table in ("run", "run_progress", "chunk", "pane", "dead_letter")
    }
    assert left == {table: [("kept",), ("live",)] for table in left} | {"dead_letter": []}
    assert query(database, "SELECT next_offset FROM driftline.partition_progress WHERE topic = 'trips'") == [(5,)]
    with pytest.raises(RunRemoved, match="a run was removed"):
        store.beat([Beat(PLACE, claim.epoch, 5, True)])
    with pytest.raises(RunRemoved, match="a run was removed"):
        store.commit(replace(flush, claim=flush.committed(), next_offset=6), ["trips"])
    assert "old" not in store.claim(PLACE).runs


@pytest.mark.integration
def test_a_run_that_was_begun_a_moment_ago_is_not_removed_though_nothing_of_it_is_written(
    connection: psycopg.Connection,
) -> None:
    Store(connection, "me").register(["new"], OURS, TAXI)
    with pytest.raises(RunConflict, match="run new began 0 s ago"):
        remove_runs(connection, ["new"])


@pytest.mark.integration
def test_the_first_records_of_a_run_that_was_removed_meanwhile_are_read_again(
    connection: psycopg.Connection, database: str
) -> None:
    """Nothing in the partition says that its consumer knows the run: it was frozen before it wrote anything."""
    frozen = Store(connection, "frozen")
    frozen.register(["r"], OURS, TAXI)
    frozen.seed(PLACE, 0, 0)
    flush = flushed([trip(START, 0)], frozen.claim(PLACE))
    connection.execute("UPDATE driftline.run SET started_at = now() - interval '2 minutes'")
    remove_runs(connection, ["r"])
    with pytest.raises(RunRemoved, match="a run was removed"):
        frozen.commit(flush, ["trips"])
    assert query(database, "SELECT run_id FROM driftline.run_progress") == []
    again = Store(connection, "frozen")
    again.register(["r"], OURS, TAXI)
    again.commit(flushed([trip(START, 0)], again.claim(PLACE)), ["trips"])
    assert query(database, "SELECT run_id, rows FROM driftline.chunk") == [("r", 1)]


@pytest.mark.integration
def test_a_run_that_is_removed_while_a_consumer_meets_it_is_begun_anew(
    connection: psycopg.Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removed after the consumer found it there, and before it has read what the run was begun with."""
    Store(connection, "first").register(["r"], OURS, TAXI)
    learn, removals = Store._learn, iter([True])

    def removed_meanwhile(store: Store, *arguments: Any) -> None:
        if next(removals, False):
            query(database, "DELETE FROM driftline.run RETURNING 1")
        learn(store, *arguments)

    monkeypatch.setattr(Store, "_learn", removed_meanwhile)
    second = Store(connection, "second")
    second.register(["r"], OURS, TAXI)
    assert second.binding("r") == OURS


@pytest.mark.integration
def test_a_run_that_a_reference_is_kept_for_uses_its_model(connection: psycopg.Connection) -> None:
    Store(connection, "me").register(["r"], replace(OURS, model=None), TAXI)
    assert runs_of_models(connection) == {}
    connection.execute("UPDATE driftline.run SET reference = %s", ("b" * 64,))
    assert runs_of_models(connection) == {"b" * 64: ["r"]}


@pytest.mark.integration
def test_nothing_is_there_to_be_removed_before_a_stage_has_made_the_tables(
    connection: psycopg.Connection, database: str
) -> None:
    connection.execute("DROP SCHEMA driftline CASCADE")
    assert runs_of_models(connection) == {}
    with pytest.raises(UsageError, match="`driftline runs` lists them"):
        remove_runs(connection, ["r"])
