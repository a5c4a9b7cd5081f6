"""The whole board of one run and size: what /api/board answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from board.database import Reader
from board.http_errors import Conflict, Unknown
from board.series import Floats, Row, aligned, ordered, series
from board.status import Run, status
from runtime.lru import LruCache
from schemas.definition import Stream, decode
from schemas.durations import duration_text, moment
from schemas.errors import UsageError
from schemas.records import MAX_TIME

USEFUL = 1_000
"""Windows that can be told apart in one picture."""

NAMED = 5
"""Runs that are named where another was asked for."""

Key = tuple[str, int, tuple[str, ...]]


class Severities:
    """Severities of windows that were read before: of those written since, they are read again.

    They are most of a board, ten times as many rows as all the rest.
    """

    def __init__(self, boards: int = 8) -> None:
        self._boards: LruCache[Key, dict[int, tuple[int, Floats]]] = LruCache(boards)

    async def of(self, reader: Reader, key: Key, rows: Sequence[Row]) -> dict[int, Floats]:
        """By start. rows: of the same snapshot."""
        run, size_s, columns = key
        if (known := self._boards.get(key)) is None:
            known = {}
            self._boards.put(key, known)
        stale = {
            row.start: row.written for row in rows if row.start not in known or known[row.start][0] != row.written
        }
        if stale:
            for start, names, block in await reader.rows("severities", run=run, size_s=size_s, **stretch(stale)):
                if start in stale:
                    known[start] = stale[start], aligned(names, block, columns)
        return {row.start: known[row.start][1] for row in rows if row.start in known}


class Picture:
    """Reads boards. It remembers severities, nothing else."""

    def __init__(self) -> None:
        self._severities = Severities()

    async def board(self, reader: Reader, run_id: str | None, size_s: int | None) -> dict[str, Any]:
        """Raises Unknown for a run or size that is not there."""
        run = await known_run(reader, run_id)
        size_s, sizes = await chosen_size(reader, run, size_s)
        columns, _, windows = await self.windows(reader, run, size_s, None)
        now = await status(reader, run, size_s)
        return {
            "run": run.run_id,
            "size": duration_text(size_s * 1_000),
            "sizes": [duration_text(1_000 * size) for size in sizes],
            "source": run.source,
            "scenario": run.scenario,
            "period": run.period,
            "model": run.model,
            "started_at": run.started_at,
            "stream": run.stream.name,
            "labelled": run.stream.labels is not None,
            "unit": run.stream.unit,
            "now": now["now"],
            "status": now,
            "columns": columns,
            "windows": windows,
            **await marks(reader, run.run_id, size_s),
        }

    async def windows(
        self, reader: Reader, run: Run, size_s: int, starts: Iterable[int] | None
    ) -> tuple[tuple[str, ...], list[Row], dict[str, Any]]:
        """Columns, rows, and WINDOWS: of these starts, or all."""
        wanted = None if starts is None else set(starts)
        where: dict[str, Any] = {"run": run.run_id, "size_s": size_s}
        where |= {"from": "-infinity", "to": "infinity"} if wanted is None else stretch(wanted)
        tested = [name for (name,) in await reader.rows("columns", run=run.run_id, size_s=size_s)]
        columns = ordered(tested, run.stream.events)
        found = [Row(*row) for row in await reader.rows("windows", **where)]
        rows = found if wanted is None else [row for row in found if row.start in wanted]
        late = dict(await reader.rows("late", **where))
        severities = await self._severities.of(reader, (run.run_id, size_s, columns), rows)
        return columns, rows, series(rows, late, severities, columns)


def stretch(starts: Iterable[int]) -> dict[str, str]:
    """From the first to the last of them, as parameters."""
    known = list(starts)
    return {"from": moment(min(known)).isoformat(), "to": moment(max(known)).isoformat()}


async def known_run(reader: Reader, run_id: str | None) -> Run:
    """The one named, else the newest of which a window was tested, or at least one is there. Raises Unknown."""
    if run_id is None:
        newest = await reader.row("newest_run")
        if newest is None:
            raise Unknown("there are no runs yet", "the first appears here by itself; `driftline demo` starts one")
        run_id = newest[0]
    row = await reader.row("run", run=run_id)
    if row is None:
        others = [name for name, *_ in await reader.rows("runs", find="", limit=NAMED)]
        there = f"the newest are {', '.join(others)}" if others else "there are no runs yet"
        raise Unknown(f"there is no run {run_id}", f"{there}; `driftline runs` lists all")
    run, stream = Run(*row), stream_of(run_id, row[-1], reader.fallback)
    return msgspec.structs.replace(run, period=period(run.period), stream=stream)


def stream_of(run_id: str, definition: Any, fallback: Stream) -> Stream:
    """The definition of a run's stream, the fallback where none is stored. Raises Conflict for what is none."""
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
    """Event time that a run covers, as its manifest says, which may say anything. None for what is none. Pure."""
    if not isinstance(found, list) or len(found) != 2:
        return None
    if not all(type(at) is int and 0 <= at < MAX_TIME for at in found) or found[0] >= found[1]:
        return None
    return found


async def chosen_size(reader: Reader, run: Run, size_s: int | None) -> tuple[int, list[int]]:
    """The one named, else the smallest whose windows can be told apart; and all there are. Raises Unknown."""
    sizes = dict(await reader.rows("sizes", run=run.run_id))
    if size_s is None:
        useful = [size for size, windows in sizes.items() if windows <= USEFUL]
        return min(useful, default=max(sizes, default=3_600)), [*sizes]
    if sizes and size_s not in sizes:
        text = ", ".join(duration_text(1_000 * size) for size in sizes)
        raise Unknown("this run has no windows of that size", f"choose of {text}")
    return size_s, [*sizes]


async def marks(reader: Reader, run: str, size_s: int) -> dict[str, Any]:
    """Drift that was injected, and alarms."""
    injected, alarms = [], []
    for what, start, end, label, kind, severity, *wall in await reader.rows("marks", run=run, size_s=size_s):
        mark = {"start": start, "end": end, "label": label, "wall_start": wall[0], "wall_end": wall[1]}
        if what == "injected":
            injected.append(mark)
        else:
            alarms.append(mark | {"kind": kind, "severity": severity})
    return {"injected": injected, "alarms": alarms}
