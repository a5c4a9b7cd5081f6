"""The status of a run at this moment: what stands at the top of the page."""

from __future__ import annotations

from typing import Any

from board.alarms import read_watch
from board.database import Reader
from board.runs import RunInfo
from monitor.drift.figures import Config
from schemas.durations import duration_text, moment

TALLIES = (
    "now", "watermark", "rows", "late", "dead_letters", "duplicates", "missing",
    "numbered", "unnumbered", "final", "lag", "written_at",
    "latency_p95_ms",
)  # fmt: skip
NEWEST = (
    "start", "end", "status", "rows", "columns_drifted", "columns_tested", "share_drifted", "dataset_drift",
)  # fmt: skip


async def read_status(reader: Reader, run: RunInfo, size_s: int, segment: str = "") -> dict[str, Any]:
    """Read the status of a run, as JSON takes it; its verdict, newest window and scarcity are those of a segment.

    Returns:
        Among others: `rows`, accepted events; `dead_letters`, rejected records, events and labels together, and
        `late`, those among them that came too late; `of_no_run`, rejected records in which no run could be read,
        1,001 for more than a thousand; `numbered` and `unnumbered`, records that carry `seq` and that do not;
        `filling`, the newest window while it is not written; `finished`, whether the run was read to its end and
        all windows of this size are final; `lag`, unread records that may be of this run, 0 once it is over;
        `scarce`, None while windows are tested; `watch`, as `read_watch` returns it.
    """
    found = dict(zip(TALLIES, await reader.row("tallies", run=run.run_id, size_s=size_s), strict=True))
    newest = await read_newest_window(reader, run.run_id, size_s, segment)
    stages = await reader.rows("stages", run=run.run_id)
    (of_no_run,) = await reader.row("of_no_run", run=run.run_id)
    filling = None if segment else await reader.row("filling", run=run.run_id, size_s=size_s)
    word = verdict(newest)
    return found | {
        "run": run.run_id,
        "finished": run.finished and found["final"],
        "verdict": word,
        "scarce": await read_scarcity(reader, run.run_id, size_s, segment) if word == "insufficient" else None,
        "newest": newest,
        "watch": await read_watch(reader, run),
        "of_no_run": of_no_run,
        "filling": filling and {"start": filling[0], "rows": filling[1], "needed": Config().min_rows},
        "stages": [
            {"stage": stage, "instance": instance, "at": at, "measures": measures}
            for stage, instance, at, measures in stages
        ],
    }


async def read_newest_window(reader: Reader, run: str, size_s: int, segment: str = "") -> dict[str, Any] | None:
    """Read the newest window that has a verdict, else the newest closed one, else the one that fills."""
    row = await reader.row("newest_window", run=run, size_s=size_s, segment=segment)
    if row is None:
        return None
    newest = dict(zip(NEWEST, row, strict=True))
    where = {"run": run, "size_s": size_s, "start": moment(newest["start"]), "segment": segment}
    worst = await reader.row("worst", **where)
    remark = await reader.row("remark", **where) if verdict(newest) == "untested" else None
    return newest | {
        "worst": None if worst is None else {"column": worst[0], "severity": worst[1]},
        "remark": None if remark is None else remark[0],
    }


def verdict(newest: dict[str, Any] | None) -> str:
    """Return the verdict of a window in a word. Pure.

    Returns:
        `waiting`: nothing has closed yet; `insufficient`: too few rows for a verdict; `untested`: rows enough, but
        no column could be tested; `ok`, `drift` or `dataset`.
    """
    if newest is None or newest["status"] == "open":
        return "waiting"
    if not newest["columns_tested"]:
        return "insufficient" if newest["rows"] < Config().min_rows else "untested"
    if newest["dataset_drift"]:
        return "dataset"
    return "drift" if newest["columns_drifted"] else "ok"


async def read_scarcity(reader: Reader, run: str, size_s: int, segment: str = "") -> dict[str, Any]:
    """Read how few rows the windows of a size have.

    Returns:
        Among others: `enough`, windows with as many rows as are needed; `useful`, the smallest size whose windows
        have a verdict, else about the smallest that would have some, None where that cannot be told.
    """
    windows, enough, usual, other = await reader.row("scarcity", run=run, size_s=size_s, segment=segment)
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
    """Return the smallest of SIZES whose windows usually hold twice the needed rows; None where none does. Pure.

    Args:
        size_s: A size, in seconds, whose windows usually hold `rows`.
        rows: See there.
        needed: Rows that a verdict needs.
    """
    return next((size for size in SIZES if rows * size >= 2 * needed * size_s), None)
