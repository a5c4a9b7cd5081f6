"""The rows of one window beside the reference: read and counted in a thread, a few at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Any

from board.database import Database
from board.http_errors import Conflict, Unknown
from board.models import artifact_of
from board.overview import known_run
from monitor.drift.figures import Config
from monitor.panes import ChunkCache, load
from monitor.snapshot import Snapshot, Window
from schemas.errors import ModelUnusable
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage.chunk import PREDICTION

AT_ONCE = 2
REMEMBERED = 4
"""Models whose reference is kept counted."""


class Distributions:
    """models: folders to look in."""

    def __init__(self, database: Database, models: tuple[Path, ...]) -> None:
        self._database, self._models = database, models
        self._free = asyncio.Semaphore(AT_ONCE)
        self._prepared: OrderedDict[str, tuple[Any, dict[str, Any], int]] = OrderedDict()

    async def of(self, run_id: str, size_s: int, start: int) -> dict[str, Any]:
        """start: ms. Raises Unknown where there are no such rows, Conflict without the model, Away."""
        async with self._database.snapshot() as reader:
            run = await known_run(reader, run_id)
        window = Window(run_id, TRIPS, size_s * 1_000, start)
        async with self._free:
            return await asyncio.to_thread(self._count, window, run.model)

    def _count(self, window: Window, model: str | None) -> dict[str, Any]:
        from board import histograms  # noqa: PLC0415 - pandas and scipy take a second, and are needed here only

        bins, about, reference_rows = self._reference(model)
        trips, outcomes, rows = self._rows(window)
        return {
            "rows": rows,
            "sampled": trips.num_rows,
            "reference_rows": reference_rows,
            "columns": histograms.beside(bins, trips, outcomes),
            "model": about,
        }

    def _rows(self, window: Window) -> tuple[Any, Any, int]:
        """Trips, outcomes, and how many trips there are: of large windows the rows that the monitor looked at."""
        from monitor.drift.sampling import sample  # noqa: PLC0415

        reduce = partial(sample, id_field=TRIPS.id, max_rows=Config().max_rows)
        wanted = (TRIPS.id, *TRIPS.numbers, *TRIPS.categories, PREDICTION)
        with self._database.blocking() as connection:
            snapshot, cache = Snapshot(connection), ChunkCache(0)
            rows = sum(part.rows for part in snapshot.index(window))
            if not rows:
                raise Unknown("this window holds no trips", "see the board for those that do")
            try:
                trips = load(snapshot, window, cache, columns=wanted, reduce=reduce).table
                outcomes = load(
                    snapshot, window.of(OUTCOMES), cache, columns=(OUTCOMES.id, OUTCOMES.label or ""), reduce=reduce
                ).table
            except ValueError as error:
                raise Conflict(
                    f"the rows of this window cannot be read ({error})", "see its figures instead"
                ) from None
        return reduce(trips), reduce(outcomes), rows

    def _reference(self, model: str | None) -> tuple[Any, dict[str, Any], int]:
        """Bins, about the model, and rows. Raises Conflict."""
        from board import histograms  # noqa: PLC0415
        from models.artifact import load as load_model  # noqa: PLC0415

        path = artifact_of(model, self._models)
        key = model or ""
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
            self._prepared[key] = prepared = histograms.prepared(table), about, table.num_rows
            while len(self._prepared) > REMEMBERED:
                self._prepared.popitem(last=False)
        return prepared
