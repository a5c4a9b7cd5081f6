"""The live view of a snapshot. Pure: no clock, no database, no terminal.

The terminal shows `render`, a pipe or a log file gets `line`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from local.demo.snapshot import DemoSnapshot, DemoWindow
from schemas.durations import duration_text
from schemas.figures import error_times, severity_text

CLEARLY = 1.5
"""Severity from which a column replaces another one: some are at 1 every night."""
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
"""Short heads for columns of three characters; of other names, `_amount` is dropped."""

STARTING = "starting the monitor, which imports Evidently and prepares the reference; then the replay begins …"

_BEFORE = 42
"""Characters to the left of the first of these columns."""

_STRETCHES = 3
"""Of a drift that recurs: so many are listed."""

LARGE = 1.5
"""From so many times the reference's error on, that of a window is red."""

_FRAME = 4
"""Characters of the surrounding frame."""


@dataclass(frozen=True)
class Frame:
    """What the view shows in addition to the snapshot.

    period: event time of the replay. injected: (start, end, label) of the scenario. rows_per_s: by wall clock.
    board: its address, if it answers. columns: those of the previous frame, in order. worst: largest severity of
    each column so far. affected: columns that the scenario changes. waited_s: for the monitor; None once the replay
    has begun.
    """

    run: str
    source: str
    period: tuple[datetime, datetime]
    injected: tuple[tuple[datetime, datetime, str], ...]
    size_s: int
    rows_per_s: float
    board: str | None = None
    columns: tuple[str, ...] = ()
    worst: Mapping[str, float] = field(default_factory=dict)
    affected: tuple[str, ...] = ()
    waited_s: float | None = None


def done(snapshot: DemoSnapshot, frame: Frame) -> float:
    """Share of the period replayed, in [0, 1]."""
    start, end = frame.period
    if snapshot.finished:
        return 1.0
    if snapshot.event_time is None:
        return 0.0
    return min(1.0, max(0.0, (snapshot.event_time - start) / (end - start)))


def pending(snapshot: DemoSnapshot, frame: Frame) -> int:
    """Count the windows of events that lie before the watermark and are still to be computed."""
    start, end = (round(at.timestamp() * 1_000) for at in frame.period)
    reached = end if snapshot.finished else _ms(snapshot.watermark)
    if reached is None:
        return 0
    return sum(
        max(0, reached - max(at or start, start)) // (1_000 * size) for size, at in snapshot.frontiers.items()
    )


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1_000)


