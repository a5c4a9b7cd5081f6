"""What the run came to: trips in and rows accounted for, windows, and who noticed the injected drift first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from cli.invoked import program
from demo.snapshot import execute
from schemas.durations import duration_text, moment
from schemas.errors import DriftlineError


def show(connection: psycopg.Connection[Any], run: str, out: Console, *, seconds: float) -> None:
    """Print the summary. Raises DriftlineError when a trip is not accounted for."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in (
        *((row["topic"], _account(row)) for row in execute(connection, "tallies", run=run)),
        ("windows", _windows(connection, run)),
        *_noticed(connection, run),
        ("time", f"{seconds:.0f} s"),
    ):
        grid.add_row(name, text)
    out.print(Panel(grid, title=f"[b]Driftline[/]  run {run}", title_align="left"))
    _next(connection, run, out)


def _account(tally: Mapping[str, Any]) -> str:
    """Records in against what became of them. Raises DriftlineError where the two differ."""
    dead = tally["late"] + tally["future"] + tally["invalid"]
    accounted = tally["accepted"] + dead
    if accounted != tally["sent"]:
        raise DriftlineError(
            f"{tally['sent']:,} {tally['topic']} were sent, {accounted:,} are accounted for",
            "please report this as a bug",
        )
    text = f"{tally['sent']:,} in = {tally['accepted']:,} in windows + {dead:,} dead letters"
    text += f" ({tally['late']:,} late, {tally['future']:,} future, {tally['invalid']:,} invalid)"
    return text + (f"; {tally['duplicates']:,} sent twice and dropped" if tally["duplicates"] else "")


def _windows(connection: psycopg.Connection[Any], run: str) -> str:
    closed: dict[int, int] = {}
    for row in execute(connection, "windows_by_status", run=run):
        if row["stream"] == "trips" and row["status"] != "open":
            closed[row["size_s"]] = closed.get(row["size_s"], 0) + row["windows"]
    return "  ".join(f"{n:,} of {duration_text(size * 1000)}" for size, n in sorted(closed.items()))


def _noticed(connection: psycopg.Connection[Any], run: str) -> list[tuple[str, str]]:
    """Per injected drift: when, which window showed it first, and how often windows before it were flagged."""
    lines = []
    for injected in execute(connection, "injected", run=run):
        columns, start = injected["columns"], moment(injected["starts_at_ms"])
        lines.append(("injected", f"{injected['label']}, {start:%a %d %b %H:%M}"))
        for row in execute(connection, "first_drift_of_columns", run=run, columns=columns, starts_at=start):
            lag = (row["window_end"] - start).total_seconds()
            size = duration_text(row["size_s"] * 1000)
            lines.append(
                (
                    f"  noticed, {size}",
                    f"{row['column_name']} at {row['severity']:.1f} times its threshold in the window of"
                    f" {row['window_start']:%a %d %b %H:%M}, closed {lag / 3600:.1f} h of event time later",
                )
            )
        for row in execute(connection, "calm_before", run=run, columns=columns, starts_at=start):
            size = duration_text(row["size_s"] * 1000)
            by = f"{row['by_these']:,} of {row['windows']:,} calm windows flagged by {', '.join(columns)}"
            lines.append((f"  before, {size}", f"{by}, {row['flagged']:,} by any column at all"))
    return lines


def _next(connection: psycopg.Connection[Any], run: str, out: Console) -> None:
    """The commands to go on with, of a window that is worth a look."""
    commands = ["stack up", "board &", f"windows --run {run} --size 6h"]
    if worth := execute(connection, "worth_a_look", run=run):
        where = f"--run {run} --size {duration_text(worth[0]['size_s'] * 1000)}"
        where += f" --window {worth[0]['window_start']:%Y-%m-%dT%H:%M}"
        commands += [f"{verb} {where}" for verb in ("columns", "report", "recompute")]
    out.print("Go on with:", highlight=False)
    for command in commands:
        out.print(f"  {program()} {command}", markup=False, highlight=False, soft_wrap=True)
