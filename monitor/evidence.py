"""The engine that works: Evidently's figures against the reference of the model."""

from __future__ import annotations

from models import artifact
from monitor import drift
from monitor.figures import WindowFigures
from monitor.panes import Loaded
from monitor.reference import Reference
from monitor.settings import Settings
from schemas.definition import Stream
from schemas.taxi import OUTCOMES, TRIPS


class DriftEngine:
    """Evidently, by `monitor.drift`."""

    def __init__(self, settings: Settings) -> None:
        """Loads the model and prepares its reference: seconds. Raises ModelUnusable, UsageError."""
        model = artifact.load(settings.model)
        self.model: str = model.hash
        self._config = settings.metrics
        self._reference = Reference.prepare(model.reference(), TRIPS, OUTCOMES, settings.metrics)

    def figures(self, stream: Stream, rows: Loaded, joined: Loaded | None) -> WindowFigures:
        if joined is None:
            return drift.trip_figures(rows.table, self._reference, self._config)
        return drift.outcome_figures(rows.table, joined.table, self._reference, self._config)
