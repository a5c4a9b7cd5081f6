"""The evidence of every signal by itself, added up again from what the windows said. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from monitor.verdict.evidence import allowances, cusum
from monitor.verdict.members import Signal, SignalKind

KINDS: Mapping[str, SignalKind] = {"volume": "volume", "coverage": "coverage"}
"""Of signals that add up differently; the others are as columns."""

Key = tuple[str, int]
"""Role and size in seconds."""


class SignalCurves:
    """Evidence by signal, of windows that are added in the order in which they were folded."""

    def __init__(self, calibrations: Iterable[Mapping[str, Any]], recovered: Sequence[int]) -> None:
        """calibrations: with `season`, `signals` and `lines`. recovered: when alarms were over, ms, ascending."""
        self._calibrations = {each["season"]: each for each in calibrations}
        self._recovered = recovered
        self._windows: dict[Key, list[tuple[tuple[int, int], int, Sequence[float]]]] = {}

    def add(self, row: Sequence[Any]) -> None:
        """Add a window. row: of the query `scores`."""
        role, size_s, season, start, *_, z = row
        stretch = season, bisect_left(self._recovered, start + 1_000 * size_s)
        self._windows.setdefault((role, size_s), []).append((stretch, start, z))

    def of(self, role: str, size_s: int, signal: str) -> dict[str, list[Any]]:
        """Return a signal's evidence: `at`, ends of windows in ms; `value`, 1 is the line, None where it is new.

        Args:
            role: Of the records.
            size_s: Of the windows, seconds.
            signal: Its name.
        """
        found: dict[str, list[Any]] = {"at": [], "value": []}
        for (season, _), windows in groupby(self._windows.get((role, size_s), ()), key=lambda window: window[0]):
            known = [*windows]
            values = self._values(season, role, size_s, signal, [z for _, _, z in known])
            found["at"] += [start + 1_000 * size_s for _, start, _ in known]
            found["value"] += values
        return found

    def _values(
        self, season: int, role: str, size_s: int, signal: str, z: Sequence[Sequence[float]]
    ) -> list[float | None]:
        calibration = self._calibrations.get(season, {})
        names = (calibration.get("signals") or {}).get(role) or []
        lines = ((calibration.get("lines") or {}).get(role) or {}).get(str(size_s)) or []
        counted = [bool(each) for each in z]  # days that do not count have no scores
        scores = [each or [0.0] * len(names) for each in z]
        if signal not in names or len(lines) != len(names) or any(len(each) != len(names) for each in scores):
            return [None] * len(z)
        place = names.index(signal)
        k = allowances([Signal(name, KINDS.get(name, "column"), None) for name in names], 1_000 * size_s)
        sums = cusum(np.array(scores, np.float64), k, np.array(counted))[:, place]
        return [round(float(each), 3) for each in sums / lines[place]]
