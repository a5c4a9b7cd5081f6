"""Everything that the board of one run and window size shows: what /api/board answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from board.database import Reader
from board.runs import RunInfo, choose_size, find_run, read_segments
from board.status import read_status
from board.window_arrays import BoardWindow, Floats, aligned, column_order, window_arrays
from runtime.lru import LruCache
from schemas.durations import duration_text, moment

Key = tuple[str, str, int, tuple[str, ...]]


class SeverityCache:
    """Severities of windows that were read before; those of windows written since are read again.

    They are most of a board: ten times as many rows as everything else.
    """

    def __init__(self, boards: int = 8) -> None:
        self._boards: LruCache[Key, dict[int, tuple[int, Floats]]] = LruCache(boards)

    async def read(self, reader: Reader, key: Key, rows: Sequence[BoardWindow]) -> dict[int, Floats]:
        """Return the severities of windows by their start.

        Args:
            reader: A snapshot of the database.
            key: Run, segment, size in seconds and columns.
            rows: The windows, of the same snapshot.
        """
        run, segment, size_s, columns = key
        if (known := self._boards.get(key)) is None:
            known = {}
            self._boards.put(key, known)
        stale = {
            row.start: row.written for row in rows if row.start not in known or known[row.start][0] != row.written
        }
        if stale:
            where = {"run": run, "size_s": size_s, "segment": segment} | span(stale)
            for start, names, block in await reader.rows("severities", **where):
                if start in stale:
                    known[start] = stale[start], aligned(names, block, columns)
        return {row.start: known[row.start][1] for row in rows if row.start in known}


class BoardReader:
    """Reads boards. It keeps severities between calls, and nothing else."""

    def __init__(self) -> None:
        self._severities = SeverityCache()

    async def board(
        self, reader: Reader, run_id: str | None, size_s: int | None, segment: str = ""
    ) -> dict[str, Any]:
        """Read the whole board of a run and size, as JSON takes it.

        Args:
            reader: A snapshot of the database.
            run_id: As for `find_run`.
            size_s: As for `choose_size`.
            segment: Whose figures are shown; '' is the whole stream.

        Raises:
            NotFound: There is no such run, size or segment.
        """
        run = await find_run(reader, run_id)
        segments = await read_segments(reader, run, segment)
        size_s, sizes = await choose_size(reader, run, size_s, segment)
        columns, _, windows = await self.windows(reader, run, size_s, None, segment)
        now = await read_status(reader, run, size_s, segment)
        return {
            "run": run.run_id,
            "size": duration_text(size_s * 1_000),
            "segment": segment,
            "segments": segments,
            "sizes": [duration_text(1_000 * size) for size in sizes],
            "source": run.source,
            "scenario": run.scenario,
            "period": run.period,
            "reference": run.reference,
            "started_at": run.started_at,
            "stream": run.stream.name,
            "labelled": run.stream.labels is not None,
            "unit": run.stream.unit,
            "reference_mae": None if segment else run.error,
            "now": now["now"],
            "status": now,
            "columns": columns,
            "windows": windows,
            **await read_annotations(reader, run.run_id, size_s),
        }

    async def windows(
        self, reader: Reader, run: RunInfo, size_s: int, starts: Iterable[int] | None, segment: str = ""
    ) -> tuple[tuple[str, ...], list[BoardWindow], dict[str, Any]]:
        """Read windows of one size.

        Args:
            reader: A snapshot of the database.
            run: The run.
            size_s: Seconds.
            starts: Of these windows, ms; None is all of them.
            segment: As for `board`.

        Returns:
            The monitored columns, the rows, and the same as `window_arrays` gives them.
        """
        wanted = None if starts is None else set(starts)
        where: dict[str, Any] = {"run": run.run_id, "size_s": size_s, "segment": segment}
        where |= {"from": "-infinity", "to": "infinity"} if wanted is None else span(wanted)
        tested = [name for (name,) in await reader.rows("columns", **where)]
        columns = column_order(tested, run.stream.events)
        found = [BoardWindow(*row) for row in await reader.rows("windows", **where)]
        rows = found if wanted is None else [row for row in found if row.start in wanted]
        late = {} if segment else dict(await reader.rows("late", **where))  # nobody knows those of a segment
        severities = await self._severities.read(reader, (run.run_id, segment, size_s, columns), rows)
        return columns, rows, window_arrays(rows, late, severities, columns)


def span(starts: Iterable[int]) -> dict[str, str]:
    """Return query parameters `from` and `to`: the first and the last of these moments, ms."""
    known = list(starts)
    return {"from": moment(min(known)).isoformat(), "to": moment(max(known)).isoformat()}


async def read_annotations(reader: Reader, run: str, size_s: int) -> dict[str, Any]:
    """Read the injected drift and the alarms of a run, on both clocks."""
    injected, alarms = [], []
    for what, start, end, label, kind, severity, alarm, *wall in await reader.rows(
        "annotations", run=run, size_s=size_s
    ):
        found = {"start": start, "end": end, "label": label, "wall_start": wall[0], "wall_end": wall[1]}
        if what == "injected":
            injected.append(found)
        else:
            alarms.append(found | {"kind": kind, "severity": severity, "id": alarm})
    return {"injected": injected, "alarms": alarms}
