"""`driftline windows`, `columns`, `compare`, `dead-letters`, `recompute`, `report`: what came of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cli import chosen, listing, options, output, servers
from cli.exits import emit
from cli.output import say, warn
from models.names import ARTIFACTS
from schemas.durations import duration_ms, moment_ms
from schemas.errors import DriftlineError, ModelUnusable, UsageError
from schemas.text import printable_json

if TYPE_CHECKING:
    from storage.listings import WindowRow

SideA = Annotated[str, typer.Argument(metavar="A", help="One side: RUN, FROM..TO, FROM+SIZE or RUN@FROM..TO.")]
SideB = Annotated[str, typer.Argument(metavar="B", help="The other side.")]

WINDOW_FIELDS = (
    "stream",
    "size",
    "window_start",
    "status",
    "rows",
    "drifted",
    "worst",
    "error",
    "remark",
)
DEAD_LETTER_FIELDS = ("written_at", "run_id", "place", "reason", "detail", "record")
"""What a table shows; JSON has everything."""

DRIFTED = 3
"""Exit code of `windows --fail-on`: not 1, which says that nothing is known: the database is away, or no window
has a verdict."""


def windows(
    run: str | None = options.KNOWN_RUN,
    size: str | None = options.ANY_SIZE,
    newest: int | None = options.NEWEST,
    segment: str = options.SEGMENT,
    fail_on: options.FailOn | None = options.FAIL_ON,
    as_json: bool = options.JSON,
) -> None:
    """List the windows of a run, newest first. For scripts: `--size 1h --newest 1 --fail-on drift`.

    Drifted are columns, of those that were tested; `dataset` marks a window that drifted as a whole. Worst is the
    column of the largest severity.
    """
    from cli.remarks import unattended, why_no_window
    from cli.windows import explained, latest
    from monitor.drift.figures import Config
    from storage import listings
    from storage.streams import definition_of

    with servers.database() as connection:
        known = listings.run_named(connection, run)
        name = known.run_id
        listings.check_segment(connection, name, segment)
        found = listings.windows(
            connection, name, None if size is None else duration_ms(size) // 1_000, segment=segment
        )
        sizes = listings.sizes(connection, name, segment=segment) if size and not found else []
        small = listings.shortages(connection, name, Config().min_rows)
        monitors = listings.monitors(connection)
        if any(row.remark for row in found):
            found = explained(found, definition_of(connection, name, chosen.stream()).labels)
    empty = f"no windows of run {name}: {why_no_window(known, monitors, Config().min_rows)}"
    if size is not None and sizes:
        of_segment = f" of segment {segment}" if segment else ""
        empty = f"no windows of {size}{of_segment}: run {name} has {', '.join(sizes)}"
        if segment or not any(duration_ms(size) // 1_000 in (monitor.sizes_s or ()) for monitor in monitors):
            raise UsageError(empty, "choose one of them with --size")
    listed = latest(found, newest, closed=fail_on is not None)
    listing.show(output.console, listed, as_json=as_json, empty=empty, fields=WINDOW_FIELDS)
    if known_error := next((row.reference_mae for row in listed if row.reference_mae), None):
        say(f"error: mean absolute error, and how many times the reference's {known_error:.3g} that is")
    for shortage in [] if segment else small:
        if size is None or shortage.size_s * 1_000 == duration_ms(size):
            say(shortage.describe(Config().min_rows))
    if fail_on is None:
        return
    if found and known.finished_at is None and (why := unattended(known, monitors)):
        warn(f"newer windows of run {name} are not computed: {why}")
    _fail(listed, fail_on, f"none of the listed windows of run {name} has a verdict" if found else empty)


def _fail(listed: Sequence[WindowRow], fail_on: options.FailOn, unknown: str) -> None:
    """End with the exit code of `--fail-on`, unless a listed window has a verdict and none has drifted.

    unknown: why nothing is known, where no window has a verdict.
    """
    from cli.windows import drifted, judged

    dataset = fail_on is options.FailOn.dataset
    if drifted(listed, dataset=dataset):
        raise typer.Exit(DRIFTED)
    if not judged(listed, dataset=dataset):
        raise DriftlineError(f"nothing can be said of drift: {unknown}", "`driftline runs` and `doctor` say more")


def columns(
    size: str = options.SIZE,
    window: str = options.WINDOW,
    run: str | None = options.KNOWN_RUN,
    segment: str = options.SEGMENT,
    drifted: bool = options.DRIFTED,
    as_json: bool = options.JSON,
) -> None:
    """List the columns of a window, worst first, with the reference in brackets. JSON has every figure."""
    from cli import columns as figures
    from storage import listings
    from storage.streams import definition_of

    with servers.database() as connection:
        known = listings.run_named(connection, run)
        found = listings.columns_of_window(
            connection, known.run_id, duration_ms(size) // 1_000, moment_ms(window), segment=segment
        )
        stream = definition_of(connection, known.run_id, chosen.stream())
    if drifted:
        found = figures.drifted(found)
    try:
        found = figures.with_reference(found, stream, known.reference, ARTIFACTS, segment)
    except ModelUnusable as error:
        say(f"without the reference's figures: {error.what}")
    rows = found if as_json else figures.lines(found)
    listing.show(output.console, rows, as_json=as_json, empty="no column has drifted")


def dead_letters(
    run: str | None = options.ANY_RUN,
    reason: list[options.Reason] | None = options.REASON,
    limit: int = options.LIMIT,
    as_json: bool = options.JSON,
) -> None:
    """List rejected records and why, newest first. JSON has their bytes: `jq '.[].raw | @base64d'`."""
    from storage import listings

    with servers.database() as connection:
        found, counts = listings.dead_letters(connection, run, reason or (), limit)
        if run is not None and not found:
            listings.run_named(connection, run)
    listing.show(output.console, found, as_json=as_json, empty="no dead letters", fields=DEAD_LETTER_FIELDS)
    if len(found) < counts.listed:
        say(f"the newest {len(found):,} of {counts.listed:,}: --limit shows more")
    if run is not None and counts.of_no_run:
        say(f"{counts.of_no_run:,} more in which no run could be read: without --run they are listed, too")


def recompute(
    size: str = options.SIZE,
    window: str = options.WINDOW,
    run: str | None = options.KNOWN_RUN,
    model: Path | None = options.RUN_MODEL,
    topic_prefix: str = options.TOPIC_PREFIX,
    as_json: bool = options.JSON,
) -> None:
    """Compute a window again from Kafka, and fold its week again. Exits with 1 if figures differ: it lists them."""
    name, length, start, scorer = _window(run, size, window, model)
    from monitor.recompute.compare import recompute as compare

    found = compare(
        chosen.monitor_settings(scorer, needs_kafka=True, topic_prefix=topic_prefix, segments=True),
        name,
        length,
        start,
    )
    listing.show(output.console, found, as_json=as_json, empty="the log says the same")
    if found:
        raise typer.Exit(1)


def report(
    size: str = options.SIZE,
    window: str = options.WINDOW,
    run: str | None = options.KNOWN_RUN,
    model: Path | None = options.RUN_MODEL,
    out: Path | None = options.REPORT_OUT,
    segment: str = options.SEGMENT,
    back: str | None = options.BACK,
) -> None:
    """Write the full Evidently report of a window as HTML, or of one segment in it."""
    name, length, start, scorer = _window(run, size, window, model, segment)
    say("Evidently writes the report, which may take a minute")
    from monitor.evidently.report import report as write
    from monitor.settings import Settings

    settings = Settings(stream=chosen.stream(), database_url=servers.database_url(), model=scorer)
    made = write(settings, name, length, start, out, segment=segment, back=back)
    output.console.print(made.path, highlight=False, soft_wrap=True)
    if made.left_out:
        say(f"left out because Evidently's presets cannot handle them: {', '.join(made.left_out)}")


def _window(
    run: str | None, size: str, window: str, named: Path | None, segment: str = ""
) -> tuple[str, int, int, Path]:
    """Find a window that a monitor has written, before anything slow is imported.

    Args:
        run: Name of the run; None for the only one.
        size: As on the command line.
        window: Its start, as on the command line.
        named: Where the model that the run is compared with lies; None to look for it.
        segment: That is wanted; '' for the whole stream.

    Returns:
        Run, length and start of the window (ms), and the folder of the model.
    """
    from storage import listings

    length, start = duration_ms(size), moment_ms(window)
    with servers.database() as connection:
        known = listings.run_named(connection, run)
        listings.columns_of_window(connection, known.run_id, length // 1_000, start, segment=segment)
    return (
        known.run_id,
        length,
        start,
        chosen.model_of(known, named),
    )


def compare(
    a: SideA,
    b: SideB,
    run: str | None = options.KNOWN_RUN,
    column: list[str] | None = options.COLUMNS,
    csv: Path | None = options.CSV,
    as_json: bool = options.JSON,
) -> None:
    """Compare two windows, periods, runs or segments: figures, distributions, and how much is more than chance.

    A side is RUN, FROM..TO, FROM+SIZE for a window, or RUN@FROM..TO; /NAME=VALUE behind it is one segment.
    """
    from schemas.sides import side_of

    sides = side_of(a), side_of(b)
    from cli import compare as view
    from monitor.comparing import compare_sides

    with servers.database() as connection:
        found = compare_sides(connection, *sides, run=run, fallback=chosen.stream())
    listed = view.lines(found)
    if column and not {*column} & {line.column for line in listed}:
        names = ", ".join(dict.fromkeys(line.column for line in listed)) or "none"
        raise UsageError(f"no column {' or '.join(column)} that both sides have", f"these are: {names}")
    if csv is not None:
        csv.write_text(found.csv(), encoding="utf-8", newline="")
        say(f"wrote {csv}")
    if as_json:
        emit(printable_json(msgspec.json.format(msgspec.json.encode(found), indent=2).decode()))
        return
    for name, side in (("A", found.a), ("B", found.b)):
        output.console.print(f"{name}  {side}", highlight=False, markup=False, soft_wrap=True)
    output.console.print()
    listing.show(output.console, view.figures(found), as_json=False)
    output.console.print()
    lines = [line for line in listed if not column or line.column in column]
    listing.show(output.console, lines, as_json=False, empty="no column that both sides have")
    say(view.REMARK)
