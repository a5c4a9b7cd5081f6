"""The synthetic source of trips, for use without files and network. README.md says how realistic it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from producer.sources.synthetic.days import City
from producer.sources.synthetic.demand import DAY
from schemas.errors import UsageError
from schemas.records import MAX_TIME
from schemas.streams.taxi import TRIPS

_PARAMS = Path(__file__).parent / "params.json"


@cache
def city() -> City:
    """Load the city that `params.json` describes; the first call takes about 0.3 s."""
    return City.from_params(json.loads(_PARAMS.read_text(encoding="utf-8")))


def generate(start_ms: int, end_ms: int, *, seed: int, volume: float = 1.0) -> Iterator[pa.Table]:
    """Generate trips as canonical tables of a day or some hours, sorted by pickup.

    The trips of a day and their ids depend only on seed, volume and date, not on the period. A few hours are in
    memory at a time: 12 MB up to volume 100.

    Args:
        start_ms: Event time, ms since the epoch, 1970 to 2100.
        end_ms: The same, exclusive.
        seed: 0 or more.
        volume: 1 is New York's green taxis in the first quarter of 2022, 72,000 trips per month; 100 is 7 million.

    Raises:
        UsageError: Period, seed or volume is out of range.
    """
    _check(start_ms, end_ms, seed, volume)
    for day in range(start_ms // DAY, -(-end_ms // DAY)):
        for table in city().day(day, seed=seed, volume=volume):
            first, last = np.searchsorted(table[TRIPS.time].to_numpy(), [start_ms, end_ms])
            if last > first:
                yield table.slice(first, last - first)


def _check(start_ms: int, end_ms: int, seed: int, volume: float) -> None:
    if not 0 <= start_ms < end_ms <= MAX_TIME:
        raise UsageError("the period is empty or outside 1970 to 2100", "choose a start before its end")
    if seed < 0:
        raise UsageError(f"the seed {seed} is negative", "choose 0 or more")
    if not 0 < volume <= 1_000:
        raise UsageError(f"a volume of {volume:g} cannot be made", "choose more than 0 and at most 1000")
