"""Lists for people and for programs: a table, or JSON with the same fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from cli import table
from cli.exits import emit
from local.terminal import tell
from runtime.invocation import pasteable
from schemas.durations import approximate_duration, duration_text, moment
from schemas.text import printable, printable_json

NAMES = ("pid", "silence_id")
"""Numbers for copying: without thousands separators."""
WHOLE = ("alarm",)
"""Texts for copying: never broken."""
WIDE = 6
"""Significant digits of a number in a table; JSON has all of them."""
SECONDS = "%Y-%m-%dT%H:%M:%S"


class Replayed(Protocol):
    """`producer.transmit.Progress`."""

    @property
    def clock(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def share(self) -> float: ...
    @property
    def left_s(self) -> float | None: ...
    @property
    def lost(self) -> bool: ...


def show(
    console: Console, rows: Sequence[Any], *, as_json: bool, empty: str = "nothing", fields: Sequence[str] = ()
) -> None:
    """Print a list: as a table for people, or as a JSON array with every field for programs.

    Args:
        console: Where a table is printed; JSON goes to stdout.
        rows: Frozen structs of one type.
        as_json: Print JSON.
        empty: Printed instead of an empty table.
        fields: The columns of a table; by default all. A column without any value is left out.
    """
    if as_json:
        emit(printable_json(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode()))
        return
    if not rows:
        tell(console, empty)
        return
    known = rows[0].__struct_fields__
    shown = [f for f in fields or known if any(getattr(row, f) not in (None, "", ()) for row in rows)]
    columns = [_column(field, [getattr(row, field) for row in rows]) for field in shown]
    width = console.width if console.is_terminal else None  # a program reads whole lines
    made = table.layout(columns, width)
    for style, lines in (("bold", made.head), ("", made.body)):
        if lines:
            console.print(Text("\n".join(lines), style), soft_wrap=True)  # Text, unlike a string, holds no markup


def _column(field: str, values: Sequence[Any]) -> table.Column:
    number = all(isinstance(value, int | float | None) for value in values)
    moments = not number and all(isinstance(value, datetime | None) for value in values)
    cells = [_cell(field, value) for value in values]
    return table.Column(field.replace("_", " "), cells, number or field in WHOLE, number, moments)


def _cell(field: str, value: Any) -> str:
    if field in NAMES and value:
        return str(value)
    if field.endswith("_at") and isinstance(value, datetime):  # of the wall clock, hence seldom at a whole minute
        return f"{value:{SECONDS}}"
    return cell(value)


def cell(value: Any) -> str:
    """Format a value for a table; None is empty."""
    text = _exactly.get(type(value))
    return text(value) if text else printable(msgspec.json.encode(value).decode())


_exactly: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "yes" if value else "no",
    int: "{:,}".format,
    float: f"{{:.{WIDE}g}}".format,
    datetime: lambda value: f"{value:{SECONDS}}".removesuffix(":00"),
    str: lambda value: pasteable(printable(value)),
}


def download_bar(console: Console) -> Callable[[int, int | None], None]:
    """Create a progress callback (bytes so far, bytes in total or None) that draws a bar if this is a terminal."""
    bar = Progress(
        TextColumn("downloading"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task: list[TaskID] = []

    def report(done: int, total: int | None) -> None:
        if not task:
            bar.start()
            task.append(bar.add_task("download", total=total))
        bar.update(task[0], completed=done, total=total)
        if total is not None and done >= total:
            bar.stop()

    return report


@contextmanager
def replay_bar(console: Console) -> Iterator[Callable[[Replayed], None] | None]:
    """Provide a callback that draws a replay's progress; None without a terminal, where progress is logged."""
    if not console.is_terminal:
        yield None
        return
    place, rest = TextColumn("{task.fields[at]}"), TextColumn("{task.fields[rest]}")
    bar = Progress(place, BarColumn(), TaskProgressColumn(), rest, console=console)
    task = bar.add_task("replay", total=1.0, at="", rest="")

    def report(now: Replayed) -> None:
        left = "" if now.left_s is None else f"{approximate_duration(now.left_s)} left, "
        away = ", waiting for Kafka" if now.lost else ""
        rest = f"{left}{now.events:,} trips{away}"
        bar.start()
        bar.update(task, completed=now.share, at=f"{moment(now.clock):%Y-%m-%d %H:%M}", rest=rest)

    try:
        yield report
    finally:
        bar.stop()


def show_card(console: Console, model: Any, folder: Path) -> None:
    """Print what a model was trained on, its error on held-out trips, how well that is estimated, where it is."""
    card, errors = model.card, model.card.errors
    tell(
        console,
        f"{card.kind} model of {card.source}\n"
        f"{card.rows:,} trips learnt, {card.reference_rows:,} in the reference\n"
        f"on the last {errors.rows:,} trips, held out: MAE {errors.mae:.2f} min, RMSE {errors.rmse:.2f} min, "
        f"bias {errors.bias:+.2f} min\n"
        f"{estimates_text(model)}\n"
        f"{folder}  {card.hash[:12]}",
    )


def estimates_text(model: Any) -> str:
    """Say how good estimates of the error are before labels come, on weeks that they were not learnt from."""
    from monitor.estimating import ESTIMATOR  # noqa: PLC0415 - numeric libraries, which take long to import
    from monitor.verdict.estimate import decode  # noqa: PLC0415

    stored = model.file(ESTIMATOR)
    if stored is None:
        return "its errors are not estimated before labels come: it was trained on too few of them"
    found = decode(stored)
    if found.refused is not None:
        return f"its errors are not estimated before labels come: {found.refused}"
    each = "; ".join(
        f"by {duration_text(one.size)} {one.off:.0%} off ({one.chance:.0%} by chance)"
        + ("" if one.correlation is None else f", correlation {one.correlation:.2f}")
        for one in found.agreement
    )
    return f"its errors, estimated before labels come: {each}"
