"""How far event time has come: windows that end at or before a watermark are closed. Pure; all times are ms.

The view `driftline.run_watermark` says the same in SQL, for whoever only shows it.
"""

from __future__ import annotations

from collections.abc import Iterable

NEVER = -(2**62)
"""The watermark of a partition of which nothing is known: before every window."""

END = 2**62
"""The watermark of a partition in which the run is finished: behind every window."""


def partition_watermark(max_event_time: int | None, lateness: int) -> int:
    """Compute the watermark of one partition, M - L.

    Args:
        max_event_time: M, the largest event time that was believed there; None while it is unset.
        lateness: L, the allowed lateness.

    Returns:
        NEVER while M is unset.
    """
    return NEVER if max_event_time is None else max_event_time - lateness


def stream_watermark(partitions: Iterable[int], empty: int = NEVER) -> int:
    """Compute the watermark of a topic: the smallest of its partitions.

    Args:
        partitions: The watermark of each partition that may hold it back; leave idle ones out.
        empty: What to return where there is none.
    """
    return min(partitions, default=empty)
