"""Writes a dummy run: all of it in one transaction, or one step of a live one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import astuple

from local.dummy import surroundings as around
from local.dummy.alarms import PROMISE, fold_dummy
from local.dummy.figures import MAE, DummyResult, written
from local.dummy.plan import LATENESS, DummyPlan, DummyTraffic, windows
from local.dummy.surroundings import SOURCE, Row
from monitor.verdict.fold import State, decode_state, encode_state
from schemas.durations import moment
from schemas.errors import RunConflict
from schemas.figures import ColumnFigure, WindowFigures
from schemas.notices import WindowNotice
from schemas.streams.taxi import OUTCOMES, TAXI
from storage.alarms import FoldTransaction, WatchTerms, lock_watch
from storage.connect import Connection, Jsonb
from storage.notices import notify_windows
from storage.queries import load_queries
from storage.streams import remember

SQL = load_queries(Path(__file__).with_name("queries.sql"))

_SCALARS = tuple(f for f in WindowFigures.__struct_fields__ if f not in ("columns", "sufficient"))
_COLUMN = ("stream", "size_s", "window_start", "column_name", *ColumnFigure.__struct_fields__[1:])


def replace(connection: Connection, plan: DummyPlan) -> tuple[int, int]:
    """Write a run in place of an earlier dummy run of its name, in one transaction.

    Returns:
        The number of windows, and of the figures of their columns.

    Raises:
        RunConflict: There is a run of this name which is no dummy run.
    """
    traffic = DummyTraffic(plan, plan.now)
    dead = around.dead_letters(plan, traffic)
    samples = around.history(plan, traffic, dead)
    found = [written(plan, window) for window in windows(plan, traffic, plan.start, plan.now)]
    with connection.transaction():
        _claim(connection, plan.run, new=True)
        connection.execute(SQL["clear"], {"run_id": plan.run})
        remember(connection, TAXI)
        _put(connection, plan, "run", [around.run(plan, traffic)])
        _put(connection, plan, "frontier", around.frontiers(plan))
        _put(connection, plan, "dead_letter", dead)
        _put(connection, plan, "alarm", around.incidents(plan))
        _put(connection, plan, "event", around.events(plan))
        _put(connection, plan, "health_sample", samples[:-3])
        _put(connection, plan, "health", samples[-3:])  # of which the table keeps samples by itself
        _put(connection, plan, "run_progress", [*around.tallies(plan, traffic, dead, plan.now, plan.now)])
        figures = _put_windows(connection, plan, found, plan.wall, plan.wall(plan.now - 2 * plan.sizes[-1]))
        _fold(connection, plan, traffic, plan.now)
    return len(found), figures


def advance(connection: Connection, plan: DummyPlan, since: int, until: int, now: int) -> int:
    """Advance a live run.

    Args:
        connection: In autocommit mode.
        plan: The run.
        since: The event time that it had reached, ms.
        until: The event time that it reaches, ms.
        now: Wall time, ms.

    Returns:
        The number of windows that closed.

    Raises:
        RunConflict: Something else has replaced or deleted the run meanwhile.
    """
    traffic = DummyTraffic(plan, until)
    dead = around.dead_letters(plan, traffic)
    found = [written(plan, window) for window in windows(plan, traffic, since, until)]
    with connection.transaction():
        _claim(connection, plan.run, new=False)
        connection.execute(SQL["forget"], {"run_id": plan.run})
        _put(
            connection, plan, "health", [*around.health(plan, traffic, now, (since, until), dead_letters=len(dead))]
        )
        _put(connection, plan, "run_progress", [*around.tallies(plan, traffic, dead, until, now)])
        _put_windows(connection, plan, found, lambda _: now, now)
        _fold(connection, plan, traffic, until)
    return sum(w.window.closed for w in found)


def finish(connection: Connection, plan: DummyPlan, now: int) -> None:
    """End a live run. Raises RunConflict as `advance` does."""
    with connection.transaction():
        _claim(connection, plan.run, new=False)
        connection.execute(SQL["finish"], {"run_id": plan.run, "at": moment(now)})


def _fold(connection: Connection, plan: DummyPlan, traffic: DummyTraffic, until: int) -> None:
    """Write evidence and alarms, so that no monitor folds the run, and none publishes its alarms."""
    connection.execute(SQL["reference"], {"model": SOURCE, "mae": MAE})
    connection.execute(SQL["layout"], {"hash": SOURCE})
    watch = lock_watch(
        connection, plan.run, WatchTerms(layout=SOURCE, sizes=plan.sizes, promise=PROMISE.wanted, holidays="US-NY")
    )
    assert watch is not None  # the run is claimed
    made = fold_dummy(plan, traffic, until, State() if watch.state is None else decode_state(watch.state))
    transaction = FoldTransaction(connection, connection, plan.run, watch)
    for row in made.calibrations:
        transaction.write_calibration(row)
    transaction.write_evidence(made.evidence)
    transaction.drop_suspicions(made.dropped)
    for alarm in made.alarms.values():
        transaction.write_alarm(alarm)
    transaction.write_changes(made.changes)
    connection.execute(SQL["published"], {"run_id": plan.run})
    last = made.state.last
    season = None if last is None else last[0]
    state = None if last is None else encode_state(made.state)
    transaction.finish(state=state, season=season, excluded=(), done=True, folded=())


def _claim(connection: Connection, run: str, *, new: bool) -> None:
    """Lock the run. new: whether it may be missing. Raises RunConflict if it is no dummy run."""
    connection.execute(SQL["lock"], {"run_id": run})
    source, there = connection.execute(SQL["source"], {"run_id": run}).fetchone() or (None, False)
    if source != SOURCE and (there or not new):
        raise RunConflict(f"run {run} is no dummy", "choose another name with --run")


def _put_windows(
    connection: Connection, plan: DummyPlan, found: Sequence[DummyResult], wall: Callable[[int], int], since: int
) -> int:
    """Write windows and the figures of their columns; return the number of figures.

    wall: converts event time to wall time. since: listeners are notified of windows written from then on.
    """
    _put(connection, plan, "window_result", [_window(plan, one, wall) for one in found])
    columns = ((plan.run, *key.values(), *astuple(c)) for key, c in _figures(found))
    _copy(connection, "column_metric", ("run_id", *_COLUMN), columns)
    written = connection.execute(SQL["written_since"], {"run_id": plan.run, "since": moment(since)})
    notify_windows(connection, [WindowNotice(plan.run, *row) for row in written])
    return sum(len(one.figures.columns) for one in found)


def _figures(found: Iterable[DummyResult]) -> Iterator[tuple[Row, ColumnFigure]]:
    for one in found:
        key = _key(one)
        yield from ((key, figure) for figure in one.figures.columns)


def _key(one: DummyResult) -> Row:
    window = one.window
    return {"stream": window.stream, "size_s": window.size // 1_000, "window_start": moment(window.start)}


def _window(plan: DummyPlan, one: DummyResult, wall: Callable[[int], int]) -> Row:
    window = one.window
    closed = wall(window.end + LATENESS[window.stream]) if window.closed else None
    joined = window.stream == OUTCOMES.role
    return {
        **_key(one),
        **one.more,
        **{name: getattr(one.figures, name) for name in _SCALARS},
        "window_end": moment(window.end),
        "status": one.status,
        "rows": window.rows,
        "joined_rows": window.rows if joined else 0,
        "joined_offsets": one.more["offsets"] if joined else {},
        "closed_at": None if closed is None else moment(closed),
        "written_at": moment(wall(plan.now) if closed is None else closed + round(one.more["latency_ms"])),
    }


def _put(connection: Connection, plan: DummyPlan, table: str, rows: Sequence[Row]) -> None:
    values = ((plan.run, *(Jsonb(v) if isinstance(v, dict) else v for v in row.values())) for row in rows)
    _copy(connection, table, ("run_id", *rows[0]), values)


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    statement = SQL["copy"].format(table=table, columns=", ".join(columns))
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)
