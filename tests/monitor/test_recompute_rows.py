from __future__ import annotations

import json
from typing import Any

import pytest

from monitor.recompute import source
from monitor.recompute.rows import BATCH, window_rows
from schemas.errors import BrokerUnreachable
from schemas.records import LIVE
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage.chunk import OFFSET, PREDICTION, layout
from storage.panes import LoadedRows
from storage.windows import WindowKey
from tests import logs
from tests.monitor.feed import HOUR, SCORED, T0, StubModel

RECORD = logs.trip_of(logs.trips(1, 0.001)[0])


def trip(seq: int | None, at: float = T0, run: str | None = "r", **changes: Any) -> bytes:
    head = {"kind": "trip", "run_id": run, "seq": seq}
    return json.dumps(head | RECORD | {"pickup_at": at} | changes).encode()


def beat(seq: int) -> bytes:
    return json.dumps({"kind": "heartbeat", "run_id": "r", "seq": seq, "at": T0}).encode()


def rows(*values: bytes | None, dead: set[tuple[int, int]] = frozenset(), run: str = "r") -> LoadedRows:  # type: ignore[assignment]
    entries = [(0, offset, value) for offset, value in enumerate(values)]
    return window_rows(WindowKey(run, TRIPS, HOUR, T0), entries, dead, StubModel())  # type: ignore[arg-type]


def offsets(*values: bytes | None, **more: Any) -> list[int]:
    return rows(*values, **more).table[OFFSET].to_pylist()


def test_rows_have_the_layout_of_chunks_with_their_predictions() -> None:
    found = rows(trip(0, trip_distance=3.0, passenger_count=None), trip(1, trip_distance=6.0, passenger_count=2))
    assert found.table.schema == layout(TRIPS)
    assert found.table[PREDICTION].to_pylist() == [1.0 + T0 % 977 - 1, 2.0 + T0 % 977 + 2]
    assert found.offsets == {"0": (0, 1)}


def test_what_the_consumer_takes_at_a_second_try_is_read_again_likewise() -> None:
    others = [trip(1, passenger_count=2.0), trip(2, at=float(T0)), b"\xef\xbb\xbf" + trip(3)]
    assert offsets(trip(0), *others, trip(4, passenger_count=1.5), trip(2)) == [0, 1, 2, 3]


def test_a_record_that_came_twice_counts_once() -> None:
    assert offsets(trip(5), trip(5), trip(6), trip(4), trip(5), trip(7)) == [0, 2, 5]


def test_a_duplicate_of_what_was_before_the_range_is_told_by_its_number() -> None:
    assert offsets(trip(9), trip(3)) == [0]


def test_numbers_that_heartbeats_have_passed_are_duplicates() -> None:
    assert offsets(trip(1), beat(4), trip(3), trip(5)) == [0, 3]


def test_each_partition_has_its_own_numbers() -> None:
    entries = [(0, 0, trip(7)), (1, 0, trip(2)), (0, 1, trip(8))]
    found = window_rows(WindowKey("r", TRIPS, HOUR, T0), entries, set(), StubModel())  # type: ignore[arg-type]
    assert found.offsets == {"0": (0, 1), "1": (0, 0)}


def test_dead_letters_are_no_rows_but_their_numbers_count() -> None:
    assert offsets(trip(1), trip(2), trip(2), trip(3), dead={(0, 1)}) == [0, 3]


def test_other_runs_and_other_times_are_left_out() -> None:
    end = T0 + HOUR
    assert offsets(trip(1, T0 - 1), trip(2, T0), trip(3, end - 1), trip(4, end), trip(5, run="other")) == [1, 2]


def test_records_of_nobodys_run_are_live_and_have_no_duplicates() -> None:
    assert offsets(trip(None, run=None), trip(None, run=None), trip(1), run=LIVE) == [0, 1]


def test_a_record_without_kind_is_read_by_what_it_holds() -> None:
    bare = json.dumps({"run_id": "r", "seq": 3} | RECORD | {"pickup_at": T0}).encode()
    assert offsets(bare) == [0]


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff", b"[" * 100_000, b"[1]", b'{"kind": "trip"}'])
def test_what_is_no_record_is_passed_over(value: bytes | None) -> None:
    assert offsets(trip(1), value, trip(2)) == [0, 2]


def test_rows_are_scored_in_batches_without_losing_one() -> None:
    count = 2 * BATCH + 3
    assert offsets(*(trip(seq) for seq in range(count))) == [*range(count)]


def test_outcomes_have_no_prediction() -> None:
    outcome = {"kind": "outcome", "run_id": "r", "seq": 0, "trip_id": "a", "pickup_at": T0, "duration_min": 3.5}
    window = WindowKey("r", OUTCOMES, HOUR, T0)
    found = window_rows(window, [(0, 0, json.dumps(outcome).encode())], set(), StubModel())  # type: ignore[arg-type]
    assert found.table.schema == layout(OUTCOMES)
    assert found.table["duration_min"].to_pylist() == [3.5]


def test_a_record_that_names_no_run_is_of_its_streams_own_default() -> None:
    entries = [(0, 0, trip(None, run=None)), (0, 1, trip(None, run="live"))]
    found = window_rows(WindowKey("now", TRIPS, HOUR, T0), entries, set(), StubModel(), "now")  # type: ignore[arg-type]
    assert found.table[OFFSET].to_pylist() == [0]


def test_a_prediction_that_the_record_carries_is_read_again_without_a_model() -> None:
    head = {"kind": "payment", "run_id": "r", "seq": 0, "payment": "a", "at": T0}
    entries = [(0, 0, json.dumps(head | {"amount": 3.0, "risk": 0.25}).encode())]
    found = window_rows(WindowKey("r", SCORED, HOUR, T0), entries, set(), None)  # type: ignore[arg-type]
    assert found.table.schema == layout(SCORED)
    assert found.table[PREDICTION].to_pylist() == [0.25]


def test_a_broker_that_is_down_is_said_in_one_error_and_not_by_its_client(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(source, "ANSWER_S", 0.3)
    with pytest.raises(BrokerUnreachable, match=r"Kafka at 127\.0\.0\.1:1"):
        list(source.records({"bootstrap.servers": "127.0.0.1:1"}, "trips", {"0": (0, 0)}))
    assert capfd.readouterr().err == ""
