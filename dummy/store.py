"""Writes a dummy run: all of it in one transaction, or one step of a live one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import astuple
from psycopg.types.json import Jsonb

from dummy.figures import Written, written
from dummy.plan import LATENESS, PANE, Plan, Traffic, windows
from dummy.surroundings import (
    SOURCE,
    Alarm,
    Event,
    Health,
    Letter,
    alarms,
    events,
    health,
    history,
    letters,
    manifest,
    tallies,
)
from monitor.database import Connection
from monitor.figures import ColumnFigure, WindowFigures
from monitor.readiness import END
from schemas.durations import moment
from schemas.errors import RunConflict
from schemas.sql import queries

SQL = queries(Path(__file__).with_name("queries.sql"))

_SCALARS = tuple(f for f in WindowFigures.__struct_fields__ if f not in ("columns", "sufficient"))
_KEY = ("run_id", "stream", "size_s", "window_start")
_WINDOW = (
    *_KEY,
    *("window_end", "status", "revision", "rows", "offsets", "joined_rows", "joined_offsets"),
    *("closed_at", "written_at", "latency_ms", "compute_ms"),
)
_COLUMN = ("column_name", *ColumnFigure.__struct_fields__[1:])
_TIMES = {"event_time", "written_at", "started_at", "ongoing_since", "recovered_at", "starts_at", "ends_at", "at"}


def replace(connection: Connection, plan: Plan) -> tuple[int, int]:
    """Write a run in place of an earlier dummy run of its name; the number of windows and of figures of columns.

    All or nothing. Raises RunConflict where a run of this name is there that is no dummy.
    """
    traffic = Traffic(plan, plan.now)
    dead = letters(plan, traffic)
    with connection.transaction():
        connection.execute(SQL["lock"], {"run_id": plan.run})
        _refuse_a_real_one(connection, plan.run)
        connection.execute(SQL["clear"], {"run_id": plan.run})
        _write_run(connection, plan, traffic)
        _write_progress(connection, plan, traffic, dead, plan.now)
        _copy_tuples(connection, plan, "dead_letter", Letter, dead)
        _copy_tuples(connection, plan, "alarm", Alarm, alarms(plan))
        _copy_tuples(connection, plan, "event", Event, events(plan))
        samples = history(plan, traffic, dead)
        _write_health(connection, plan, [*{sample.instance: sample for sample in samples}.values()])
        _copy_tuples(connection, plan, "health_sample", Health, samples[:-3])
        found = [written(plan, window) for window in windows(plan, traffic, plan.start, plan.now)]
        figures = _write_windows(connection, plan, found, plan.wall)
        _tell(
            connection,
            plan,
            [w for w in found if not w.window.closed or w.window.end > plan.now - 2 * w.window.size],
        )
    return len(found), figures


def advance(connection: Connection, plan: Plan, since: int, until: int, now: int) -> int:
    """Let event time of a live run go on by so much, now by the wall clock; how many windows closed.

    Raises RunConflict where the run was replaced or deleted meanwhile by something else.
    """
    traffic = Traffic(plan, until)
    dead = letters(plan, traffic)
    found = [written(plan, window) for window in windows(plan, traffic, since, until)]
    with connection.transaction():
        row = connection.execute(SQL["is_ours"], {"run_id": plan.run}).fetchone()
        if row != (SOURCE,):
            raise RunConflict(f"run {plan.run} is no dummy any more", "choose another name with --run")
        _write_progress(connection, plan, traffic, dead, until)
        _write_health(connection, plan, health(plan, traffic, now, (since, until), letters=len(dead)))
        _forget(connection, plan, found)
        _write_windows(connection, plan, found, lambda _: now)
        _tell(connection, plan, found)
    return sum(w.window.closed for w in found)


def _refuse_a_real_one(connection: Connection, run: str) -> None:
    row = connection.execute(SQL["source"], {"run_id": run}).fetchone()
    if row and row[1] and row[0] != SOURCE:
        raise RunConflict(f"run {run} is there and is no dummy", "choose another name with --run")


def _write_run(connection: Connection, plan: Plan, traffic: Traffic) -> None:
    params = {
        "run_id": plan.run,
        "source": SOURCE,
        "started_at": moment(plan.wall(plan.start)),
        "finished_at": None if plan.live else moment(plan.now),
        "manifest": manifest(plan, traffic.rows(plan.start, plan.now)),
        "pane_ms": PANE,
        "max_ahead_ms": 86_400_000,
    }
    params |= dict(zip(("lateness_ms", "outcome_lateness_ms"), LATENESS.values(), strict=True))
    connection.execute(SQL["write_run"], params)
    sizes = [size // 1_000 for size in plan.sizes]
    where = {"run_id": plan.run, "streams": [*LATENESS], "sizes_s": sizes, "end": END}
    connection.execute(SQL["write_frontier"], where)


def _write_progress(
    connection: Connection, plan: Plan, traffic: Traffic, dead: Sequence[Letter], until: int
) -> None:
    rows = traffic.rows(plan.start, until)
    with connection.cursor() as cursor:
        params = [{"run_id": plan.run} | tally for tally in tallies(plan, rows, dead, until)]
        cursor.executemany(SQL["write_progress"], params)


def _write_health(connection: Connection, plan: Plan, found: Iterable[Health]) -> None:
    for one in found:
        params = one._asdict() | {"run_id": plan.run, "at": moment(one.at), "measures": Jsonb(one.measures)}
        connection.execute(SQL["write_health"], params)


def _write_windows(connection: Connection, plan: Plan, found: Sequence[Written], wall: Callable[[int], int]) -> int:
    """Windows and their columns; the number of the latter. wall: when a moment of event time was, by the clock.

    Postgres counts the windows in between: it would look for each column's window by an index that is made for
    something else, chosen when the table was empty, and read all of the run every time.
    """
    _copy(connection, "window_result", (*_WINDOW, *_SCALARS), (_window(plan, one, wall) for one in found))
    connection.execute(SQL["count_windows"])
    columns = ((*_key(plan, one), *astuple(figure)) for one in found for figure in one.figures.columns)
    _copy(connection, "column_metric", (*_KEY, *_COLUMN), columns)
    return sum(len(one.figures.columns) for one in found)


def _key(plan: Plan, one: Written) -> tuple[Any, ...]:
    window = one.window
    return (plan.run, window.stream, window.size // 1_000, moment(window.start))


def _window(plan: Plan, one: Written, wall: Callable[[int], int]) -> tuple[Any, ...]:
    window = one.window
    closed = wall(window.end + LATENESS[window.stream]) if window.closed else None
    written_at = wall(plan.now) if closed is None else closed + round(one.latency_ms)
    joined = window.rows if window.stream != next(iter(LATENESS)) else 0
    offsets = Jsonb(one.offsets)
    return (
        *(*_key(plan, one), moment(window.end), one.status, one.revision, window.rows, offsets),
        *(joined, offsets if joined else Jsonb({})),
        *(None if closed is None else moment(closed), moment(written_at)),
        *(None if closed is None else one.latency_ms, one.compute_ms),
        *(getattr(one.figures, name) for name in _SCALARS),
    )


def _forget(connection: Connection, plan: Plan, found: Sequence[Written]) -> None:
    keys = [_key(plan, one) for one in found]
    _, streams, sizes, starts = ([key[i] for key in keys] for i in range(4))
    params = {"run_id": plan.run, "streams": streams, "sizes_s": sizes, "starts": starts}
    connection.execute(SQL["forget_windows"], params)


def _tell(connection: Connection, plan: Plan, found: Iterable[Written]) -> None:
    for one in found:
        stream, size_s = one.window.stream, one.window.size // 1_000
        told = {"run_id": plan.run, "stream": stream, "size_s": size_s, "start": one.window.start}
        connection.execute(SQL["tell_window"], told | {"status": one.status})


def _copy_tuples(connection: Connection, plan: Plan, table: str, kind: Any, rows: Iterable[Any]) -> None:
    """Named tuples with the run before them; ms become timestamps, mappings JSON."""
    fields = kind._fields
    _copy(connection, table, ("run_id", *fields), ((plan.run, *map(_value, fields, row)) for row in rows))


def _value(field: str, value: Any) -> Any:
    if field in _TIMES and value is not None:
        return moment(value)
    return Jsonb(value) if isinstance(value, dict) else value


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    statement = SQL["copy"].format(table=table, columns=", ".join(columns))
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)
