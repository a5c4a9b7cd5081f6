"""Why a run has no window: what `driftline runs`, `windows` and `doctor` say of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from models.lookup import MANUFACTURED
from monitor.sizes import fits
from schemas.durations import duration_text
from storage.listings import MonitorRow, RunRow

HASH = 12
"""Characters of a model's hash that are enough to name it."""


def why_no_window(run: RunRow, monitors: Sequence[MonitorRow], min_rows: int) -> str | None:
    """Explain why no window of a run was computed.

    Args:
        run: The run.
        monitors: Those that reported lately.
        min_rows: Rows that a verdict needs.

    Returns:
        None where a window was computed.
    """
    if run.windows:
        return None
    if not run.rows:
        lost = f"all of its {run.dead_letters:,} records were rejected: `driftline dead-letters --run {run.run_id}`"
        return lost if run.dead_letters else "no data record of it was read yet"
    return unattended(run, monitors) or f"none has closed yet, nor has any the {min_rows} rows of a verdict"


def why_no_evidence(run: RunRow, monitors: Sequence[MonitorRow], min_rows: int) -> str:
    """Explain why no window of a run has become evidence; arguments as of `why_no_window`."""
    none_yet = "none of its windows is evidence: a monitor with --promise none watches no run for alarms"
    return why_no_window(run, monitors, min_rows) or unattended(run, monitors) or none_yet


def unattended(run: RunRow, monitors: Sequence[MonitorRow]) -> str | None:
    """Explain why no monitor computes the windows of a run; None where one does, or is about to.

    Args:
        run: The run.
        monitors: Those that reported lately.
    """
    if run.reference == MANUFACTURED:
        return "`driftline dummy` wrote it, so there are no records to compute windows from"
    if not monitors:
        named = f" --model {run.reference[:HASH]}" if run.reference else ""
        return f"no monitor is running: `driftline monitor{named}`"
    refusals = [_refusal(run, monitor) for monitor in monitors]
    return None if None in refusals else refusals[0]


def _refusal(run: RunRow, monitor: MonitorRow) -> str | None:
    """Why a monitor skips a run; None where it does not, or has not said yet what it watches."""
    if monitor.run_id not in (None, run.run_id):
        return f"the monitor is for run {monitor.run_id} alone: start another"
    if monitor.model is None:
        return None
    if None not in (run.stream, monitor.stream) and run.stream != monitor.stream:
        return f"it is of stream {run.stream}, and the monitor of stream {monitor.stream}: start another"
    if run.reference not in (None, monitor.model):
        theirs, ours = str(run.reference)[:HASH], monitor.model[:HASH]
        what = "scored it" if run.model else "is its reference"
        return (
            f"the monitor skips it: model {theirs} {what}, and the monitor's is {ours}:"
            f" `driftline monitor --model {theirs}`"
        )
    if not any(fits(1_000 * size_s, run.pane_ms) for size_s in monitor.sizes_s or ()):
        pane = duration_text(run.pane_ms)
        return f"the monitor skips it: none of its sizes is a multiple of the run's pane of {pane}: choose --sizes"
    return None
