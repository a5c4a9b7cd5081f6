"""Stored summaries of a stretch of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from schemas.definition import Role
from schemas.durations import duration_text, moment
from schemas.errors import UsageError
from storage.connect import Connection
from storage.errors import MISSING_TABLES
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_suffix(".sql"))

MOST = 40_000
"""Windows of events and of labels that one side may have: over two years of hours."""


@dataclass(frozen=True)
class StoredStretch:
    """What a stretch of a run held.

    Attributes:
        start, end: Event time, ms since the epoch.
        layout: Of the summaries, as JSON.
        layout_hash: Its hash.
        windows: Role, payload and that of the segments (None: not wanted, or not known) of the windows that overlap
            the stretch, ascending by their start.
        segments: How the stream is divided, as JSON; None: its segments are not wanted.
    """

    start: int
    end: int
    layout: str
    layout_hash: str
    windows: Sequence[tuple[Role, bytes, bytes | None]]
    segments: str | None


def stretch(
    connection: Connection, run: str, start: int | None, end: int | None, *, divided: bool = False
) -> StoredStretch:
    """Read the summaries of a stretch from the smallest windows that have any.

    Args:
        connection: Any connection that may read.
        run: Name of the run.
        start: Event time, ms; None: from the first window on.
        end: Exclusive; None: up to the last window.
        divided: Whether its segments are wanted, too.

    Raises:
        UsageError: There are none there, too many, or some that were counted in other bins; or segments are wanted
            where they are not watched.
    """
    try:
        smallest = connection.execute(_SQL["smallest"], {"run": run, "divided": divided}).fetchone()
        undivided = smallest or connection.execute(_SQL["smallest"], {"run": run, "divided": False}).fetchone()
    except MISSING_TABLES:
        smallest = undivided = None
    if smallest is None and undivided is not None:
        raise UsageError(
            f"the segments of run {run} are not watched", "replay it with a monitor that has --segments"
        )
    if smallest is None:
        raise UsageError(
            f"nothing is stored of what the windows of run {run} held",
            "a monitor stores it unless it was started with --promise none; replay the run with one that does",
        )
    size_s, first, last = smallest
    begin, until = (first if start is None else moment(start)), (last if end is None else moment(end))
    rows = connection.execute(
        _SQL["summaries"],
        {"run": run, "size_s": size_s, "from": begin, "to": until, "most": MOST + 1, "divided": divided},
    ).fetchall()
    size, period = duration_text(1_000 * size_s), _period(begin, until)
    if not rows:
        raise UsageError(
            f"run {run} has no window of {size} in {period}", f"its windows lie in {_period(first, last)}"
        )
    if len(rows) > MOST:
        raise UsageError(f"{period} holds more than {MOST:,} windows of {size}", "choose a shorter period")
    if len({layout for _, layout, *_ in rows}) > 1:
        raise UsageError(f"the windows of run {run} were counted in different bins", "choose a shorter period")
    ((text,),) = connection.execute(_SQL["layout"], {"hash": rows[0][1]}).fetchall()
    segments = connection.execute(_SQL["segments"], {"run": run}).fetchone() if divided else None
    if divided and segments is None:
        raise UsageError(
            f"the segments of run {run} are not watched", "replay it with a monitor that has --segments"
        )
    windows = [(role, payload, parts) for role, _, payload, parts in rows]
    return StoredStretch(_ms(begin), _ms(until), text, rows[0][1], windows, segments and segments[0])


def _period(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%dT%H:%M}..{end:%Y-%m-%dT%H:%M}"


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)
