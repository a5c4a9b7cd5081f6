"""The summary of a run: records sent and accounted for, windows, and which one detected the drift first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from local.demo.snapshot import execute
from runtime.invocation import program
from schemas.durations import duration_text, moment
from schemas.errors import DriftlineError
from schemas.figures import severity_text
from storage.connect import Connection

_STRETCHES = 3
"""Of injected drift, which may recur: the summary is about the first ones."""


def show(connection: Connection, run: str, out: Console, *, seconds: float, held_out: float | None = None) -> None:
    """Print the summary. held_out: the model's mean absolute error in training, minutes.

    Raises DriftlineError when a trip is not accounted for.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in (
        *((row["topic"], _account(row)) for row in execute(connection, "tallies", run=run)),
        ("windows", _windows(connection, run)),
        *_detections(connection, run, held_out),
    ):
        grid.add_row(name, text)
    out.print(Panel(grid, title=f"[b]Driftline[/]  run {run}, {seconds:.0f} s", title_align="left"))


def _account(tally: Mapping[str, Any]) -> str:
    """Account for every record. Raises DriftlineError if any is missing."""
    dead = tally["late"] + tally["future"] + tally["invalid"]
    accounted = tally["accepted"] + dead
    if accounted != tally["sent"]:
        raise DriftlineError(
            f"{tally['sent']:,} {tally['topic']} were sent, {accounted:,} are accounted for",
            "please report this as a bug",
        )
    reasons = ", ".join(f"{tally[why]:,} {why}" for why in ("late", "future", "invalid") if tally[why])
    text = f"{tally['sent']:,} in = {tally['accepted']:,} in windows + {dead:,} dead letters"
    text += f" ({reasons})" if reasons else ""
    return text + (f"; {tally['duplicates']:,} sent twice and dropped" if tally["duplicates"] else "")


def _windows(connection: Connection, run: str) -> str:
    closed: dict[int, int] = {}
    for row in execute(connection, "windows_by_status", run=run):
        if row["stream"] == "events" and row["status"] != "open":
            closed[row["size_s"]] = closed.get(row["size_s"], 0) + row["windows"]
    return "  ".join(f"{n:,} of {duration_text(size * 1000)}" for size, n in sorted(closed.items()))


def _detections(connection: Connection, run: str, held_out: float | None) -> list[tuple[str, str]]:
    """Per injected drift: its time, the model's error, the windows that detected it first, earlier false alarms."""
    lines = []
    for injected in execute(connection, "injected", run=run, limit=_STRETCHES):
        columns, start = injected["columns"], moment(injected["starts_at_ms"])
        lines.append(("injected", f"{injected['label']}, {start:%a %d %b %H:%M}"))
        parts = execute(connection, "errors", run=run, starts_at=start, ends_at=moment(injected["ends_at_ms"]))
        if parts:
            lines.append(("the model", _errors({row["part"]: row["mae"] for row in parts}, held_out)))
        for row in execute(connection, "first_drift_of_columns", run=run, columns=columns, starts_at=start):
            late = (row["window_end"] - start).total_seconds() / 3600
            worst = f"{row['column_name']} {severity_text(row['severity'])} × its threshold"
            text = f"{worst}, closed {late:.1f} h after it began"
            lines.append((f"seen, {_size(row)}", text))
        calm = execute(connection, "calm_before", run=run, columns=columns, starts_at=start)
        if calm and columns:
            names = ", ".join(columns)
            lines.append(("before it", f"flagged by {names}: {_flagged(calm, 'by_these')}"))
            lines.append(("", f"by any column: {_flagged(calm, 'flagged')} calm windows"))
    return lines


def _errors(mae: Mapping[str, float], held_out: float | None) -> str:
    """`MAE 3.1 min before, 4.9 during, 3.2 after; 3.1 in training`."""
    parts = [f"{mae[part]:.2f} {part}" for part in ("before", "during", "after") if part in mae]
    text = f"MAE in minutes: {', '.join(parts)}"
    return text + (f"; {held_out:.2f} held out in training" if held_out is not None else "")


def _flagged(rows: Sequence[Mapping[str, Any]], by: str) -> str:
    return ", ".join(f"{_size(row)} {row[by]:,} of {row['windows']:,}" for row in rows)


def _size(row: Mapping[str, Any]) -> str:
    return duration_text(row["size_s"] * 1000)


def commands(connection: Connection, run: str) -> list[str]:
    """Return commands that show the window that drifted most."""
    found = [f"windows --run {run} --size 6h"]
    if worth := execute(connection, "worth_a_look", run=run):
        start = f"{worth[0]['window_start']:%Y-%m-%dT%H:%M}".removesuffix("T00:00")
        where = f"--run {run} --size {_size(worth[0])} --window {start}"
        found += [f"{verb} {where}" for verb in ("columns", "report", "recompute")]
    return found


def show_next_commands(out: Console, commands: Iterable[str]) -> None:
    """Print commands, ready to paste."""
    out.print("Go on with:", highlight=False)
    for command in commands:
        out.print(f"  {program()} {command}", markup=False, highlight=False, soft_wrap=True)
