"""The panels of the classic tutorial (Evidently, Postgres, Adminer, Grafana), unchanged.

Their queries are those of `05-monitoring/dashboards/data_drift.json` of DataTalksClub/mlops-zoomcamp: two as the
code editor of Grafana wrote them, one as its builder did. There the table is called `dummy_metrics`, in the
tutorial's script for real metrics too; later ones call theirs `ml_metrics`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.grafana.asked import ask
from tests.grafana.conftest import Filled
from tests.grafana.expand import in_browser, on_server
from tests.grafana.shape import check

pytestmark = pytest.mark.integration

PANELS = {
    "Share of missing values": (
        "time_series",
        'SELECT\n  "timestamp" AS "time",\n  share_missing_values\nFROM {table}\n'
        'WHERE\n  $__timeFilter("timestamp")\nORDER BY 1',
    ),
    "Number of Drifted Columns": (
        "time_series",
        'SELECT\n  "timestamp" AS "time",\n  num_drifted_columns\nFROM {table}\n'
        'WHERE\n  $__timeFilter("timestamp")\nORDER BY 1',
    ),
    "Prediction Drift": ("table", 'SELECT prediction_drift, "timestamp" FROM {table} LIMIT 50 '),
}
COLUMNS = [
    *("timestamp", "prediction_drift", "num_drifted_columns", "share_missing_values"),
    *("dataset_drift", "drift_score", "model_name", "created_at"),
]


@pytest.mark.parametrize("table", ["ml_metrics", "dummy_metrics"])
@pytest.mark.parametrize("title", PANELS)
def test_a_panel_of_the_tutorial_shows_a_point_for_each_day(
    title: str, table: str, filled: Filled, reader: Any
) -> None:
    form, sql = PANELS[title]
    answer = ask(reader, on_server(in_browser(sql.format(table=table), {}, "1h"), filled.history))
    check("timeseries", form, answer, {})
    start, end = filled.history
    days = [start + timedelta(days=n) for n in range((end - start).days)]
    times = answer.all("time" if "time" in answer.columns else "timestamp")
    assert times == days, "as the tutorial's batches, and in their order though one query asks for none"
    (number,) = [c for c in answer.columns if c not in ("time", "timestamp")]
    assert None not in answer.all(number)


def test_the_view_begins_with_the_columns_that_tutorials_use(reader: Any) -> None:
    answer = ask(reader, "SELECT * FROM ml_metrics")
    assert answer.columns[: len(COLUMNS)] == COLUMNS
    assert set(map(type, answer.all("dataset_drift"))) == {bool}
    assert all(answer.all("model_name"))
