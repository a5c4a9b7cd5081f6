"""A database of the version before is migrated, and everything in it reads as it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from runtime.connections import ROOT, Addresses
from tests.board.conftest import Served
from tests.databases import earlier_database
from tests.fleet import Fleet
from tests.logs import DAY, HOUR

pytestmark = pytest.mark.integration

ROLES = {"trips": "events", "outcomes": "labels"}
"""What stood in `stream` before, and what stands there since."""

CLOCKS = {"closed_at", "written_at", "revision", "latency_ms", "compute_ms"}
BY_THRESHOLD = ("threshold", "severity", "columns_drifted", "share_drifted", "dataset_drift")
RUNS = ("february", "halfway", "foreign", "live", "dummy")
TABLES = ("run", "window_result", "column_metric", "dead_letter", "alarm", "event", "chunk", "pane", "run_progress")

Row = dict[str, Any]
Migrated = tuple[str, dict[str, list[Row]]]


@pytest.fixture(scope="module")
def migrated(stack: Addresses) -> Iterator[Migrated]:
    """URL of such a database once it is migrated, and what was in its tables before."""
    with earlier_database(stack.database_url) as url:
        before = stored_before(url)
        driftline(url, "migrate")
        yield url, before


def stored(url: str) -> dict[str, list[Row]]:
    """All rows of the tables."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return {table: connection.execute(f"SELECT * FROM driftline.{table}").fetchall() for table in TABLES}


def stored_before(url: str) -> dict[str, list[Row]]:
    """All rows of the tables, with the names of roles as they are since."""
    return {
        table: [row | {"stream": ROLES[row["stream"]]} if "stream" in row else row for row in rows]
        for table, rows in stored(url).items()
    }


def listed(url: str, *arguments: str) -> list[Row]:
    """What a command prints as JSON."""
    found: list[Row] = json.loads(driftline(url, *arguments, "--json"))
    return found


def driftline(url: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "driftline.py"), *arguments]
    environ = os.environ | {"DATABASE_URL": url}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


def as_read(value: Any) -> Any:
    """A value of a row as JSON has it, and moments of both as one."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, str) and value[10:11] == "T":
        return datetime.fromisoformat(value).astimezone(UTC)
    return value


def same(found: list[Row], expected: list[Row], key: tuple[str, ...]) -> None:
    """Fail unless the rows are the same, in all fields that both have, of which `key` names a row."""

    def by_key(rows: list[Row]) -> dict[tuple[Any, ...], Row]:
        return {tuple(as_read(row[name]) for name in key): row for row in rows}

    ours, theirs = by_key(found), by_key(expected)
    assert len(ours) == len(found)
    assert ours.keys() == theirs.keys()
    for name, row in theirs.items():
        fields = row.keys() & ours[name].keys()
        assert {f: as_read(ours[name][f]) for f in fields} == {f: as_read(row[f]) for f in fields}


def test_runs_and_windows_read_as_before(migrated: Migrated) -> None:
    url, before = migrated
    runs = listed(url, "runs")
    same(runs, before["run"], ("run_id",))
    assert {run["run_id"] for run in runs} == {*RUNS}
    for run in runs:
        name = run["run_id"]
        for shown, topic in (("rows", "trips"), ("labels", "outcomes")):
            progress = [row for row in before["run_progress"] if (row["run_id"], row["topic"]) == (name, topic)]
            assert run[shown] == sum(row["accepted"] for row in progress)
        windows = [row for row in before["window_result"] if row["run_id"] == name]
        assert run["windows"] == sum(row["stream"] == "events" for row in windows)
        same(listed(url, "windows", "--run", name), windows, ("stream", "size_s", "window_start"))


@pytest.mark.parametrize("run", ["february", "dummy"])
def test_the_columns_of_a_window_read_as_before(migrated: Migrated, run: str) -> None:
    url, before = migrated
    days = [row for row in before["column_metric"] if (row["run_id"], row["size_s"]) == (run, 86_400)]
    start, _ = Counter(row["window_start"] for row in days).most_common()[0]
    of_window = [row for row in days if row["window_start"] == start]
    assert {row["stream"] for row in of_window} == {*ROLES.values()}
    found = listed(url, "columns", "--run", run, "--size", "1d", "--window", f"{start:%Y-%m-%d}")
    same(found, of_window, ("stream", "column_name", "metric"))


@pytest.mark.parametrize("run", RUNS)
def test_the_board_shows_what_was_there(migrated: Migrated, serve: Callable[..., Served], run: str) -> None:
    url, before = migrated
    events = [row for row in before["window_result"] if (row["run_id"], row["stream"]) == (run, "events")]
    days = {row["window_start"] for row in events if row["size_s"] == 86_400}
    board = serve(url)
    assert run in {shown["run"] for shown in board.json("/api/runs")["runs"]}
    assert len(board.json("/api/board", run=run, size="1d")["windows"]["start"]) == len(days)
    for start in days:
        at = round(start.timestamp() * 1_000)
        assert board.json("/api/window", run=run, size="1d", start=at)["start"] == at


def test_no_row_is_lost_or_changed_but_in_the_names_of_roles(migrated: Migrated) -> None:
    url, before = migrated
    after = stored(url)
    for table in TABLES:
        common = before[table][0].keys() & after[table][0].keys()
        of_before, of_after = (
            sorted(repr({name: row[name] for name in sorted(common)}) for row in rows)
            for rows in (before[table], after[table])
        )
        assert of_after == of_before, table


def test_a_monitor_of_today_measures_the_same_in_the_rows_of_before(
    stack: Addresses, trained: Path, tmp_path: Path
) -> None:
    with earlier_database(stack.database_url) as url:
        before = stored_before(url)
        driftline(url, "migrate")
        compute_again(url, "february", trained, tmp_path)
        after = stored(url)
    keys = ("stream", "size_s", "window_start")
    for table, key in (("window_result", keys), ("column_metric", (*keys, "column_name", "metric"))):
        found, expected = (
            [measured(row) for row in rows[table] if row["run_id"] == "february"] for rows in (after, before)
        )
        same(found, expected, key)


def compute_again(url: str, run: str, model: Path, folder: Path) -> None:
    """Drop the run's windows, and let a monitor make them."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE driftline.run SET model = %s WHERE run_id = %s", (model_hash(model), run))
        for table in ("window_result", "frontier"):
            connection.execute(f"DELETE FROM driftline.{table} WHERE run_id = %s", (run,))
    with closing(Fleet({}, "", url, model, folder)) as fleet:
        fleet.finish(fleet.monitor(until_done=run, sizes=(6 * HOUR, DAY)))


def measured(row: Row) -> Row:
    """A row without wall clocks, and without what follows from thresholds or from the reference's predictions.

    Their rules have changed since: thresholds depend on the season, and those predictions are made out of fold.
    """
    left_out = {*CLOCKS, *BY_THRESHOLD, "prediction_drift"}
    if row.get("column_name") == "prediction":
        left_out.add("value")
    if row.get("status") in ("ok", "drift"):
        left_out.add("status")
    return {name: value for name, value in row.items() if name not in left_out}


def model_hash(folder: Path) -> str:
    from models.artifact import load  # noqa: PLC0415 - numeric libraries

    return load(folder).hash
