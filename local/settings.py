"""Settings of the commands that run Driftline on one machine, read once, at the edge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grafana.model import BOARD
from schemas.durations import duration_text
from schemas.errors import UsageError
from schemas.records import is_run_id

_HOUR, _DAY = 3_600_000, 86_400_000
_MOST_DAYS = 400
"""More would take minutes."""


@dataclass(frozen=True)
class DemoSettings:
    """Settings of `driftline demo`.

    keep: leave the embedded servers running at the end. files, month, synthetic: what is replayed.
    speed: as of `produce`, or `auto`. scenario: the drift that is injected.
    """

    keep: bool = False
    files: tuple[Path, ...] = ()
    month: str | None = None
    synthetic: bool = False
    speed: str = "auto"
    scenario: str = "miles-to-km"


@dataclass(frozen=True)
class DummySettings:
    """Settings of `driftline dummy`.

    days: whole days of event time before today. sizes: of windows, ms, ascending. live: add a window each second.
    Raises UsageError for what makes no sense.
    """

    run: str = "dummy"
    days: int = 30
    sizes: tuple[int, ...] = (_HOUR, 6 * _HOUR, _DAY)
    seed: int = 7
    live: bool = False

    def __post_init__(self) -> None:
        if not is_run_id(self.run):
            raise UsageError(f"no run may be called {self.run!r}", "use letters, digits and . _ : -")
        if not 1 <= self.days <= _MOST_DAYS:
            raise UsageError(f"{self.days} days", f"choose 1 to {_MOST_DAYS}")
        if self.sizes[-1] > self.days * _DAY:
            largest = duration_text(self.sizes[-1])
            raise UsageError(
                f"no window of {largest} fits into {self.days} days", "choose smaller ones, or more days"
            )
        if self.seed < 0:
            raise UsageError(f"seed {self.seed}", "choose 0 or more")


@dataclass(frozen=True)
class GrafanaSettings:
    """Settings of `driftline grafana`. port: where it listens, on 127.0.0.1. board: as a browser reaches it."""

    port: int = 3000
    board: str = BOARD
