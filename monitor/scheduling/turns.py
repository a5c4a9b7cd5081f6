"""The order in which runs are served, so that many small ones do not keep a large one waiting. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

FIRST = 16
"""So many runs, those with the most rows, are served in every round. The others share what is left of it."""


class Turns:
    """Runs that are due, in the order in which they became so."""

    def __init__(self) -> None:
        self._due: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._due)

    def add(self, run_ids: Iterable[str]) -> None:
        """These are due; who waits already keeps its place."""
        for run_id in run_ids:
            self._due.setdefault(run_id)

    def round(self, known: Sequence[str]) -> Iterator[tuple[str, bool]]:
        """(run, whether it can wait) of those due, the heaviest first; each is due no more once it is handed out.

        known: all runs, that with the most rows first; others are forgotten.
        """
        heavy, rest = known[:FIRST], dict.fromkeys(known[FIRST:])
        self._due = {run_id: None for run_id in self._due if run_id in rest or run_id in heavy}
        yield from ((run_id, False) for run_id in heavy if self._take(run_id))
        yield from ((run_id, True) for run_id in [*self._due] if self._take(run_id))

    def _take(self, run_id: str) -> bool:
        return self._due.pop(run_id, self) is None
