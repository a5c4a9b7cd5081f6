"""What a dummy run has besides windows, as rows of tables: progress, alarms, dead letters, health. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any
from zlib import crc32

import msgspec

from local.dummy.plan import DAY, HOUR, LATENESS, PANE, PARTITIONS, TOPICS, WALL, DummyPlan, DummyTraffic
from models.lookup import MANUFACTURED
from schemas.durations import moment
from schemas.records import Manifest, encode
from schemas.streams.taxi import OUTCOMES, TAXI, TRIPS
from schemas.watermark import END

Row = dict[str, Any]
"""A row by column, without run_id."""

SOURCE = MANUFACTURED
"""Marks `run.source` and `run.model`: such a run may be replaced, and no stage takes it for its own."""

BEAT = 5_000
"""Milliseconds between two reports of health."""
DEAD_LETTERS = 90
REASONS = ("late", "late", "late", "invalid", "undecodable", "future")
LOST = 412
"""Number of records of a partition that were lost."""


def run(plan: DummyPlan, traffic: DummyTraffic) -> Row:
    manifest = Manifest(
        source=SOURCE,
        period=(plan.start, plan.now),
        speed=(plan.now - plan.start) / WALL,
        events=traffic.rows(plan.start, plan.now),
        partitions=PARTITIONS,
        scenario=SOURCE,
        injected=plan.stretches,
    )
    return {
        "source": SOURCE,
        "model": SOURCE,
        "stream": TAXI.name,
        "stream_hash": TAXI.hash,
        "started_at": moment(plan.wall(plan.start)),
        "finished_at": None if plan.live else moment(plan.now),
        "manifest": msgspec.to_builtins(manifest),
        "pane_ms": PANE,
        "lateness_ms": LATENESS[TRIPS.role],
        "outcome_lateness_ms": LATENESS[OUTCOMES.role],
        "max_ahead_ms": DAY,
    }


def frontiers(plan: DummyPlan) -> list[Row]:
    """Say that every window is final, so that no monitor computes one."""
    return [
        {"stream": stream, "size_s": size // 1_000, "next_start_ms": END}
        for stream in LATENESS
        for size in plan.sizes
    ]


def tallies(
    plan: DummyPlan, traffic: DummyTraffic, dead_letters: Sequence[Row], until: int, now: int
) -> Iterator[Row]:
    """Report each partition's progress: accepted, rejected and lost records add up to those sent."""
    rows = traffic.rows(plan.start, until)
    for topic in TOPICS.values():
        for partition in range(PARTITIONS):
            reasons = [a["reason"] for a in dead_letters if (a["topic"], a["partition"]) == (topic, partition)]
            late, future = reasons.count("late"), reasons.count("future")
            counts = {
                "accepted": rows // PARTITIONS + (partition < rows % PARTITIONS),
                "late": late,
                "future": future,
                "invalid": len(reasons) - late - future,
                "missing": LOST if (topic, partition) == (TRIPS.topic, 1) else 0,
            }
            place = {"topic": topic, "partition": partition, "first_offset": 0}
            moved = {"max_event_time_ms": until, "moved_at": moment(now), "finished": not plan.live}
            yield place | moved | counts | {"last_seq": sum(counts.values()) - 1}


