from __future__ import annotations

from math import isnan

import pytest

from consumer.gauges import ConsumerGauges
from consumer.ledger import Partition
from tests.consumer.fakes import MINUTE, PLACE, START, beat, flushed, trip

OTHER = Partition("outcomes", 3)


@pytest.fixture
def gauges() -> ConsumerGauges:
    return ConsumerGauges()


def value(gauges: ConsumerGauges, name: str, **labels: str) -> float | None:
    return gauges.instruments.registry.get_sample_value(f"driftline_{name}", labels)


def measures(watermark: int | None) -> dict[str, float | None]:
    return {"watermark_ms": watermark, "watermark_age_s": 2.5}


def test_a_flush_is_counted_by_what_became_of_its_records(gauges: ConsumerGauges) -> None:
    known = flushed([trip(START, 0), trip(START, 1)])
    gauges.flushed(known, 0.02)
    more = [trip(START, 1), trip(START, 4), b"{", trip(START - 60 * MINUTE, 5), beat(START, 5)]
    second = flushed(more, claim=known.committed())
    gauges.flushed(second, 0.02)
    gauges.flushed(flushed([trip(START, 5)], claim=second.committed()), 0.01)  # what came before is not told twice
    counted = {
        name: value(gauges, f"{name}_total", topic="trips")
        for name in ("records_read", "rows_accepted", "duplicates", "records_missing")
    }
    assert counted == {"records_read": 8, "rows_accepted": 3, "duplicates": 2, "records_missing": 2}
    assert value(gauges, "dead_letters_total", topic="trips", reason="late") == 1
    assert value(gauges, "dead_letters_total", topic="trips", reason="undecodable") == 1
    assert value(gauges, "flush_duration_seconds_sum", topic="trips") == pytest.approx(0.05)
    assert value(gauges, "flush_rows_bucket", topic="trips", le="1.0") == 2


def test_lag_and_pending_records_are_shown_of_the_partitions_that_are_ours_now(gauges: ConsumerGauges) -> None:
    def counted(topic: str, partition: str) -> list[float | None]:
        names = ("lag_records", "pending_records")
        return [value(gauges, name, topic=topic, partition=partition) for name in names]

    gauges.measured(measures(START), {PLACE: 7, OTHER: 0}, {PLACE: 3, OTHER: 0})
    assert counted("trips", "0") == [7, 3]
    gauges.measured(measures(START), {OTHER: 2}, {OTHER: 1})
    assert counted("trips", "0") == [None, None]
    assert counted("outcomes", "3") == [2, 1]


def test_a_watermark_that_nobody_knows_is_not_a_number(gauges: ConsumerGauges) -> None:
    gauges.measured(measures(None), {}, {})
    assert isnan(value(gauges, "watermark_timestamp_seconds") or 0)
    gauges.measured(measures(START), {}, {})
    assert value(gauges, "watermark_timestamp_seconds") == START / 1_000
    assert value(gauges, "watermark_age_seconds") == 2.5
