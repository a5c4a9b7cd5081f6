"""The oracle: what a log means, by the rules of the design, one record after the other, in plain Python.

Slow, obvious and without a line of the product's code but the streams' definitions, so that both can only agree by
being right. Times are ms since the epoch.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.definition import Field, Records

Record = dict[str, Any]


class Entry(NamedTuple):
    """One record of the log; topic without prefix. written_at: its Kafka timestamp, None without one."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    written_at: int | None = None


@dataclass(frozen=True)
class Rules:
    pane: int
    lateness: Mapping[str, int]  # by topic
    max_ahead: int
    agreeing: int = 100


@dataclass
class State:
    """Of one run in one partition."""

    M: int | None = None
    agreeing: list[int] = field(default_factory=list)  # event times in a row that are ahead of M and agree
    last_seq: int = -1
    finished: bool = False
    tally: Counter[str] = field(default_factory=Counter)

    @property
    def stored(self) -> tuple[int | None, int, bool, int | None, int]:
        """As `run_progress` and the consumer hold it."""
        largest = max(self.agreeing, default=None)
        return self.M, self.last_seq, self.finished, largest, len(self.agreeing)


@dataclass
class Reading:
    """What a log holds.

    rows: (run, topic, pane start) → [(partition, offset, record)].
    dead: (topic, partition, offset) → (run, reason).
    states: (run, topic, partition) → its state after the last entry.
    """

    rows: dict[tuple[str, str, int], list[tuple[int, int, Record]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    dead: dict[tuple[str, int, int], tuple[str, str]] = field(default_factory=dict)
    states: dict[tuple[str, str, int], State] = field(default_factory=lambda: defaultdict(State))


def read(
    log: Iterable[Entry],
    streams: Mapping[str, Records],
    rules: Rules,
    scores: Callable[[Record], bool] = lambda record: True,
    *,
    elsewhere: Collection[str] = (),
    default_run: str = "live",
    begun_with: Mapping[str, Mapping[str, Records]] = {},
) -> Reading:
    """What the log holds. Entries of one partition come in offset order; partitions may be mixed.

    scores: whether the consumer's model has a prediction for a data record.
    elsewhere: runs that belong to another stream.
    default_run: of records that name none.
    begun_with: runs that were begun with an earlier definition, which decides on their records; by topic.
    """
    reading = Reading()
    for entry in log:
        stream = streams[entry.topic]
        reason, record = decoded(entry.value, stream)
        named = (record or {}).get("run_id") or default_run
        if isinstance(named, str) and named in begun_with:
            stream = begun_with[named][entry.topic]
            reason, record = decoded(entry.value, stream)
        run = run_of(record, reason, default_run)
        state = reading.states[run, entry.topic, entry.partition]
        if reason is None and record is not None:
            reason = classify(record, state, stream, rules, entry.written_at)
            if reason is None and run in elsewhere:
                reason = "stream"
            if reason is None and stream.label is None and not scores(record):
                reason = "model"
        state.tally["invalid" if reason in ("undecodable", "model", "stream") else reason or "accepted"] += 1
        if reason in ("undecodable", "invalid", "future", "late", "model", "stream"):
            reading.dead[entry[:3]] = (run, reason)
        elif reason is None and record is not None:
            pane = record[stream.time] // rules.pane * rules.pane
            reading.rows[run, entry.topic, pane].append((entry.partition, entry.offset, record))
    return reading


def classify(
    record: Record, state: State, stream: Records, rules: Rules, written_at: int | None = None
) -> str | None:
    """Why this valid record is no row, None where it is one. Moves the state of its run and partition."""
    beat, seq = record.get("kind") == "heartbeat", record.get("seq")
    at = record["at"] if beat else record[stream.time]
    if seq is not None and record.get("run_id") is not None:
        if not beat and seq <= state.last_seq:
            return "duplicates"
        state.tally["missing"] += max(0, seq - state.last_seq - (0 if beat else 1))
        state.last_seq = max(state.last_seq, seq)
    was_finished, state.finished = state.finished, state.finished or (beat and record.get("final", False))
    if was_finished:
        return "heartbeats" if beat else "late"
    if is_beyond_belief(at, state, rules, written_at):
        return "heartbeats" if beat else "future"
    if beat:
        take_heartbeat(at, state, rules)
        return "heartbeats"
    return classify_by_time(at, state, stream, rules)


def is_beyond_belief(at: int, state: State, rules: Rules, written_at: int | None) -> bool:
    """Whether a time that would set M, or move it by more than max_ahead, is too far beyond its Kafka timestamp."""
    jumps = state.M is None or at > state.M + rules.max_ahead
    return jumps and written_at is not None and at > written_at + rules.max_ahead


def classify_by_time(at: int, state: State, stream: Records, rules: Rules) -> str | None:
    """As `classify`, for a new data record by its time alone."""
    if state.M is None or at > state.M + rules.max_ahead:
        take_ahead(at, state, rules)
    else:
        state.agreeing = []
    if state.M is None:
        return None
    if at > state.M + rules.max_ahead:
        return "future"
    pane_end = at // rules.pane * rules.pane + rules.pane
    watermark = state.M - rules.lateness[stream.topic]
    state.M = max(state.M, at)
    return "late" if pane_end <= watermark else None


def take_heartbeat(at: int, state: State, rules: Rules) -> None:
    """Move M by a heartbeat; the first one also by the record that waits for another to agree with it."""
    if state.M is not None:
        state.M = max(state.M, at)
        return
    waiting = [time for time in state.agreeing if abs(time - at) <= rules.max_ahead]
    state.M, state.agreeing = max([at, *waiting]), []


def take_ahead(at: int, state: State, rules: Rules) -> None:
    """Add a record that is ahead: enough that agree, two without an M, move M to the largest before the last."""
    if state.agreeing and abs(at - max(state.agreeing)) > rules.max_ahead:
        state.agreeing = []
    state.agreeing.append(at)
    if len(state.agreeing) == (2 if state.M is None else rules.agreeing):
        *before, _ = state.agreeing
        state.M, state.agreeing = max(before), []


def windows(reading: Reading, size: int) -> Counter[tuple[str, str, int]]:
    """Rows per (run, topic, window start) for tumbling windows of `size` from the epoch."""
    counts: Counter[tuple[str, str, int]] = Counter()
    for (run, topic, pane), rows in reading.rows.items():
        counts[run, topic, pane // size * size] += len(rows)
    return counts


# What a record must look like. The rules above are the oracle; below is only JSON and bounds.

_RUN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TIME = Field(name="time", type="int", role="carried", low=0, high=4_102_444_800_000)
_SEQ = Field(name="seq", type="int", role="carried", required=False, low=0, high=2**53)
_BEAT_SEQ = Field(name="seq", type="int", role="carried", low=-1, high=2**53)
_PYTHON = {"int": (int,), "float": (int, float), "str": (str,)}


def decoded(value: bytes | None, stream: Records) -> tuple[str | None, Record | None]:
    """(None, record), or why not: ("undecodable", None) what is no JSON, ("invalid", record) what does not fit."""
    try:
        record = json.loads((value or b"").decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "undecodable", None
    if not isinstance(record, dict):
        return "invalid", None
    return (None if fits_record(record, stream) else "invalid"), record


def fits_record(record: Record, stream: Records) -> bool:
    kind, run = record.get("kind", stream.kind), record.get("run_id")
    if run is not None and not (isinstance(run, str) and _RUN.fullmatch(run)):
        return False
    if kind == "heartbeat":
        return run is not None and fits(record.get("at"), _TIME) and fits(record.get("seq"), _BEAT_SEQ)
    named = Field(name=stream.id, type="str", role="carried", low=1, high=128)
    return (
        kind == stream.kind
        and fits(record.get(stream.id), named)
        and fits(record.get(stream.time), _TIME)
        and fits(record.get("seq"), _SEQ)
        and all(fits(record.get(f.name), f) for f in stream.kept)
    )


def fits(value: Any, field: Field) -> bool:
    """A value of the field's type within its bounds; null where it may be."""
    if value is None:
        return not field.required
    if field.type == "int" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, _PYTHON[field.type]):
        return False
    size = len(value) if isinstance(value, str) else value
    return (field.low is None or size >= field.low) and (field.high is None or size <= field.high)


def run_of(record: Record | None, reason: str | None, default_run: str) -> str:
    """The default for a valid record that names no run, '' for an invalid one that names none."""
    run = (record or {}).get("run_id")
    if isinstance(run, str) and _RUN.fullmatch(run):
        return run
    return default_run if reason is None else ""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
