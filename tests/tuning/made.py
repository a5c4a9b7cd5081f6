"""Seven weeks of small streams, four of which are the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from models import reference
from models.artifact import Model
from models.columns import Columns, Floats
from monitor.verdict.season import DAY, HOUR, WEEK, Season
from producer.drift import Drift, Moment
from producer.drift_kinds import Scale
from producer.scenario import Scenario
from schemas.definition import Stream
from schemas.durations import moment_ms
from tests.streams import made_up, payments
from tuning.history import History, training_end
from tuning.plan import Plan

WEEKS = 7
MONDAY = moment_ms("2023-01-02")
PERIOD = made_up.START, MONDAY + WEEKS * WEEK
UNTIL = training_end(Season(WEEK), PERIOD[0], 4)


@dataclass(frozen=True)
class Doubling:
    """A model that doubles a number."""

    table: pa.Table
    column: str
    hash: str = "made up"

    def predict(self, columns: Columns) -> Floats:
        found: Floats = 2 * columns[self.column]
        return found

    def reference(self) -> pa.Table:
        return self.table


def doubling(stream: Stream, known: pa.Table, column: str) -> Model:
    """A model, and its reference of known rows with their labels."""
    predicted = Doubling(known, column).predict(reference.columns(known, stream.events))
    made = reference.reference(known, stream, predicted, known[str(stream.label)].to_numpy())
    return cast(Model, Doubling(made, column))


@cache
def history(stream: Stream = payments.STREAM, step: int = HOUR) -> History:
    hours = (PERIOD[1] - PERIOD[0]) // HOUR
    rows = reference.valid(made_up.events(stream, 40 * hours, hours, seed=3), stream.events)
    model = None
    if stream.events.needs_model:
        known = rows.filter(pc.less(rows[stream.events.time], UNTIL))
        model = doubling(stream, known, made_up.first_number(stream.events))
    return History.from_rows(stream, model, rows, period=PERIOD, until=UNTIL, step=step)


def plan(*sets: Sequence[int], **more: Any) -> Plan:
    given: dict[str, Any] = {
        "sets": tuple(map(tuple, sets)) or ((6 * HOUR,), (DAY,), (6 * HOUR, DAY)),
        "references": ("training", "rolling"),
        "promise": 1.0,
        "holidays": "",
        "onsets": 6,
        "seed": 7,
    }
    return Plan(**(given | more))


def scenario(drift: Drift | None = None, stream: Stream = payments.STREAM, name: str = "dearer") -> Scenario:
    return Scenario(name=name, stream=stream, drifts=(drift or scale(1.5),))


def scale(factor: float, **more: Any) -> Scale:
    given: dict[str, Any] = {"column": "amount", "starts_at": Moment(0), "ends_at": Moment(1)}
    return Scale(factor=factor, **(given | more))
