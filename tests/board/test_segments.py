"""The board of one segment, beside that of the whole stream."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.board import seed
from storage.connect import connect
from tests.board.conftest import Served

COPY = """
    INSERT INTO driftline.window_result (run_id, stream, size_s, window_start, segment, window_end, status, rows,
        sampled, columns_tested, columns_drifted, share_drifted, dataset_drift, offsets, closed_at, written_at)
    SELECT run_id, stream, 21600, window_start, 'VendorID=1', window_start + interval '6 hours', status, 7, 7,
        columns_tested, 2, 0.25, false, '{}', closed_at, written_at
    FROM driftline.window_result WHERE segment = '' AND extract(hour FROM window_start) % 6 = 0"""
COLUMNS = """
    INSERT INTO driftline.column_metric (run_id, stream, size_s, window_start, segment, column_name, metric, value,
        threshold, severity, status)
    SELECT run_id, stream, size_s, window_start, segment, 'fare_amount', 'drift', 0.3, 0.1, 3.0, 'drift'
    FROM driftline.window_result WHERE segment <> ''"""


def filled(database: str) -> None:
    with connect(database) as connection:
        seed(connection, "r", windows=48)
        connection.execute(COPY)
        connection.execute(COLUMNS)


def test_a_segment_has_a_board_of_its_own(prepared: str, serve: Callable[..., Served]) -> None:
    filled(prepared)
    board = serve(prepared)
    whole = board.json("/api/board", run="r")
    assert (whole["segment"], whole["segments"], whole["sizes"]) == ("", ["VendorID=1"], ["1h"])
    assert len(whole["windows"]["start"]) == 48
    shown = board.json("/api/board", run="r", segment="VendorID=1")
    assert (shown["segment"], shown["size"], shown["sizes"]) == ("VendorID=1", "6h", ["6h"])
    assert (shown["columns"], shown["windows"]["rows"]) == (["fare_amount"], [7] * 8)
    assert shown["status"]["verdict"] == "drift"
    assert shown["status"]["newest"]["worst"] == {"column": "fare_amount", "severity": 3.0}
    assert shown["reference_mae"] is None


def test_a_segment_or_size_that_is_not_there_is_refused(prepared: str, serve: Callable[..., Served]) -> None:
    filled(prepared)
    board = serve(prepared)
    refused = board.get("/api/board", run="r", segment="VendorID=9")
    assert (refused.status_code, refused.json()["do"]) == (404, "choose of VendorID=1")
    refused = board.get("/api/board", run="r", segment="VendorID=1", size="1h")
    assert refused.status_code == 404
    assert "of this segment" in refused.json()["error"]
    assert board.get("/api/board", run="r", segment="a\x00b").status_code == 400
