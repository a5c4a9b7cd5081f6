"""What stands around a dummy run's windows: the run, its progress, alarms, events, dead letters and health. Pure.

Each function gives rows as they are written; times are ms and become timestamps in the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from dummy.plan import DAY, HOUR, LATENESS, PANE, PARTITIONS, WALL, Plan, Traffic
from schemas.durations import duration_text, moment
from schemas.records import Manifest, encode
from schemas.taxi import OUTCOMES, TRIPS

SOURCE = "dummy"
"""In `run.source` and `run.model`: what is marked so may be replaced, and no stage takes it for one of its own."""

BEAT = 5_000
"""Between two reports of health."""
LETTERS = 90
REASONS = ("late", "late", "late", "invalid", "undecodable", "future")


class Letter(NamedTuple):
    """A dead letter. kafka_offset: negative, so that none of a real log is ever in its place."""

    topic: str
    partition: int
    kafka_offset: int
    reason: str
    detail: str
    event_time: int | None
    key: bytes
    raw: bytes
    written_at: int


class Alarm(NamedTuple):
    alarm_id: str
    size_s: int | None
    started_at: int
    ongoing_since: int | None
    recovered_at: int | None
    severity: float | None
    columns: list[str]
    kind: str
    message: str


class Event(NamedTuple):
    event_id: str
    kind: str
    starts_at: int
    ends_at: int | None
    label: str


class Health(NamedTuple):
    at: int
    stage: str
    instance: str
    measures: Mapping[str, Any]


def manifest(plan: Plan, rows: int) -> str:
    """As JSON, as the consumer writes it."""
    found = Manifest(
        source=SOURCE,
        period=(plan.start, plan.now),
        speed=(plan.now - plan.start) / WALL,
        trips=rows,
        partitions=PARTITIONS,
        scenario=SOURCE,
        injected=plan.stretches,
    )
    return msgspec.json.encode(found).decode()


def tallies(plan: Plan, rows: int, letters: Sequence[Letter], until: int) -> Iterator[dict[str, Any]]:
    """Progress of each partition: what was accepted, refused and never came add up to what was sent."""
    for topic in LATENESS:
        for partition in range(PARTITIONS):
            reasons = [a.reason for a in letters if (a.topic, a.partition) == (topic, partition)]
            late, future = reasons.count("late"), reasons.count("future")
            counts = {
                "accepted": rows // PARTITIONS + (partition < rows % PARTITIONS),
                "late": late,
                "future": future,
                "invalid": len(reasons) - late - future,
                "missing": 412 if (topic, partition) == (TRIPS.topic, 1) else 0,
            }
            yield counts | {
                "topic": topic,
                "partition": partition,
                "max_time": until,
                "last_seq": sum(counts.values()) - 1,
                "finished": not plan.live,
            }


def letters(plan: Plan, traffic: Traffic) -> list[Letter]:
    """A few now and then, most of them late; a burst when the gap ends. None where nothing arrives."""
    burst = [plan.gap[1] + i * PANE for i in range(12)]
    spread = [plan.start + (i + 1) * (plan.now - plan.start) // (LETTERS + 1) for i in range(LETTERS)]
    times = sorted(at for at in (*burst, *spread) if traffic.rows(at // HOUR * HOUR, at // HOUR * HOUR + HOUR))
    base = -((crc32(plan.run.encode()) + 1) << 20)
    return [_letter(plan, number, at, base + number) for number, at in enumerate(times)]


def _letter(plan: Plan, number: int, at: int, offset: int) -> Letter:
    reason, stream = REASONS[number % len(REASONS)], OUTCOMES if number % 7 == 3 else TRIPS
    trip = f"{plan.run}-{number}"
    raw = encode({"kind": stream.kind, "run_id": plan.run, "seq": number, stream.id: trip, stream.time: at})
    details = {
        "late": f"event time {_iso(at)} when {_iso(at + 3 * HOUR)} had been seen",
        "future": f"event time {_iso(at + 400 * DAY)} when {_iso(at)} had been seen",
        "invalid": "Object missing required field `trip_distance`",
        "undecodable": f"Input data was truncated - at byte {len(raw) // 2}",
    }
    time = {"undecodable": None, "future": at + 400 * DAY}.get(reason, at)
    return Letter(
        topic=stream.topic,
        partition=number % PARTITIONS,
        kafka_offset=offset,
        reason=reason,
        detail=details[reason],
        event_time=time,
        key=trip.encode(),
        raw=raw[: len(raw) // 2] if reason == "undecodable" else raw,
        written_at=plan.wall(at),
    )


def alarms(plan: Plan) -> list[Alarm]:
    """Two that recovered, one that is ongoing still, and a gap of the log."""
    gradual, sudden, *_ = plan.stretches
    middle = gradual.starts_at + (gradual.ends_at - gradual.starts_at) // 2
    newest = plan.now // HOUR * HOUR - 3 * HOUR
    whole, part = "dataset drift", "column drift"
    found = [
        _alarm(plan, 1, (middle, gradual.ends_at), severity=1.9, columns=gradual.columns, message=part),
        _alarm(plan, 2, (sudden.starts_at, sudden.ends_at), severity=3.0, columns=sudden.columns, message=whole),
        _alarm(plan, 3, (newest, None), severity=1.2, columns=TRIPS.numbers[:1], message=part),
    ]
    gap = Alarm(
        alarm_id=f"gap:{plan.run}:1",
        size_s=None,
        started_at=plan.gap[1],
        ongoing_since=None,
        recovered_at=None,
        severity=None,
        columns=[],
        kind="gap",
        message=f"412 records of {TRIPS.topic}/1 never came",
    )
    return [*found, gap]


def _alarm(
    plan: Plan,
    number: int,
    span: tuple[int, int | None],
    *,
    severity: float,
    columns: tuple[str, ...],
    message: str,
) -> Alarm:
    size = plan.sizes[0]
    return Alarm(
        alarm_id=f"drift:{plan.run}:{number}",
        size_s=size // 1_000,
        started_at=span[0],
        ongoing_since=span[0] + 2 * size,
        recovered_at=span[1],
        severity=severity,
        columns=list(columns),
        kind="drift",
        message=f"{message}, {duration_text(size)} windows",
    )


def events(plan: Plan) -> list[Event]:
    injected = [
        Event(f"injected:{plan.run}:{number}", "injected", s.starts_at, s.ends_at, s.label)
        for number, s in enumerate(plan.stretches)
    ]
    start, end = plan.gap
    return [
        *injected,
        Event(
            f"gap:{plan.run}:1", "gap", start, end, f"nothing arrived; 412 records of {TRIPS.topic}/1 never came"
        ),
        Event(f"late:{plan.run}:1", "late", end, end + HOUR, "trips of the gap arrived too late"),
    ]


def health(plan: Plan, traffic: Traffic, at: int, span: tuple[int, int], *, letters: int) -> Iterator[Health]:
    """Two consumers and a monitor at a wall time, while event time went over `span`. letters: dead ones so far."""
    since, until = span
    rate = traffic.rows(since, until) / (BEAT / 1_000)
    total = traffic.rows(plan.start, until)
    watermark = until - LATENESS[TRIPS.topic]
    age = 0.4 if rate else round(plan.wall(until) / 1_000 - plan.wall(plan.gap[0]) / 1_000, 1)
    for number, share in ((1, 0.52), (2, 0.48)):
        yield Health(
            at,
            "consumer",
            f"{plan.run}-consumer-{number}",
            {
                "lag": round(rate * share * 0.3),
                "rows_per_s": round(rate * share, 1),
                "watermark_ms": watermark,
                "watermark_age_s": age,
                "partitions": PARTITIONS,
                "records": round(total * share) + letters // 2,
                "rows": round(total * share),
                "dead_letters": letters // 2,
            },
        )
    busy = crc32(str(at).encode()) % 40
    yield Health(
        at,
        "monitor",
        f"{plan.run}-monitor-1",
        {
            "windows_per_s": round(4.5 + busy / 20, 2) if rate else 0.0,
            "pending": busy % 4 if rate else 0,
            "latency_p50_ms": 170.0 + busy,
            "latency_p95_ms": 310.0 + 3 * busy,
        },
    )


def history(plan: Plan, traffic: Traffic, found: list[Letter]) -> list[Health]:
    """Health every BEAT over the wall time of the run, ascending."""
    each = (plan.now - plan.start) * BEAT // WALL
    rows: list[Health] = []
    for beat in range(WALL // BEAT):
        since = plan.start + beat * each
        at = plan.now - WALL + (beat + 1) * BEAT
        dead = sum(letter.written_at <= at for letter in found)
        rows += health(plan, traffic, at, (since, since + each), letters=dead)
    return rows


def _iso(at: int) -> str:
    return moment(at).isoformat(timespec="seconds").replace("+00:00", "Z")
