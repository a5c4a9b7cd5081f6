"""Two sides of a comparison, on the board and in the terminal, and what cannot be compared."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import psycopg
import pytest

from cli import main as command_line
from tests.board.conftest import Served
from tests.board.watched import Watched, hold
from tests.monitor.verdict.weeks import Floats

pytestmark = pytest.mark.integration

BEFORE, SINCE = "one@2022-01-08..2022-01-12", "one@2022-01-15..2022-01-19"


def larger(name: str, shares: Floats) -> Floats:
    return shares * (np.arange(len(shares)) >= len(shares) // 2) if name == "amount" else shares


@pytest.fixture(scope="module")
def held(calm: tuple[Served, str]) -> tuple[Served, str]:
    """Runs `one`, whose amounts are larger on four days, and `two`, whose are not."""
    _, database = calm
    for run, drifts in (("one", [(14, 18)]), ("two", [])):
        Watched(days=21, drifts=drifts).put(database, run)
        with psycopg.connect(database, autocommit=True) as connection:
            hold(connection, run, 21, drifts, larger)
    return calm


def test_what_has_moved_between_two_periods_comes_first(held: tuple[Served, str]) -> None:
    served, _ = held
    found = served.json("/api/compare", a=BEFORE, b=SINCE)
    assert (found["a"], found["b"]) == (
        "one@2022-01-08T00:00..2022-01-12T00:00",
        "one@2022-01-15T00:00..2022-01-19T00:00",
    )
    first, *others = found["comparison"]["columns"]
    assert first["name"] == "amount"
    assert first["distance"] > 5 * first["noise"]
    assert all(each["distance"] <= 2 * each["noise"] for each in others)
    assert found["comparison"]["hours"] == {"a": 96.0, "b": 96.0, "noise": None}
    text = served.get("/compare.csv", a=BEFORE, b=SINCE)
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = [row for row in rows if (row["column"], row["figure"]) == ("amount", "distance")]
    assert float(row["difference"]) == first["distance"]
    shares = [float(r["b"]) for r in rows if r["column"] == "amount" and r["figure"].startswith("share of")]
    assert sum(shares) == pytest.approx(1)


def test_runs_windows_and_periods_of_the_run_that_is_named_are_sides(held: tuple[Served, str]) -> None:
    served, _ = held
    assert served.json("/api/compare", a="one", b="two")["comparison"]["columns"][0]["name"] == "amount"
    window = served.json("/api/compare", a="2022-01-15T06:00+1h", b="2022-01-15T07:00+6h", run="one")
    assert window["comparison"]["hours"] == {"a": 1.0, "b": 6.0, "noise": None}


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        ("", "two", "a is missing"),
        ("one", "../two", "b is no side"),
        ("one", "three", "there is no run three"),
        ("one@2022-01-15T06:30+1h", "one", "begin and end at a multiple of 1h"),
        ("one@2023-01-15..2023-01-16", "one", "its windows lie in 2022-01-01T00:00..2022-01-22T00:00"),
        ("one@0001-01-01..9999-01-01", "one", ""),
        ("one", "bins", "two models"),
        ("one", "unheld", "nothing is stored"),
    ],
)
def test_what_cannot_be_compared_says_why(held: tuple[Served, str], a: str, b: str, says: str) -> None:
    served, database = held
    if b in ("bins", "unheld"):
        Watched(days=2).put(database, b)
    if b == "bins":
        with psycopg.connect(database, autocommit=True) as connection:
            hold(connection, b, 2, [], larger)
            connection.execute("UPDATE driftline.window_summary SET layout = %s WHERE run_id = 'bins'", ("0" * 64,))
    answer = served.get("/api/compare", a=a, b=b)
    if says:
        assert answer.status_code == 400
        assert says in f"{answer.json()['error']}: {answer.json()['do']}"
    else:
        assert answer.status_code == 200


def test_the_command_shows_the_same(
    held: tuple[Served, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    served, database = held
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setattr(command_line, "ENVIRONMENT", {})

    def call(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["driftline", "compare", *arguments])
        with pytest.raises(SystemExit) as end:
            command_line.main()
        assert end.value.code in (None, 0)
        return capsys.readouterr().out

    assert json.loads(call(BEFORE, SINCE, "--json")) == served.json("/api/compare", a=BEFORE, b=SINCE)
    lines = call(BEFORE, SINCE, "--csv", str(tmp_path / "made.csv")).splitlines()
    assert any(line.startswith("events") and "amount" in line and "median" in line for line in lines)
    assert (tmp_path / "made.csv").read_text() == served.get("/compare.csv", a=BEFORE, b=SINCE).text.replace(
        "\r\n", "\n"
    )
