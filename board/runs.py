"""What a run is, and which run, window size and stream a request means."""

from __future__ import annotations

from typing import Any

import msgspec

from board.database import Reader
from board.http_errors import Conflict, NotFound
from schemas.definition import Stream, decode
from schemas.durations import duration_text
from schemas.errors import UsageError
from schemas.records import MAX_TIME

USEFUL = 1_000
"""Windows that can be told apart in one picture."""

NAMED = 5
"""Runs that are named where another was asked for."""


class RunInfo(msgspec.Struct, frozen=True):
    """A run as the table has it.

    Attributes:
        period: Event time that it covers, ms, end exclusive.
        reference: Hash of the artifact that it is compared with: of the model that scored it or, where the records
            carry their prediction, of the one that its first monitor had; None while there is no window.
        started_at: Wall clock, ms.
        error: Mean absolute error of the reference: what that of windows is held against; None where not known.
        stream: The definition of its stream.
    """

    run_id: str
    source: str | None
    scenario: str | None
    period: list[int] | None
    finished: bool
    reference: str | None
    started_at: int
    error: float | None
    stream: Stream


async def find_run(reader: Reader, run_id: str | None) -> RunInfo:
    """Find a run by its name.

    Args:
        reader: A snapshot of the database.
        run_id: Its name; None is the newest of which a window was tested, else the newest that has a window.

    Raises:
        NotFound: There is no such run.
        Conflict: The stored definition of its stream cannot be read.
    """
    if run_id is None:
        newest = await reader.row("newest_run")
        if newest is None:
            (rejected,) = await reader.row("rejected")
            why = "all records so far were rejected: `driftline dead-letters` says why" if rejected else ""
            start = "the first appears here by itself; `driftline demo` starts one"
            raise NotFound("there are no runs yet", why or start)
        run_id = newest[0]
    row = await reader.row("run", run=run_id)
    if row is None:
        others = [name for name, *_ in await reader.rows("runs", find="", limit=NAMED)]
        there = f"the newest are {', '.join(others)}" if others else "there are no runs yet"
        raise NotFound(f"there is no run {run_id}", f"{there}; `driftline runs` lists all")
    run, stream = RunInfo(*row), stream_of(run_id, row[-1], reader.fallback)
    return msgspec.structs.replace(run, period=period(run.period), stream=stream)


def stream_of(run_id: str, definition: Any, fallback: Stream) -> Stream:
    """Decode the stored definition of a run's stream. Pure.

    Args:
        run_id: For the message.
        definition: What `jsonb` holds; None where nothing is stored.
        fallback: The stream of a run without a stored definition.

    Raises:
        Conflict: It is no definition.
    """
    if definition is None:
        return fallback
    try:
        return decode(definition)
    except (msgspec.ValidationError, UsageError) as error:
        raise Conflict(
            f"the definition of the stream of run {run_id} cannot be read ({error})",
            "use a board of the version that wrote it",
        ) from None


def period(found: Any) -> list[int] | None:
    """Return the event time that a run covers, ms; None where its manifest, which may hold anything, has none."""
    if not isinstance(found, list) or len(found) != 2:
        return None
    if not all(type(at) is int and 0 <= at < MAX_TIME for at in found) or found[0] >= found[1]:
        return None
    return found


async def read_segments(reader: Reader, run: RunInfo, wanted: str) -> list[str]:
    """List the segments of which a run has figures.

    Args:
        reader: A snapshot of the database.
        run: The run.
        wanted: One that has to be among them; '' for none.

    Raises:
        NotFound: It is not.
    """
    known = [name for (name,) in await reader.rows("segments", run=run.run_id)]
    if wanted and wanted not in known:
        raise NotFound("this run has no such segment", f"choose of {', '.join(known)}" if known else "it has none")
    return known


async def choose_size(reader: Reader, run: RunInfo, size_s: int | None, segment: str = "") -> tuple[int, list[int]]:
    """Choose a window size of a run.

    Args:
        reader: A snapshot of the database.
        run: The run.
        size_s: Seconds; None is the smallest size whose windows can be told apart in one picture.
        segment: Of this segment, which not all sizes have; '' is the whole stream.

    Returns:
        The size and all sizes that the run has, in seconds, ascending.

    Raises:
        NotFound: The run has windows, but none of that size.
    """
    sizes = dict(await reader.rows("sizes", run=run.run_id, segment=segment))
    if size_s is None:
        useful = [size for size, windows in sizes.items() if windows <= USEFUL]
        return min(useful, default=max(sizes, default=3_600)), [*sizes]
    if sizes and size_s not in sizes:
        text = ", ".join(duration_text(1_000 * size) for size in sizes)
        of_segment = " of this segment" if segment else ""
        raise NotFound(f"this run has no windows of that size{of_segment}", f"choose of {text}")
    return size_s, [*sizes]
