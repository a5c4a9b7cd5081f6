"""How a run is doing at this moment: what stands at the top of the page."""

from __future__ import annotations

from typing import Any

import msgspec

from board.database import Reader
from monitor.drift.figures import Config
from schemas.definition import Stream
from schemas.durations import duration_text, moment


class Run(msgspec.Struct, frozen=True):
    """period: event time that it covers, ms. model: hash of what scored it.
    started_at: wall clock, ms. stream: its definition."""

    run_id: str
    source: str | None
    scenario: str | None
    period: list[int] | None
    finished: bool
    model: str | None
    started_at: int
    stream: Stream


TALLIES = (
    "now", "watermark", "rows", "late", "dead", "duplicates", "missing", "final", "lag", "written_at",
    "latency_p95_ms",
)  # fmt: skip
NEWEST = (
    "start", "end", "status", "rows", "columns_drifted", "columns_tested", "share_drifted", "dataset_drift",
)  # fmt: skip


async def status(reader: Reader, run: Run, size_s: int) -> dict[str, Any]:
    """STATUS. dead: refused for another reason than being late. finished: read to its end, and all windows
    of this size are final. lag: records of all runs. scarce: None while windows are tested."""
    found = dict(zip(TALLIES, await reader.row("tallies", run=run.run_id, size_s=size_s), strict=True))
    newest = await newest_window(reader, run.run_id, size_s)
    stages = await reader.rows("stages", run=run.run_id)
    said = verdict(newest)
    return found | {
        "run": run.run_id,
        "finished": run.finished and found["final"],
        "verdict": said,
        "scarce": await scarcity(reader, run.run_id, size_s) if said == "insufficient" else None,
        "newest": newest,
        "stages": [
            {"stage": stage, "instance": instance, "at": at, "measures": measures}
            for stage, instance, at, measures in stages
        ],
    }


async def newest_window(reader: Reader, run: str, size_s: int) -> dict[str, Any] | None:
    row = await reader.row("newest_window", run=run, size_s=size_s)
    if row is None:
        return None
    newest = dict(zip(NEWEST, row, strict=True))
    worst = await reader.row("worst", run=run, size_s=size_s, start=moment(newest["start"]))
    return newest | {"worst": None if worst is None else {"column": worst[0], "severity": worst[1]}}


def verdict(newest: dict[str, Any] | None) -> str:
    """waiting: nothing closed yet; insufficient: too few rows to speak of drift; ok, drift, or dataset. Pure."""
    if newest is None or newest["status"] == "open":
        return "waiting"
    if not newest["columns_tested"]:
        return "insufficient"
    if newest["dataset_drift"]:
        return "dataset"
    return "drift" if newest["columns_drifted"] else "ok"


async def scarcity(reader: Reader, run: str, size_s: int) -> dict[str, Any]:
    """How few rows the windows have. enough: windows with as many as are needed. useful: the smallest size that has
    windows with a verdict, else about the smallest whose windows would have one; None where no size can be told."""
    windows, enough, usual, other = await reader.row("scarcity", run=run, size_s=size_s)
    needed = Config().min_rows
    useful = other or useful_size(size_s, usual or 0, needed)
    return {
        "windows": windows,
        "enough": enough,
        "needed": needed,
        "usual": usual,
        "useful": None if useful is None else duration_text(1_000 * useful),
        "there": other is not None,
    }


SIZES = (300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800)
"""Seconds that people choose for windows."""


def useful_size(size_s: int, rows: int, needed: int) -> int | None:
    """The smallest of SIZES whose windows usually hold twice the needed rows, where one of `size_s` holds `rows`.

    None where none does. Pure.
    """
    return next((size for size in SIZES if rows * size >= 2 * needed * size_s), None)
