from __future__ import annotations

import base64

import numpy as np
import psycopg
import pytest

from tests.board.conftest import Served

pytestmark = pytest.mark.integration

WINDOW = """
    INSERT INTO driftline.window_result
        (run_id, stream, size_s, window_start, window_end, status, rows, sampled, offsets, written_at)
    VALUES ('r', 'events', 3600, '2022-02-01', '2022-02-01 01:00', 'insufficient', 3, 3, '{}', now())"""
COLUMN = """
    INSERT INTO driftline.column_metric
        (run_id, stream, size_s, window_start, column_name, metric, severity, status)
    VALUES ('r', 'events', 3600, '2022-02-01', %s, 'drift', %s, %s)"""


def test_a_column_that_was_not_computed_has_no_severity(board: Served, prepared: str) -> None:
    with psycopg.connect(prepared) as connection:
        run = "INSERT INTO driftline.run VALUES ('r', 'x', now(), NULL, NULL, 300000, 0, 0, 0, NULL)"
        connection.execute(run)
        connection.execute(WINDOW)
        connection.execute(COLUMN, ("trip_distance", 2.5, "drift"))
        connection.execute(COLUMN, ("fare_amount", None, "insufficient"))
    answer = board.json("/api/board", run="r", size="1h")
    severity = np.frombuffer(base64.b64decode(answer["windows"]["severity"]), "<f4")
    known = dict(zip(answer["columns"], severity.tolist(), strict=True))
    assert known["trip_distance"] == 2.5
    assert np.isnan([value for name, value in known.items() if name != "trip_distance"]).all()
