"""Sides of a comparison as people write them: `demo`, `demo@2022-02-08..2022-02-15`, `2022-02-08T06:00+6h`.

A segment stands at the end: `demo/VendorID=1`, `2022-02-08..2022-02-15/VendorID=1`.
"""

from __future__ import annotations

import re

import msgspec

from schemas.durations import duration_ms, moment, moment_ms
from schemas.errors import UsageError
from schemas.records import is_run_id

_HOW = (
    "write RUN, FROM..TO, FROM+SIZE or RUN@FROM..TO, such as demo@2022-02-08..2022-02-15 or 2022-02-08T06:00+6h,"
    " and /NAME=VALUE behind it for one segment"
)

_PERIOD = re.compile(r"\d{4}-\d\d-\d\d.*(\.\.|\+)")


class Side(msgspec.Struct, frozen=True):
    """A stretch of a run.

    Attributes:
        run: Its name; None: the run that is meant anyhow.
        start, end: Event time, ms since the epoch, the end exclusive; None: as far as the run goes.
        segment: Of the stream, as `name=value`; '' for all of it.
    """

    run: str | None = None
    start: int | None = None
    end: int | None = None
    segment: str = ""

    @property
    def text(self) -> str:
        """As people write it; `side_of` reads it."""
        part = f"/{self.segment}" if self.segment else ""
        if self.start is None or self.end is None:
            return f"{self.run or ''}{part}"
        period = f"{_text(self.start)}..{_text(self.end)}"
        return f"{period if self.run is None else f'{self.run}@{period}'}{part}"


def side_of(text: str) -> Side:
    """Parse one side.

    Args:
        text: A run, a period (FROM..TO, or FROM+SIZE for a window), or both: RUN@FROM..TO; a segment at the end.
            What looks like a period is one; a run of such a name is written with @ behind it.

    Raises:
        UsageError: It is none of these.
    """
    whole, slash, segment = text.partition("/")
    run, at, period = whole.rpartition("@")
    if not at and not _PERIOD.match(whole):
        run, period = whole, ""
    if run and not is_run_id(run):
        raise UsageError(f"{run!r} is no name of a run", _HOW)
    if not run and not period and not segment:
        raise UsageError(f"{text!r} says neither run nor period", _HOW)
    if slash and "=" not in segment:
        raise UsageError(f"{segment!r} is no segment", _HOW)
    start, end = _period(period) if period else (None, None)
    return Side(run or None, start, end, segment)


def _period(text: str) -> tuple[int, int]:
    first, between, last = text.partition("..")
    if between:
        start, end = moment_ms(first), moment_ms(last)
    else:
        first, plus, size = text.rpartition("+")
        if not plus:
            raise UsageError(f"{text!r} is no period", _HOW)
        start = moment_ms(first)
        end = start + duration_ms(size)
    if start >= end:
        raise UsageError(f"the period {text} ends before it begins", _HOW)
    return start, end


def _text(ms: int) -> str:
    at = moment(ms)
    return f"{at:%Y-%m-%dT%H:%M}" if at.second == 0 and at.microsecond == 0 else at.isoformat()[:19]
