"""The summary of a run: records sent and accounted for, windows, and when which alarm told of the drift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from local.demo.snapshot import execute
from runtime.invocation import program
from schemas.alarm_text import what
from schemas.durations import duration_text, moment
from schemas.errors import DriftlineError
from schemas.figures import error_times
from storage.connect import Connection

_STRETCHES = 3
"""Of injected drift, which may recur: the summary is about the first ones."""
_NEVER = datetime.max.replace(tzinfo=UTC)


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
        *_story(connection, run, held_out),
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


def _story(connection: Connection, run: str, held_out: float | None) -> Iterator[tuple[str, str]]:
    """Per injected drift: its time, the model's error, the alarm that it raised; and what was raised before."""
    alarms = execute(connection, "alarms", run=run)
    injected = execute(connection, "injected", run=run, limit=_STRETCHES)
    starts = [moment(drift["starts_at_ms"]) for drift in injected]
    for drift, start, until in zip(injected, starts, [*starts[1:], _NEVER], strict=False):
        yield "injected", f"{drift['label']}, {start:%a %d %b %H:%M}"
        parts = execute(connection, "errors", run=run, starts_at=start, ends_at=moment(drift["ends_at_ms"]))
        if parts:
            yield "the model", _errors({row["part"]: row["mae"] for row in parts}, held_out)
        raised = [alarm for alarm in alarms if start < alarm["fired_at"] <= until]
        yield "alarm", _alarm(raised[0], start) if raised else "none"
    for row in execute(connection, "promise", run=run):
        before = sum(alarm["fired_at"] <= min(starts, default=_NEVER) for alarm in alarms)
        yield "before it" if starts else "alarms", f"{before or 'no'} alarm{'s' * (before > 1)}; {_promised(row)}"


def _alarm(alarm: Mapping[str, Any], start: datetime) -> str:
    """`pending Tue 15 Feb 09:00, firing 10:00, 10 h after it began: Trip distance …`."""
    pending, fired = alarm["pending_at"], alarm["fired_at"]
    at = f"{fired:%H:%M}" if fired.date() == pending.date() else f"{fired:%a %d %b %H:%M}"
    after = (fired - start).total_seconds() / 3_600
    text = f"pending {pending:%a %d %b %H:%M}, firing {at}, {after:.0f} h after it began: {what(alarm['message'])}"
    return text + (f"; recovered {alarm['recovered_at']:%a %d %b %H:%M}" if alarm["recovered_at"] else "")


def _promised(season: Mapping[str, Any]) -> str:
    if season["promise"] is None:
        return "too few calm weeks for a promise"
    return f"promised: at most {season['promise']:.1f} false ones a month on average"


def _errors(mae: Mapping[str, float], held_out: float | None) -> str:
    """`MAE in minutes: 3.10 (1.0×) before, 4.90 (1.6×) during; times the 3.14 held out in training`."""
    known = {part: f"{mae[part]:.2f} ({error_times(mae[part], held_out)})".removesuffix(" ()") for part in mae}
    parts = [f"{known[part]} {part}" for part in ("before", "during", "after") if part in known]
    text = f"MAE in minutes: {', '.join(parts)}"
    return text + (f"; times the {held_out:.2f} held out in training" if held_out is not None else "")


def _size(row: Mapping[str, Any]) -> str:
    return duration_text(row["size_s"] * 1000)


def commands(connection: Connection, run: str) -> list[str]:
    """Return commands that show the alarms, and the window that drifted most."""
    found = [f"alarms --run {run}", f"windows --run {run} --size 6h"]
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
