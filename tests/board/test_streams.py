"""Runs of several streams in one database: the board reads of each what it is."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pyarrow as pa
import pytest

from board import histograms
from tests.board.conftest import Served
from tests.side_by_side import PAYMENTS, START, add_all


@pytest.fixture
def board(prepared: str, serve: Callable[..., Served]) -> Served:
    with psycopg.connect(prepared, autocommit=True) as connection:
        add_all(connection)
    return serve(prepared)


@pytest.mark.integration
def test_each_run_is_shown_by_the_definition_of_its_own_stream(board: Served) -> None:
    runs = {run["run"]: run["stream"] for run in board.json("/api/runs")["runs"]}
    assert runs == {"old": "taxi", "paid": "payments", "made": "parts"}
    wholes = {run: board.json("/api/board", run=run) for run in runs}
    assert {run: (w["stream"], w["labelled"], w["unit"]) for run, w in wholes.items()} == {
        "old": ("taxi", True, "min"),
        "paid": ("payments", False, None),
        "made": ("parts", True, "kN"),
    }
    assert wholes["paid"]["columns"] == ["amount", "country", "prediction"]
    assert wholes["paid"]["windows"]["mae"] == [None]
    assert wholes["made"]["windows"]["mae"] == [1.5]


@pytest.mark.integration
def test_the_columns_of_a_window_have_the_kind_and_unit_of_their_definition(board: Served) -> None:
    def shown(run: str) -> dict[str, tuple[str, str, str | None]]:
        found = board.json("/api/window", run=run, size="1h", start=START)["columns"]
        return {column["name"]: (column["stream"], column["kind"], column["unit"]) for column in found}

    assert shown("paid") == {
        "amount": ("events", "number", "€"),
        "country": ("events", "category", None),
        "prediction": ("events", "prediction", None),
    }
    assert shown("made") == {
        "width": ("events", "number", "mm"),
        "prediction": ("events", "prediction", "kN"),
        "strength": ("labels", "label", "kN"),
    }
    assert board.json("/api/window", run="paid", size="1h", start=START)["labels"] is None


@pytest.mark.integration
def test_a_definition_that_no_version_of_ours_wrote_is_said(board: Served, prepared: str) -> None:
    with psycopg.connect(prepared) as connection:
        connection.execute("""UPDATE driftline.stream SET definition = '{"name": 7}' WHERE name = 'parts'""")
    answer = board.get("/api/board", run="made")
    assert answer.status_code == 409
    assert "definition of the stream of run made" in answer.json()["error"]
    assert board.json("/api/board", run="paid")["stream"] == "payments"


def test_a_window_of_a_stream_without_labels_lies_beside_its_reference() -> None:
    reference = pa.table({"amount": [1.0, 2.0], "country": ["it", "fr"], "prediction": [0.1, 0.9]})
    found = histograms.compare(histograms.reference_bins(reference, PAYMENTS), reference, None)
    assert {name: column["kind"] for name, column in found.items()} == {
        "amount": "number",
        "prediction": "number",
        "country": "category",
    }
    assert found["country"]["names"] == {"it": "Italy"}
