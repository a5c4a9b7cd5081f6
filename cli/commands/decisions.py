"""`driftline silence`, `driftline weeks`: what people decide of alarms, for a while and for good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer

from cli import checks, chosen, listing, options, output, servers
from cli.output import say
from schemas.durations import duration_ms, moment, moment_ms
from schemas.errors import UsageError
from schemas.text import printable

SILENCE_FIELDS = ("silence_id", "state", "ends_at", "run_id", "track", "column_name", "author", "reason")
WEEK_FIELDS = ("week", "reason", "author", "excluded_at")

Days = Annotated[
    list[str],
    typer.Argument(
        metavar="DAY...", help="Any day of each week, such as 2022-02-21.", callback=checks.checked(checks.moments)
    ),
]

silence = typer.Typer(help="Silences: firing alarms that are not to be reported for a while.", no_args_is_help=True)
weeks = typer.Typer(
    help="Weeks that do not count as calm: no later week is measured against them.", no_args_is_help=True
)


@silence.command("add")
def silence_add(
    reason: str = options.WHY,
    until: str | None = options.UNTIL,
    duration: str | None = options.DURATION,
    run: str | None = options.SILENCED_RUN,
    track: options.Track | None = options.TRACK,
    column: str | None = options.SILENCED_COLUMN,
    author: str | None = options.AUTHOR,
) -> None:
    """Begin a silence now, and print its id. It needs an end: --until or --for."""
    from storage import decisions, listings

    if (until is None) == (duration is None):
        raise UsageError("a silence needs one end", "give either --until or --for, such as --for 2h")
    _check_column(column)
    who = chosen.author(author)
    with servers.database() as connection:
        if run is not None:
            listings.run_named(connection, run)
        made, end = decisions.add_silence(
            connection,
            run=run,
            track=track.value if track else None,
            column=column,
            until=None if until is None else moment(moment_ms(until)),
            duration=None if duration is None else timedelta(milliseconds=duration_ms(duration)),
            author=who,
            reason=reason,
        )
    output.console.print(made, highlight=False)
    say(f"silenced until {end:%F %H:%M:%S} UTC; end it earlier with `driftline silence end {made}`")


def _check_column(column: str | None) -> None:
    """Raise UsageError for a name that no alarm of the stream can name."""
    if column is None:
        return
    known = [name for records in chosen.stream().topics for name in (*records.numbers, *records.categories)]
    known += ["prediction", "error", "volume", "coverage"]
    if column not in known:
        raise UsageError(f"there is no column {printable(column)}", f"choose one of: {', '.join(sorted(known))}")


@silence.command("list")
def silence_list(ended: bool = options.ENDED, as_json: bool = options.JSON) -> None:
    """List silences, the one that ends last first. Times are wall times in UTC."""
    from storage import decisions

    with servers.database() as connection:
        found = decisions.silences(connection, ended=ended)
    listing.show(output.console, found, as_json=as_json, empty="no silences", fields=SILENCE_FIELDS)


@silence.command("end")
def silence_end(silence_id: Annotated[int, typer.Argument(metavar="ID", help="Id of the silence.")]) -> None:
    """End a silence now."""
    from storage import decisions

    with servers.database() as connection:
        decisions.end_silence(connection, silence_id)
    say(f"silence {silence_id} has ended")


@weeks.command("exclude")
def weeks_exclude(day: Days, reason: str = options.WHY_EXCLUDED, author: str | None = options.AUTHOR) -> None:
    """Exclude weeks from the calm ones, such as those of an incident, and print when they begin."""
    from storage import decisions

    starts, who = _starts(day), chosen.author(author)
    with servers.database() as connection:
        before = decisions.excluded_weeks(connection, chosen.stream().name)
        runs = decisions.exclude_weeks(connection, chosen.stream().name, starts, reason, who)
    for row in before:
        if row.season_start in starts:
            was = f"{printable(row.author)}: {printable(row.reason)}" if row.reason else printable(row.author)
            say(f"the week of {row.week} was excluded already, by {was}; this takes the place of it")
    _decided(starts, runs)


@weeks.command("include")
def weeks_include(day: Days) -> None:
    """Let excluded weeks count as calm again, and print when they begin."""
    from storage import decisions

    starts = _starts(day)
    with servers.database() as connection:
        runs = decisions.include_weeks(connection, chosen.stream().name, starts)
    _decided(starts, runs)


@weeks.command("list")
def weeks_list(as_json: bool = options.JSON) -> None:
    """List excluded weeks, newest first."""
    from storage import decisions

    with servers.database() as connection:
        found = decisions.excluded_weeks(connection, chosen.stream().name)
    listing.show(output.console, found, as_json=as_json, empty="no excluded weeks", fields=WEEK_FIELDS)


def _starts(days: Sequence[str]) -> list[datetime]:
    """When the seasons of the stream begin that hold these days: event time, without repetitions."""
    from monitor.verdict.season import Season

    season = Season.from_stream(chosen.stream())
    return [moment(start) for start in sorted({season.start(moment_ms(day)) for day in days})]


def _decided(starts: Sequence[datetime], runs: Sequence[str]) -> None:
    for start in starts:
        output.console.print(f"{start:%Y-%m-%d}", highlight=False)
    if runs:
        say(f"evidence and alarms are made anew by the monitor: {printable(', '.join(runs))}")
