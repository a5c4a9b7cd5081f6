"""Records as the Kafka client hands them over, without a Kafka."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from consumer.decode import Decoder
from consumer.flush import Pending, decode_batch
from consumer.ledger import Claim, Flush, Foreign, Partition
from consumer.scoring import Score, predict_each
from consumer.windows import LatenessPolicy
from schemas.definition import Records
from schemas.records import Heartbeat, encode_heartbeat
from schemas.streams.taxi import TRIPS

MINUTE = 60_000
PANE, LATENESS, AHEAD = 5 * MINUTE, 10 * MINUTE, 1_440 * MINUTE
START = 1_643_673_600_000
RULES = LatenessPolicy(PANE, LATENESS, AHEAD)
PLACE = Partition("trips", 0)


@dataclass(frozen=True)
class Fake:
    """consumer.dead_letters.Message."""

    at: int
    raw: bytes | None
    name: bytes | None = None
    extra: Any = None
    written_at: int | None = None

    def offset(self) -> int:
        return self.at

    def value(self) -> bytes | None:
        return self.raw

    def key(self) -> bytes | None:
        return self.name

    def timestamp(self) -> tuple[int, int]:
        return (0, -1) if self.written_at is None else (1, self.written_at)

    def headers(self) -> Any:
        if isinstance(self.extra, Exception):
            raise self.extra
        return self.extra


def messages(values: Sequence[bytes | None], first: int = 0) -> list[Fake]:
    return [Fake(first + i, value) for i, value in enumerate(values)]


TRIP: dict[str, Any] = {
    "trip_id": "t-1",
    "pickup_at": 1_643_673_600_000,
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 1.25,
    "fare_amount": 7.5,
    "tip_amount": 0.0,
    "tolls_amount": 0.0,
    "total_amount": 8.8,
}
"""As somebody else's producer sends it."""


def trip(time: int, seq: int | None = None, run: str | None = "r", **changes: Any) -> bytes:
    record = {
        "kind": "trip",
        "run_id": run,
        "seq": seq,
        **TRIP,
        "trip_id": f"t-{time}",
        "pickup_at": time,
    }
    return json.dumps(record | changes).encode()


def beat(at: int, seq: int = -1, run: str = "r", **more: Any) -> bytes:
    return encode_heartbeat(Heartbeat(run_id=run, seq=seq, at=at, **more))


def distance(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.asarray(columns["trip_distance"], np.float64)


def flushed(
    values: Sequence[bytes | None],
    claim: Claim | None = None,
    *,
    stream: Records = TRIPS,
    score: Score | None = distance,
    batches: Sequence[int] = (),
    foreign: Mapping[str, str] = {},
    reason: Literal["model", "stream"] = "model",
    default_run: str = "live",
    isolate: bool = False,
) -> Flush:
    """One flush of these records, taken in at once or cut at some places."""
    claim = claim or Claim(PLACE, 1, 0, {})
    pending = Pending(stream, claim, partial(predict_each, stream, score=score) if isolate else None)
    decoder = Decoder(stream, default_run)
    whole = messages(values, claim.next_offset)
    cuts = [0, *sorted(b for b in batches if 0 < b < len(whole)), len(whole)]
    for start, end in pairwise(cuts):
        if start < end:
            batch = decode_batch(decoder, whole[start:end])
            others = {run: Foreign(reason, detail) for run, detail in foreign.items()}
            pending.add(batch, dict.fromkeys(batch.runs, RULES), others)
    return pending.seal(score)