def last_frame_end(frame: Frame, limit: int) -> datetime | None:
    """Return the end of what the last frame shows: some calm windows, then the injected drift.

    Args:
        frame: With the injected drift, if there is one.
        limit: Windows that there is room for.

    Returns:
        Windows that start before this moment are shown; None: the newest, since nothing was injected.
    """
    if not frame.injected:
        return None
    start, end, _ = frame.injected[0]
    calm = max(1, limit // 3)
    return min(
        end + timedelta(seconds=calm * frame.size_s), start + timedelta(seconds=(limit - calm) * frame.size_s)
    )


def _clock(at: datetime | None) -> str:
    return "–" if at is None else f"{at:%a %d %b %H:%M}"


def line(snapshot: DemoSnapshot, frame: Frame) -> str:
    """Format the snapshot as one line, for where there is no terminal."""
    if frame.waited_s is not None:
        return f"{STARTING} {frame.waited_s:.0f} s"
    newest = snapshot.windows[0] if snapshot.windows else None
    worst = "" if newest is None else _worst(newest.severity)
    return (
        f"{done(snapshot, frame):4.0%}  event time {_clock(snapshot.event_time)}  trips {snapshot.trips:,}"
        f"  {frame.rows_per_s:,.0f} rows/s  lag {snapshot.lag:,}"
        f"  windows {sum(snapshot.closed.values()):,}{_to_compute(snapshot, frame)}{worst}"
    )


def _to_compute(snapshot: DemoSnapshot, frame: Frame) -> str:
    """Say how many windows lag behind, once the replay has ended: until then there are always some."""
    left = pending(snapshot, frame) if done(snapshot, frame) == 1 else 0
    return f", {left:,} windows to compute" if left else ""


def _worst(severity: Mapping[str, float | None]) -> str:
    known = {column: value for column, value in severity.items() if value is not None}
    if not known:
        return ""
    column = max(known, key=lambda name: known[name])
    return f"  worst {column} {severity_text(known[column])}"


def _severity(value: float | None) -> Text:
    if value is None:
        return Text("·", style="dim")
    style = "bold white on red" if value >= 1 else "yellow" if value >= NEAR else "green"
    return Text(severity_text(value).removeprefix("0") if value < 99.5 else ">99", style=style)  # three wide


def _head(column: str) -> str:
    return _HEADS.get(column, column.removesuffix("_amount").replace("_", " "))


def choose_columns(
    worst: Mapping[str, float], shown: Sequence[str], width: int, affected: Sequence[str] = ()
) -> tuple[str, ...]:
    """Choose the columns to show in a terminal. Those of the previous frame keep their places.

    The first frame shows those that drifted most, by name, as many as there is room for. Later a column that
    clearly drifts replaces one that never did, if it fits: none comes twice.

    Args:
        worst: Largest severity of each column so far, as `worst_of` gives it.
        shown: Columns of the previous frame, in order.
        width: Of the terminal, characters.
        affected: Columns that the scenario changes, which are always shown.
    """
    room = width - _FRAME - _BEFORE
    kept = [column for column in shown if column in worst]
    if not kept or sum(map(_width, kept)) > room:
        ordered = sorted(worst, key=lambda column: (column not in affected, -worst[column], column))
        ends = accumulate(map(_width, ordered))
        return tuple(sorted(column for column, end in zip(ordered, ends, strict=True) if end <= room))
    for column in sorted(worst.keys() - {*kept}, key=lambda name: (-worst[name], name)):
        spare = room - sum(map(_width, kept))
        if _width(column) <= spare:
            kept.append(column)
        elif worst[column] >= CLEARLY:
            calm = [c for c in kept if worst[c] < 1 and c not in affected and _width(column) <= spare + _width(c)]
            if calm:
                kept[kept.index(min(calm, key=lambda c: worst[c]))] = column
    return tuple(kept)


def worst_of(windows: Iterable[DemoWindow], before: Mapping[str, float]) -> dict[str, float]:
    """The largest severity of each column, in these windows and before."""
    worst = {**before}
    for window in windows:
        for column, value in window.severity.items():
            worst[column] = max(worst.get(column, 0.0), value or 0.0)
    return worst


def _width(column: str) -> int:
    return max(3, *map(len, _head(column).split())) + 1


def _error(window: DemoWindow) -> Text:
    """The error, and how many times the reference's; red from one and a half times on."""
    if window.mae is None:
        return Text("·")
    text = f"{window.mae:.2f} {error_times(window.mae, window.reference_mae)}".rstrip()
    large = window.reference_mae is not None and window.mae >= LARGE * window.reference_mae
    return Text(text, style="red" if large else "")


def _verdict(window: DemoWindow) -> Text:
    if window.status in ("open", "insufficient"):
        return Text(window.status, style="dim")
    drifted = any(value is not None and value >= 1 for value in window.severity.values())
    return Text(
        "DATASET" if window.dataset_drift else "column" if drifted else "ok", style="red" if drifted else ""
    )


@dataclass(frozen=True)
class _Windows:
    """The newest windows, in the available width."""

    snapshot: DemoSnapshot
    frame: Frame

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        table = _table(self.snapshot, self.frame, options.max_width)
        yield table
        more = len(worst_of(self.snapshot.windows, self.frame.worst)) + 4 - len(table.columns)
        if more:
            yield Text(f"no room for {more} calmer columns: the board has all", style="dim")


def _table(snapshot: DemoSnapshot, frame: Frame, width: int) -> Table:
    worst = worst_of(snapshot.windows, frame.worst)
    columns = choose_columns(worst, frame.columns, width + _FRAME, frame.affected)
    table = Table(expand=True, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for name in ("window", "rows", "MAE", "drift"):
        table.add_column(
            name, no_wrap=True, justify="left" if name in ("window", "drift") else "right", vertical="bottom"
        )
    for column in columns:
        table.add_column(_head(column), justify="right", vertical="bottom", overflow="ellipsis")
    for window in snapshot.windows:
        injected = any(start <= window.start < end for start, end, _ in frame.injected)
        table.add_row(
            Text(_clock(window.start), style="magenta" if injected else ""),
            f"{window.rows:,}",
            _error(window),
            _verdict(window),
            *(_severity(window.severity.get(column)) for column in columns),
        )
    return table


def _facts(snapshot: DemoSnapshot, frame: Frame) -> Table:
    """Four figures in places of equal width, so that they do not move as they grow."""
    facts = Table.grid(expand=True, padding=(0, 1))
    for _ in range(4):
        facts.add_column(ratio=1, no_wrap=True)
    facts.add_row(
        f"[b]{snapshot.trips:,}[/] trips",
        f"[b]{frame.rows_per_s:,.0f}[/] rows/s",
        f"lag [b]{snapshot.lag:,}[/]",
        f"dead letters [b]{snapshot.dead:,}[/]",
    )
    return facts


def _closed(snapshot: DemoSnapshot) -> Text:
    sizes = (f"{n:,} of {duration_text(size * 1000)}" for size, n in sorted(snapshot.closed.items()))
    return Text(f"closed    {'  '.join(sizes) or 'none yet'}")


def _waiting_reason(snapshot: DemoSnapshot, frame: Frame) -> str:
    """Say why no window is shown: nothing was replayed yet, none has closed, or none was written."""
    if frame.waited_s is not None:
        return f"{STARTING} {frame.waited_s:.0f} s"
    closes = frame.period[0] + timedelta(seconds=frame.size_s)
    if snapshot.watermark is None or snapshot.watermark < closes:
        return "waiting for the first window to close …"
    return "windows have closed; waiting for the monitor to write the first …"


def render(snapshot: DemoSnapshot, frame: Frame) -> RenderableType:
    """Lay out the screen: progress of event time, throughput, and the newest windows with severity per column."""
    head = Table.grid(expand=True, padding=(0, 2))
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    head.add_row(
        f"watermark [b]{_clock(snapshot.watermark)}[/]",
        ProgressBar(total=1.0, completed=done(snapshot, frame)),
        f"{done(snapshot, frame):.0%}{_to_compute(snapshot, frame)}",
    )
    notes = [
        Text(f"injected  {label}, {_clock(start)} to {_clock(end)}", style="magenta")
        for start, end, label in frame.injected[:_STRETCHES]
    ]
    if (more := len(frame.injected) - _STRETCHES) > 0:
        notes.append(Text(f"          and {more} more times", style="magenta"))
    notes.insert(0, _closed(snapshot))
    if frame.board:
        notes.insert(1, Text.assemble("board     ", (frame.board, f"link {frame.board}")))
    body = _Windows(snapshot, frame) if snapshot.windows else Text(_waiting_reason(snapshot, frame), style="dim")
    return Panel(
        Group(head, _facts(snapshot, frame), *notes, Text(), body),
        title=f"[b]Driftline[/]  run {frame.run}  ·  {duration_text(frame.size_s * 1000)} windows",
        subtitle=frame.source,
        title_align="left",
        subtitle_align="left",
    )
