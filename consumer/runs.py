"""What each run was begun with, as far as a consumer judges records by it."""

from __future__ import annotations

from collections.abc import Iterable

from consumer.store import Store, Terms
from consumer.windows import Rules
from schemas.definition import Records
from schemas.errors import RunConflict
from schemas.records import LIVE

_NEW_RUN_ID = "replay its records under another --run, or send them on under another run_id"
_NEW_LIVE = (
    "stop the consumers, `driftline runs rm live` a minute later, start them: the next record begins it anew"
)
"""For records that name no run."""


class Runs:
    """Reads what runs were begun with; begins those that nobody has met yet with this consumer's own."""

    def __init__(self, store: Store, ours: Terms, awaited: str | None) -> None:
        """Make one.

        Args:
            store: Where runs are registered.
            ours: For runs that are new.
            awaited: The run that this consumer is to end with, if any.
        """
        self._store = store
        self._ours = ours
        self._awaited = awaited

    def register(self, run_ids: Iterable[str]) -> None:
        """Begin those of the runs that nobody has met yet, all at once."""
        self._store.meet(run_ids, self._ours)

    def rules(self, run_ids: Iterable[str], stream: Records) -> dict[str, Rules]:
        """By which rules the records of each run are judged."""
        return {run_id: self._rules(run_id, stream) for run_id in run_ids}

    def foreign(self, run_ids: Iterable[str], stream: Records) -> dict[str, str]:
        """Runs whose records this consumer must not make rows of, since another model scores them.

        Returns:
            Run → the detail of its dead letters.

        Raises:
            RunConflict: The awaited run is one of them, so that waiting for its end is in vain.
        """
        if not stream.needs_model:
            return {}
        models = {run_id: self._store.terms(run_id, self._ours).model for run_id in run_ids}
        foreign = {
            run_id: f"run {run_id} is scored by model {_short(model)}, not by {_short(self._ours.model)} as here"
            for run_id, model in models.items()
            if model != self._ours.model
        }
        if self._awaited in foreign:
            raise RunConflict(
                foreign[self._awaited], f"name its model with --model, or {another_run(self._awaited)}"
            )
        return {run_id: f"{detail}: {another_run(run_id)}" for run_id, detail in foreign.items()}

    def _rules(self, run_id: str, stream: Records) -> Rules:
        terms = self._store.terms(run_id, self._ours)
        lateness = terms.lateness_ms if stream.label is None else terms.outcome_lateness_ms
        return Rules(terms.pane_ms, lateness, terms.max_ahead_ms)


def another_run(run_id: str) -> str:
    """What an operator does to have the records of a foreign run scored by this consumer's model."""
    return _NEW_LIVE if run_id == LIVE else _NEW_RUN_ID


def _short(model: str | None) -> str:
    return "none" if model is None else model[:12]
