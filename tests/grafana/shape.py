"""Whether what a query returns is of the shape that Grafana and the panel need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.grafana.fault import Fault

Dict = dict[str, Any]
MOST = 20_000
"""Rows that one query may return: more take longer to draw than to read."""


@dataclass(frozen=True)
class Answer:
    columns: list[str]
    rows: list[tuple[Any, ...]]

    def all(self, column: str) -> list[Any]:
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    @property
    def fields(self) -> set[str]:
        """Names that overrides may use: the columns, and the series that text makes of them."""
        return {*self.columns, *(self.all("metric") if "metric" in self.columns else ())}


def check(kind: str, form: str, answer: Answer, options: Dict) -> None:
    """kind: of the panel, or `annotation`. form: of the query. Raises Fault."""
    if len(set(answer.columns)) < len(answer.columns):
        raise Fault(f"two columns of one name: {answer.columns}")
    if len(answer.rows) > MOST:
        raise Fault(f"{len(answer.rows)} rows: bound it")
    if form == "time_series":
        _series(answer, repeated=kind == "heatmap")
    if kind == "annotation":
        _annotation(answer)
    elif kind == "stat":
        _one_number(answer)
    elif kind in ("bargauge", "barchart"):
        _named_numbers(answer, options.get("xField", "metric"))
    elif kind == "xychart":
        _points(answer, options["series"][0])
    elif kind == "state-timeline":
        _states(answer)


def _series(answer: Answer, *, repeated: bool) -> None:
    """A time, at most a name, numbers; ascending. repeated: whether a series may have two values of one time."""
    if "time" not in answer.columns:
        raise Fault("no column named time")
    texts = [column for column in answer.columns if any(isinstance(v, str) for v in answer.all(column))]
    if texts and (texts != ["metric"] or len(answer.columns) != 3):
        raise Fault(f"text becomes a label: time, metric and one number make clean names, not {answer.columns}")
    times = [_epoch(value) for value in answer.all("time")]
    if any(a > b for a, b in pairwise(times)):
        raise Fault("times do not ascend")
    names = answer.all("metric") if texts else [""] * len(times)
    if not repeated and len(set(zip(times, names, strict=True))) < len(times):
        raise Fault("two values of one series at one time")
    numbers = [column for column in answer.columns if column not in ("time", *texts)]
    if answer.rows and not numbers:
        raise Fault("no number in it")
    for column in numbers:
        for value in answer.all(column):
            _number(value, column)


def _number(value: Any, column: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Fault(f"{column} holds {value!r}, which is no number")
    if not math.isfinite(value):
        raise Fault(f"{column} holds {value!r}")


def _epoch(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if value is None or isinstance(value, str):
        raise Fault(f"time is {value!r}")
    return float(value)


def _annotation(answer: Answer) -> None:
    if answer.columns != ["time", "timeend", "text", "tags"]:
        raise Fault(f"an annotation has time, timeend, text and tags, not {answer.columns}")
    for time, end, text, tags in answer.rows:
        if not isinstance(time, datetime) or not text or not tags or (end is not None and end < time):
            raise Fault(f"no annotation: {time}, {end}, {text!r}, {tags!r}")


def _one_number(answer: Answer) -> None:
    if len(answer.columns) != 1 or len(answer.rows) > 1:
        raise Fault(f"a stat shows one number, not {answer.columns} of {len(answer.rows)} rows")
    for row in answer.rows:
        _number(row[0], answer.columns[0])


def _named_numbers(answer: Answer, by: str) -> None:
    if by not in answer.columns or len(set(answer.all(by))) < len(answer.rows):
        raise Fault(f"bars are told apart by {by}: {answer.columns}")
    for column in set(answer.columns) - {by}:
        for value in answer.all(column):
            _number(value, column)


def _points(answer: Answer, axes: Dict) -> None:
    for axis in ("x", "y"):
        column = axes[axis]["matcher"]["options"]
        if column not in answer.columns:
            raise Fault(f"no column {column} for {axis}")
        for value in answer.all(column):
            _number(value, column)


def _states(answer: Answer) -> None:
    for value in answer.all("value") if "value" in answer.columns else ():
        if not isinstance(value, int) or not -1 <= value <= 2:
            raise Fault(f"{value!r} is no state")
