"""What windows of a size cost the monitor, measured on a day of the stream."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from monitor.drift.figures import Config
from monitor.evidently.reference import Reference, Span
from monitor.evidently.window_figures import event_figures
from monitor.verdict.season import DAY
from tuning.history import History, scored, summarized
from tuning.plan import Plan
from tuning.trials import Trials

_DAY = 2
"""Wednesday of the first week."""


def cpu_of_day(history: History, plan: Plan, training: pa.Table) -> dict[int, float]:
    """Do what the monitor does with the windows of a day: figures, summary, score; databases aside.

    Args:
        history: The stream.
        plan: Its sizes are measured.
        training: Reference of the model.

    Returns:
        Seconds of CPU by size, ms.
    """
    start = history.period[0] + _DAY * DAY
    rows = scored(history.stream, history.model, history.rows)
    times = rows[history.stream.events.time].to_numpy()
    config = Config()
    reference = Reference.from_table(training, history.stream, config)
    whole = Trials(history, plan).measured(0, plan.references[0]).whole
    found = {}
    for size in plan.sizes:
        days = max(size // DAY, 1)
        starts: Sequence[int] = range(start, start + days * DAY, size)
        began = time.process_time()
        for at in starts:
            first, last = np.searchsorted(times, [at, at + size])
            part = rows.slice(first, last - first)
            if len(part):
                event_figures(part, reference, config, Span(at, size))
            for role, summary in summarized(
                history.stream, history.layout, part, (at, at + size), min(history.step, size)
            ).items():
                if (role, size) in whole.watched:
                    whole.score(summary)
        found[size] = (time.process_time() - began) / days
    return found
