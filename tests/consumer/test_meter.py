from __future__ import annotations

from consumer.ledger import Claim
from consumer.meter import ConsumerMeter
from schemas.definition import EVENTS, LABELS
from schemas.records import Manifest
from tests.consumer.fakes import LATENESS, MINUTE, PLACE, RULES, START, beat, flushed, trip


def test_a_consumer_measures_lag_speed_and_watermark() -> None:
    meter = ConsumerMeter(since=100.0)
    flush = flushed([trip(START, 0), trip(START + MINUTE, 1), b"{", beat(START + MINUTE, 1)])
    meter.count(flush, {"r": RULES}, EVENTS)
    measures = meter.measures(102.0, [flush.committed()], [10])
    assert measures == {
        "lag": 6,
        "rows_per_s": 1.0,
        "watermark_ms": START + MINUTE - LATENESS,
        "watermark_age_s": 0.0,
        "partitions": 1,
        "records": 4,
        "events": 2,
        "labels": 0,
        "dead_letters": 1,
        "unscored": 0,
    }
    assert meter.run_id == "r"
    later = meter.measures(105.0, [flush.committed()], [4])
    assert (later["watermark_age_s"], later["rows_per_s"], later["lag"]) == (3.0, 0.0, 0)
    meter.count(flush, {"r": RULES}, LABELS)
    last = meter.measures(106.0, [flush.committed()], [4])
    assert (last["events"], last["labels"], last["rows_per_s"]) == (2, 2, 2.0)


def test_a_partition_that_has_seen_nothing_of_the_run_leaves_the_watermark_unknown() -> None:
    meter = ConsumerMeter(since=0.0)
    flush = flushed([trip(START, 0)])
    meter.count(flush, {"r": RULES}, EVENTS)
    empty = Claim(PLACE._replace(number=1), 1, 0, {})
    assert meter.measures(1.0, [flush.committed(), empty], [1, 0])["watermark_ms"] is None


def test_a_partition_that_was_added_to_the_topic_leaves_the_watermark_as_it_is() -> None:
    meter = ConsumerMeter(since=0.0)
    manifest = Manifest(source="s", period=(START, START + 1), partitions=1)
    flush = flushed([beat(START, manifest=manifest), trip(START, 0)])
    meter.count(flush, {"r": RULES}, EVENTS)
    added = Claim(PLACE._replace(number=1), 1, 0, {})
    assert meter.measures(1.0, [flush.committed(), added], [2, 0])["watermark_ms"] == START - LATENESS


def test_a_consumer_without_partitions_has_no_watermark() -> None:
    measures = ConsumerMeter(since=0.0).measures(0.0, [], [])
    assert (measures["lag"], measures["watermark_ms"]) == (0, None)
