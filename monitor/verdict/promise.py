"""The promise: how many false alarms a month the calm seasons before allow to promise, and how it is said. Pure.

The line is the m-th largest of the maxima of K calm seasons, each compared with the others. If the coming season is
like those, all K + 1 ranks are equally probable, so it crosses the line with a probability of at most m / (K + 1),
however many signals and sizes are watched.
"""

from __future__ import annotations

import re
from math import ceil, floor

import msgspec

from monitor.verdict.season import DAY, WEEK
from schemas.errors import UsageError

MONTH = 365.25 / 12 * DAY

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(day|week|month|year)")
_PERIODS = {"day": DAY, "week": WEEK, "month": MONTH, "year": 12 * MONTH}


class Promise(msgspec.Struct, frozen=True):
    """What calm seasons allow to promise.

    Attributes:
        wanted: False alarms a month that the operator accepts.
        seasons: Calm seasons, K.
        rank: m: the line is the m-th largest of their maxima; 1 also where nothing can be promised.
        length: Of a season, ms.
    """

    wanted: float
    seasons: int
    rank: int
    length: int = WEEK

    @classmethod
    def from_seasons(cls, wanted: float, seasons: int, length: int = WEEK) -> Promise:
        """Choose the lowest line that keeps what is wanted.

        Args:
            wanted: False alarms a month.
            seasons: Calm seasons.
            length: Of a season, ms.
        """
        rank = floor(wanted * (seasons + 1) / (MONTH / length) + 1e-9)
        return cls(wanted, seasons, max(1, min(rank, seasons)), length)

    @property
    def a_month(self) -> float:
        """Seasons in a month."""
        return MONTH / self.length

    @property
    def rate(self) -> float:
        """False alarms a month at most, on average over calibrations."""
        return self.a_month * self.rank / (self.seasons + 1)

    @property
    def rate_with_confidence(self) -> float:
        """The rate that nine of ten calibrations keep: the chance of a season is Beta(m, K - m + 1)."""
        from scipy.stats import beta  # noqa: PLC0415 - it takes long, and whoever parses an option needs none

        return self.a_month * float(beta.ppf(0.9, self.rank, max(self.seasons - self.rank + 1, 1)))

    @property
    def is_kept(self) -> bool:
        """Whether what is wanted can be promised."""
        return self.seasons > 0 and self.rate <= self.wanted * (1 + 1e-9)

    @property
    def missing(self) -> int:
        """Further calm seasons that the promise needs."""
        return max(ceil(self.a_month / self.wanted - 1e-9) - 1 - self.seasons, 0)

    def sentence(self, signals: int, sizes: str) -> str:
        """Say what is watched and promised.

        Args:
            signals: How many are watched.
            sizes: Of the windows, for people.
        """
        watching = f"Watching {signals} signals at {sizes}."
        if not self.is_kept:
            return f"{watching} {self.price}"
        calm = f"From your last {self.seasons} calm {_count(self.seasons, self._unit)}"
        most = f"at most {self.rate:.1f} false alarms a month on average, if next {self._unit} is like those"
        return f"{watching} {calm}: {most}; {self.rate_with_confidence:.1f} with 90 % confidence."

    @property
    def price(self) -> str:
        """Say what can be promised instead, and what the promise would cost."""
        more = f"{self.missing} more calm {_count(self.missing, self._unit)} for {_a_month(self.wanted)}"
        if self.seasons == 0:
            return f"No calm {self._unit}: nothing can be promised; {more}."
        known = f"{self.seasons} calm {_count(self.seasons, self._unit)}"
        return f"{known}: the best that can be promised is {self.rate:.1f} false alarms a month; {more}."

    @property
    def _unit(self) -> str:
        return "week" if self.length == WEEK else "season"


def parse_rate(text: str) -> float:
    """Parse a promise such as `1/month` or `1/week` into false alarms a month.

    Raises:
        UsageError: It is none.
    """
    match = _RATE.fullmatch(text.strip().replace(" ", ""))
    if match is None or float(match[1]) == 0:
        raise UsageError(
            f"{text!r} is no rate of false alarms", "write it as 1/month, 2/month or 1/week; for no alarms: none"
        )
    return float(match[1]) * MONTH / _PERIODS[match[2]]


def _a_month(rate: float) -> str:
    return "one a month" if rate == 1 else f"{rate:g} a month"


def _count(number: int, unit: str) -> str:
    return unit if number == 1 else f"{unit}s"
