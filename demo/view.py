"""The live view: a snapshot as something to look at. Pure: no clock, no database, no terminal.

The terminal shows `render`, a pipe or a log file gets `line`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.snapshot import Snapshot, Window
from schemas.durations import duration_text

NEAR = 0.75
"""Severity from which a column is shown as close to drift."""

_HEADS = {
    "PULocationID": "PU",
    "DOLocationID": "DO",
    "RatecodeID": "rate",
    "VendorID": "vend",
    "congestion_surcharge": "cong",
    "passenger_count": "pax",
    "payment_type": "pay",
    "prediction": "pred",
    "store_and_fwd_flag": "s&f",
    "trip_distance": "trip dist",
}
"""What stands over numbers of three characters; other names lose `_amount`."""

_BEFORE = 42
"""Characters left of the first of these columns."""


@dataclass(frozen=True)
class Frame:
    """What the view shows beside the snapshot.

    period: event time of the replay. injected: (start, end, label) of the scenario. rows_per_s: by wall clock.
    board: its address, where it answers.
    """

    run: str
    source: str
    period: tuple[datetime, datetime]
    injected: tuple[tuple[datetime, datetime, str], ...]
    size_s: int
    rows_per_s: float
    board: str | None = None


def done(snapshot: Snapshot, frame: Frame) -> float:
    """Share of the period replayed, in [0, 1]."""
    start, end = frame.period
    if snapshot.finished:
        return 1.0
    if snapshot.event_time is None:
        return 0.0
    return min(1.0, max(0.0, (snapshot.event_time - start) / (end - start)))


def _clock(at: datetime | None) -> str:
    return "–" if at is None else f"{at:%a %d %b %H:%M}"


def line(snapshot: Snapshot, frame: Frame) -> str:
    """One line for where there is no terminal."""
    newest = snapshot.windows[0] if snapshot.windows else None
    worst = "" if newest is None else _worst(newest.severity)
    return (
        f"{done(snapshot, frame):4.0%}  event time {_clock(snapshot.event_time)}  trips {snapshot.trips:,}"
        f"  {frame.rows_per_s:,.0f} rows/s  lag {snapshot.lag:,}"
        f"  windows {sum(snapshot.closed.values()):,}{worst}"
    )


def _worst(severity: Mapping[str, float | None]) -> str:
    known = {column: value for column, value in severity.items() if value is not None}
    if not known:
        return ""
    column = max(known, key=lambda name: known[name])
    return f"  worst {column} {known[column]:.2f}"


def _severity(value: float | None) -> Text:
    if value is None:
        return Text("·", style="dim")
    style = "bold white on red" if value >= 1 else "yellow" if value >= NEAR else "green"
    if value < 1:  # which must not read as 1.0
        value = math.floor(10 * value) / 10
    return Text(f"{value:.1f}" if value < 9.95 else f"{value:.0f}" if value < 99.5 else ">99", style=style)


def _head(column: str) -> str:
    return _HEADS.get(column, column.removesuffix("_amount").replace("_", " "))


def _columns(windows: Iterable[Window], room: int) -> list[str]:
    """As many as fit into so many characters, those that drifted most, by name."""
    worst: dict[str, float] = {}
    for window in windows:
        for column, value in window.severity.items():
            worst[column] = max(worst.get(column, 0.0), value or 0.0)
    ordered = sorted(worst, key=lambda column: worst[column], reverse=True)
    ends = accumulate(max(3, *map(len, _head(column).split())) + 1 for column in ordered)
    return sorted(column for column, end in zip(ordered, ends, strict=True) if end <= room)


def _verdict(window: Window) -> Text:
    if window.status in ("open", "insufficient"):
        return Text(window.status, style="dim")
    drifted = any(value is not None and value >= 1 for value in window.severity.values())
    return Text(
        "DATASET" if window.dataset_drift else "column" if drifted else "ok", style="red" if drifted else ""
    )


@dataclass(frozen=True)
class _Windows:
    """The newest windows, in the width that there is."""

    snapshot: Snapshot
    frame: Frame

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        table = _table(self.snapshot, self.frame, options.max_width)
        yield table
        more = (
            len({column for window in self.snapshot.windows for column in window.severity}) + 4 - len(table.columns)
        )
        if more:
            yield Text(f"no room for {more} calmer columns: the board has all", style="dim")


def _table(snapshot: Snapshot, frame: Frame, width: int) -> Table:
    columns = _columns(snapshot.windows, width - _BEFORE)
    table = Table(expand=True, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for name in ("window", "rows", "MAE", "drift"):
        table.add_column(
            name, no_wrap=True, justify="left" if name in ("window", "drift") else "right", vertical="bottom"
        )
    for column in columns:
        table.add_column(_head(column), justify="right", vertical="bottom", overflow="ellipsis")
    for window in snapshot.windows:
        bent = any(start <= window.start < end for start, end, _ in frame.injected)
        table.add_row(
            Text(_clock(window.start), style="magenta" if bent else ""),
            f"{window.rows:,}",
            "·" if window.mae is None else f"{window.mae:.2f}",
            _verdict(window),
            *(_severity(window.severity.get(column)) for column in columns),
        )
    return table


def _facts(snapshot: Snapshot, frame: Frame) -> Table:
    facts = Table.grid(expand=True, padding=(0, 2))
    for _ in range(5):
        facts.add_column()
    closed = (
        "  ".join(f"{duration_text(size * 1000)} {n:,}" for size, n in sorted(snapshot.closed.items()))
        or "none yet"
    )
    facts.add_row(
        f"[b]{snapshot.trips:,}[/] trips",
        f"[b]{frame.rows_per_s:,.0f}[/] rows/s",
        f"lag [b]{snapshot.lag:,}[/]",
        f"dead letters [b]{snapshot.dead:,}[/]",
        f"closed  {closed}",
    )
    return facts


def _awaited(snapshot: Snapshot, frame: Frame) -> str:
    """Why there is no window: none has closed, or none was written."""
    closes = frame.period[0] + timedelta(seconds=frame.size_s)
    if snapshot.watermark is None or snapshot.watermark < closes:
        return "waiting for the first window to close …"
    return "windows have closed; waiting for the monitor to write the first …"


def render(snapshot: Snapshot, frame: Frame) -> RenderableType:
    """The whole screen: progress of event time, throughput, and the newest windows with severity per column."""
    head = Table.grid(expand=True, padding=(0, 2))
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    head.add_row(
        f"watermark [b]{_clock(snapshot.watermark)}[/]",
        ProgressBar(total=1.0, completed=done(snapshot, frame)),
        f"{done(snapshot, frame):.0%}",
    )
    notes = [
        Text(f"injected  {label}, {_clock(start)} to {_clock(end)}", style="magenta")
        for start, end, label in frame.injected
    ]
    if frame.board:
        notes.insert(0, Text.assemble("board     ", (frame.board, f"link {frame.board}")))
    body = _Windows(snapshot, frame) if snapshot.windows else Text(_awaited(snapshot, frame), style="dim")
    title = f"[b]Driftline[/]  run {frame.run}  ·  {frame.source}  ·  {duration_text(frame.size_s * 1000)} windows"
    return Panel(Group(head, _facts(snapshot, frame), *notes, Text(), body), title=title, title_align="left")
