"""`driftline alarms`, `alarms show`, `alarms ack`, `calibrate`: what the evidence says, and how it was judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import chosen, listing, options, output, servers
from cli.commands.results import DRIFTED
from cli.exits import emit
from cli.output import say, warn
from local.terminal import tell
from runtime.invocation import program
from schemas.errors import DriftlineError
from schemas.text import printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.alarms import Details, ListedAlarm
    from storage.alarm_listings import WatchRecord
    from storage.connect import Connection
    from storage.listings import MonitorRow, RunRow

AlarmId = Annotated[str, typer.Argument(metavar="ID", help="Its id, or a part of it that no other has.")]

app = typer.Typer(help="Alarms, newest first; `alarms show` and `alarms ack`.", invoke_without_command=True)


@app.callback()
def alarms(
    context: typer.Context,
    run: str | None = options.ALL_RUNS,
    state: list[options.AlarmState] | None = options.STATE,
    fail_on: options.FailOnAlarm | None = options.FAIL_ON_ALARM,
    as_json: bool = options.JSON,
) -> None:
    """List alarms, newest first, and incidents of the log. Times are event times; evidence of 1 is the line."""
    if context.invoked_subcommand:
        return
    from cli.alarms import alarm_lines, describe_record, in_states, listed, short_names
    from storage import alarm_listings, decisions, listings

    with servers.database() as connection:
        runs = listings.runs(connection) if run is None else [listings.run_named(connection, run)]
        everything = alarm_listings.alarms(connection)
        silences = decisions.silences(connection)
        records = alarm_listings.records(connection, run)
        monitors = listings.monitors(connection)
    unknown = _why_unknown(runs, records, monitors)
    found = listed([row for row in everything if run in (None, row.run_id)], silences)
    shown = in_states(found, state or ())
    lines = alarm_lines(shown, short_names(everything))
    empty = f"no alarms, and {unknown}" if unknown else "no alarms"
    listing.show(output.console, shown if as_json else lines, as_json=as_json, empty=empty)
    if len(runs) == 1 and (record := records.get(runs[0].run_id)):
        say(" ".join(filter(None, (record.about and printable(record.about), describe_record(record)))))
    if fail_on is not None:
        _warn_of_unattended([row for row in runs if row.run_id in records], monitors)
        _fail(found, unknown)


def _why_unknown(runs: Sequence[RunRow], records: Mapping[str, WatchRecord], monitors: Sequence[MonitorRow]) -> str:
    """Why nothing is known of alarms of any of these runs; '' where something is."""
    from cli.remarks import why_no_evidence
    from monitor.drift.figures import Config

    if not runs:
        return "there are no runs yet"
    if any(row.run_id in records and records[row.run_id].days is not None for row in runs):
        return ""
    return f"no evidence of run {runs[0].run_id} is known: {why_no_evidence(runs[0], monitors, Config().min_rows)}"


def _warn_of_unattended(runs: Sequence[RunRow], monitors: Sequence[MonitorRow]) -> None:
    from cli.remarks import unattended

    for row in runs:
        if row.finished_at is None and (why := unattended(row, monitors)):
            warn(f"newer windows of run {row.run_id} are not computed: {why}")


def _fail(found: Sequence[ListedAlarm], unknown: str) -> None:
    """End with the exit code of `--fail-on`, unless something is known and nothing fires. unknown: why not."""
    from cli.alarms import fired

    firing, silenced = fired(found)
    for row in silenced:
        warn(f"alarm {printable(row.alarm_id)} is silenced and fails nothing until {row.silenced_until:%F %H:%M}")
    if firing:
        raise typer.Exit(DRIFTED)
    if unknown:
        raise DriftlineError(f"nothing can be said of alarms: {unknown}", "`driftline runs` and `doctor` say more")


@app.command()
def show(alarm: AlarmId, board_url: str = options.BOARD_URL, as_json: bool = options.JSON) -> None:
    """Show an alarm: what it names, its evidence, what was promised, and what to do next."""
    with servers.database() as connection:
        found = _details(connection, alarm)
    if as_json:
        import msgspec

        emit(printable_json(msgspec.json.format(msgspec.json.encode(found), indent=2).decode()))
        return
    _print(found, board_url)


def _details(connection: Connection, alarm: str) -> Details:
    from cli.alarms import Details, listed, next_steps, weeks_of
    from monitor.verdict.season import Season
    from storage import alarm_listings, decisions
    from storage.notifications import told
    from storage.streams import definition_of

    known = alarm_listings.alarm_named(connection, alarm)
    (row,) = listed([known], decisions.silences(connection))
    start, end = row.first_evidence, row.recovered_at
    evidence = alarm_listings.evidence(connection, row.run_id, start, end) if start else []
    calibrations = alarm_listings.calibrations(connection, row.run_id)
    newest = evidence[-1].window_start if evidence else None
    stream = definition_of(connection, row.run_id, chosen.stream())
    can_exclude = row.state is not None and stream.name == chosen.stream().name
    return Details(
        alarm=row,
        calibration=next((c for c in calibrations if c.calibration_id == row.calibration_id), None),
        changes=alarm_listings.changes(connection, row.alarm_id),
        evidence=evidence,
        told=told(connection, row.alarm_id),
        next=next_steps(
            row,
            weeks_of(row, Season.from_stream(stream), newest) if can_exclude else (),
            alarm_listings.covered(connection, row.run_id),
        ),
    )


def _print(found: Details, board: str) -> None:
    from cli.alarms import evidence_lines, facts, member_lines, told_lines
    from schemas.alarm_text import told

    first, *others = told(found.alarm.message)
    _line(f"{found.alarm.alarm_id}\n{first}", style="bold")
    _line("\n".join([*others, ""]))
    for name, text in facts(found):
        _line(f"{name:<12} {text}")
    for title, lines in (
        (
            "Signals, worst first (evidence of 1 is the line; z: the largest of a window)",
            member_lines(found.alarm, found.evidence),
        ),
        ("Who was told (wall time)", told_lines(found.told)),
        ("Windows with the most evidence", evidence_lines(found.evidence)),
    ):
        if lines:
            _line(f"\n{title}", style="bold")
            listing.show(output.console, lines, as_json=False)
    if found.next:
        _line("\nWhat to do next", style="bold")
    for step in found.next:
        _line(f"{step.why}:\n  {step.command.replace('driftline', program(), 1)}")
        if step.page:
            _line(f"  {board.rstrip('/')}{step.page}")


def _line(text: str, style: str = "") -> None:
    shown = printable(text, 5_000, keep="\n")
    tell(output.console, shown, style)


@app.command()
def ack(
    alarm: AlarmId,
    verdict: options.Verdict = options.VERDICT,
    note: str = options.NOTE,
    author: str | None = options.AUTHOR,
) -> None:
    """Record what an alarm was: false, known or real. The newest judgement counts."""
    from storage import alarm_listings, decisions

    who = chosen.author(author)
    with servers.database() as connection:
        found = alarm_listings.alarm_named(connection, alarm)
        decisions.acknowledge(connection, found, verdict.value, note, who)
    say(f"alarm {printable(found.alarm_id)} was judged {verdict.value} by {printable(who)}")
    if found.state is not None and verdict is not options.Verdict.false:
        say(
            "later weeks are measured against its weeks, too, unless they are excluded: see `driftline alarms show`"
        )


def calibrate(
    run: str | None = options.KNOWN_RUN,
    plot: Path | None = options.PLOT,
    as_json: bool = options.JSON,
) -> None:
    """Show what each week is measured against, newest first: calm weeks, what set the line, the promise."""
    from cli.alarms import calibration_lines, describe_record, unwatched
    from cli.remarks import why_no_evidence
    from monitor.drift.figures import Config
    from storage import alarm_listings, listings

    with servers.database() as connection:
        known = listings.run_named(connection, run)
        name = known.run_id
        found = alarm_listings.calibrations(connection, name)
        record = alarm_listings.records(connection, name).get(name)
        evidence = alarm_listings.evidence(connection, name) if plot else []
        alarms = alarm_listings.alarms(connection, name) if plot else []
        monitors = listings.monitors(connection)
    empty = f"run {name} is not calibrated: {why_no_evidence(known, monitors, Config().min_rows)}"
    rows = found if as_json else calibration_lines(found)
    listing.show(output.console, rows, as_json=as_json, empty=empty)
    if found and not as_json:
        newest = found[0]
        for text in (newest.about, describe_record(record) if record else "", *unwatched(newest)):
            if text:
                _line(text)
    if plot:
        from cli.evidence_plot import write

        write(plot, name, evidence, alarms)
        say(f"the plot is in {plot}")
