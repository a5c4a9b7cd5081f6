"""Which window sizes a run can have: whole numbers of its panes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.durations import duration_text
from schemas.errors import UsageError

USUAL_PANE = 300_000
"""Of `consume --pane`, ms."""


def fits(size: int, pane: int) -> bool:
    """Whether windows of a size are whole numbers of panes, and of seconds. size, pane: ms."""
    return size % pane == 0 and size % 1_000 == 0


def misfit(run_id: str, pane: int, sizes: Sequence[int]) -> UsageError:
    """Explain that sizes do not fit a run's panes.

    Args:
        run_id: The run.
        pane: Of the run, ms.
        sizes: Of windows, ms.
    """
    return UsageError(
        f"windows of {', '.join(map(duration_text, sizes))} are no whole number of"
        f" the {duration_text(pane)} panes of run {run_id}",
        "choose multiples with --sizes",
    )
