"""The rows of one window beside the reference: read and counted in a thread, a few at a time."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from board.artifacts import artifact_of
from board.database import Database
from board.http_errors import Conflict, NotFound
from board.runs import find_run
from monitor.drift.figures import Config
from runtime.lru import LruCache
from schemas.definition import Records, Stream
from schemas.errors import ModelUnusable
from storage.chunk import PREDICTION
from storage.panes import ChunkCache, load_rows
from storage.snapshot import Snapshot
from storage.windows import WindowKey

AT_ONCE = 2
REMEMBERED = 4
"""Models whose reference is kept counted."""


class Distributions:
    """models: folders to look in."""

    def __init__(self, database: Database, models: tuple[Path, ...]) -> None:
        self._database, self._models = database, models
        self._free = asyncio.Semaphore(AT_ONCE)
        self._prepared: LruCache[tuple[str, str], tuple[Any, dict[str, Any], int]] = LruCache(REMEMBERED)

    async def compare(self, run_id: str, size_s: int, start: int) -> dict[str, Any]:
        """Lay the values of a window beside those of the reference, as JSON takes it.

        Args:
            run_id: The run.
            size_s: Seconds.
            start: Event time, ms.

        Raises:
            NotFound: There are no such rows.
            Conflict: The model is not here, or the rows cannot be read.
            Unavailable: The database does not answer.
        """
        async with self._database.snapshot() as reader:
            run = await find_run(reader, run_id)
        window = WindowKey(run_id, run.stream.events, size_s * 1_000, start)
        async with self._free:
            return await asyncio.to_thread(self._compared, run.stream, window, run.reference)

    def _compared(self, stream: Stream, window: WindowKey, reference: str | None) -> dict[str, Any]:
        from board import histograms  # noqa: PLC0415 - pandas and scipy take a second, and are needed here only

        bins, about, reference_rows = self._reference(stream, reference)
        events, labels, rows = self._rows(stream, window)
        return {
            "rows": rows,
            "sampled": events.num_rows,
            "reference_rows": reference_rows,
            "columns": histograms.compare(bins, events, labels),
            "model": about,
        }

    def _rows(self, stream: Stream, window: WindowKey) -> tuple[Any, Any, int]:
        """Read events, labels (None where the stream has none), and how many events there are.

        Of large windows they are the rows that the monitor computed from.
        """
        from monitor.drift.sampling import sample  # noqa: PLC0415

        def read(records: Records, columns: tuple[str, ...]) -> Any:
            reduce = partial(sample, id_field=records.id, max_rows=Config().max_rows)
            found = load_rows(
                snapshot, window.with_records(records), cache, columns=(records.id, *columns), reduce=reduce
            )
            return reduce(found.table)

        wanted = (*stream.events.numbers, *stream.events.categories, PREDICTION)
        with self._database.blocking() as connection:
            snapshot, cache = Snapshot(connection), ChunkCache(0)
            rows = sum(part.rows for part in snapshot.index(window))
            if not rows:
                raise NotFound("this window holds no events", "see the board for those that do")
            try:
                events = read(stream.events, wanted)
                labels = read(stream.labels, (stream.label or "",)) if stream.labels is not None else None
            except ValueError as error:
                raise Conflict(
                    f"the rows of this window cannot be read ({error})", "see its figures instead"
                ) from None
        return events, labels, rows

    def _reference(self, stream: Stream, hash: str | None) -> tuple[Any, dict[str, Any], int]:
        """Return the bins of the reference, what is known of the model, and the rows. Raises Conflict."""
        from board import histograms  # noqa: PLC0415
        from models.artifact import load as load_model  # noqa: PLC0415

        path = artifact_of(hash, self._models)
        key = hash or "", stream.hash
        prepared = self._prepared.get(key)
        if prepared is None:
            try:
                loaded = load_model(path)
                table = loaded.reference()
            except ModelUnusable as error:
                raise Conflict(error.what, error.do) from None
            card = loaded.card
            about = {
                "hash": card.hash,
                "kind": card.kind,
                "about": card.about,
                "source": card.source,
                "period": card.period,
            }
            prepared = histograms.reference_bins(table, stream), about, table.num_rows
            self._prepared.put(key, prepared)
        return prepared