def dead_letters(plan: DummyPlan, traffic: DummyTraffic) -> list[Row]:
    """A few now and then, most of them late; a burst when the gap ends. None where nothing arrives."""
    burst = [plan.gap[1] + i * PANE for i in range(12)]
    spread = [plan.start + (i + 1) * (plan.now - plan.start) // (DEAD_LETTERS + 1) for i in range(DEAD_LETTERS)]
    times = sorted(at for at in (*burst, *spread) if traffic.rows(at // HOUR * HOUR, at // HOUR * HOUR + HOUR))
    return [_dead_letter(plan, number, at) for number, at in enumerate(times)]


def _dead_letter(plan: DummyPlan, number: int, at: int) -> Row:
    """Its offset is negative: none of a real log is ever in its place."""
    reason, stream = REASONS[number % len(REASONS)], OUTCOMES if number % 7 == 3 else TRIPS
    trip = f"{plan.run}-{number}"
    raw = encode({"kind": stream.kind, "run_id": plan.run, "seq": number, stream.id: trip, stream.time: at})
    half = len(raw) // 2
    detail, time = {
        "late": (f"event time {_iso(at)} when {_iso(at + 3 * HOUR)} had been seen", at),
        "future": (f"event time {_iso(at + 400 * DAY)} when {_iso(at)} had been seen", at + 400 * DAY),
        "invalid": ("Object missing required field `trip_distance`", at),
        "undecodable": (f"Input data was truncated - at byte {half}", None),
    }[reason]
    return {
        "topic": stream.topic,
        "partition": number % PARTITIONS,
        "kafka_offset": number - ((crc32(plan.run.encode()) + 1) << 20),
        "reason": reason,
        "detail": detail,
        "event_time": None if time is None else moment(time),
        "key": trip.encode(),
        "raw": raw if time is not None else raw[:half],
        "written_at": moment(plan.wall(at)),
    }


def incidents(plan: DummyPlan) -> list[Row]:
    """Of the log: that of a gap in it."""
    return [
        {
            "alarm_id": f"gap:{plan.run}:1",
            "kind": "gap",
            "started_at": moment(plan.gap[1]),
            "columns": [],
            "message": _lost(),
        }
    ]


def events(plan: DummyPlan) -> list[Row]:
    (start, end), spans = plan.gap, [("injected", s.starts_at, s.ends_at, s.label) for s in plan.stretches]
    spans += [("gap", start, end, f"nothing arrived; {_lost()}")]
    spans += [("late", end, end + HOUR, "trips of the gap arrived too late")]
    return [
        {
            "event_id": f"{kind}:{plan.run}:{number}",
            "kind": kind,
            "starts_at": moment(since),
            "ends_at": moment(until),
            "label": label,
        }
        for number, (kind, since, until, label) in enumerate(spans)
    ]


def health(
    plan: DummyPlan, traffic: DummyTraffic, at: int, span: tuple[int, int], *, dead_letters: int
) -> Iterator[Row]:
    """Report the health of two consumers and a monitor at a wall time, while event time passes `span`.

    dead_letters: their number so far.
    """
    since, until = span
    rate, total = traffic.rows(since, until) / (BEAT / 1_000), traffic.rows(plan.start, until)
    age = 0.4 if rate else round((plan.wall(until) - plan.wall(plan.gap[0])) / 1_000, 1)
    for number, share in ((1, 0.52), (2, 0.48)):
        measures = {
            "lag": round(rate * share * 0.3),
            "rows_per_s": round(rate * share, 1),
            "watermark_ms": until - LATENESS[TRIPS.role],
            "watermark_age_s": age,
            "partitions": PARTITIONS,
            "records": 2 * round(total * share) + dead_letters // 2,
            "events": round(total * share),
            "labels": round(total * share),
            "dead_letters": dead_letters // 2,
            "unscored": 0,
        }
        yield _sample(plan, "consumer", number, at, measures)
    busy = crc32(str(at).encode()) % 40
    measures = {
        "windows_per_s": round(4.5 + busy / 20, 2) if rate else 0.0,
        "pending": busy % 4 if rate else 0,
        "latency_p50_ms": 170.0 + busy,
        "latency_p95_ms": 310.0 + 3 * busy,
    }
    yield _sample(plan, "monitor", 1, at, measures)


def _sample(plan: DummyPlan, stage: str, number: int, at: int, measures: dict[str, float]) -> Row:
    return {"stage": stage, "instance": f"{plan.run}-{stage}-{number}", "at": moment(at), "measures": measures}


def history(plan: DummyPlan, traffic: DummyTraffic, found: Sequence[Row]) -> list[Row]:
    """Report health every BEAT over the wall time of the run, ascending; the last three rows are of its end."""
    each, beats = (plan.now - plan.start) * BEAT // WALL, range(WALL // BEAT)

    def reports(beat: int) -> Iterator[Row]:
        since, at = plan.start + beat * each, plan.now - WALL + (beat + 1) * BEAT
        dead = sum(dead_letter["written_at"] <= moment(at) for dead_letter in found)
        return health(plan, traffic, at, (since, since + each), dead_letters=dead)

    return [*chain.from_iterable(map(reports, beats))]


def _lost() -> str:
    return f"{LOST} records of {TRIPS.topic}/1 never came"


def _iso(at: int) -> str:
    return moment(at).isoformat(timespec="seconds").replace("+00:00", "Z")
