"""Folds the week of a window again, and compares evidence, calibrations and alarms with the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import structlog

from monitor.calibrating import Calibrator
from monitor.recompute.difference import Difference, equal
from monitor.scheduling.fold_job import fold_again
from monitor.verdict.fold import Order, decode_state
from monitor.verdict.order import Place
from monitor.verdict.season import Season
from schemas.durations import duration_text
from storage.alarms import StoredWatch, stored_watch
from storage.connect import Connection
from storage.fold_rehearsal import FoldRehearsal, Row
from storage.windows import StoredRun, WindowKey

log = structlog.get_logger()

EQUAL = 1e-6
"""Relative tolerance: scores are stored with single precision."""


def evidence_differences(
    reader: Connection, run: StoredRun, size: int, start: int, calibrator: Calibrator
) -> Iterator[Difference]:
    """Compare all evidence, calibrations and alarms since the season of a window began with the tables.

    They are folded again from the stored summaries. Nothing is compared where the window is not watched, not
    evidence yet, or where windows have been written again since.

    Args:
        reader: In a snapshot.
        run: The run.
        size: Of the window, ms.
        start: Of the window, ms.
        calibrator: Of the model that the run is compared with.
    """
    watch = stored_watch(reader, run.run_id)
    if watch is None:
        return
    reason = _incomparable(watch, run, size, start, calibrator)
    window = WindowKey(run.run_id, run.stream.events, size, start)
    fold = FoldRehearsal(reader, watch, window, calibrator.season.start(start))
    if reason is None and _revised(fold, run):
        reason = "windows were written again, and are not folded yet"
    if reason is not None:
        log.info("evidence_not_compared", run=run.run_id, reason=reason)
        return
    fold_again(fold, run, calibrator)
    log.info("folded_again", run=run.run_id, windows=len(fold.evidence), alarms=len(fold.alarms))
    yield from _differences(fold)


def _incomparable(watch: StoredWatch, run: StoredRun, size: int, start: int, calibrator: Calibrator) -> str | None:
    divided = "" if calibrator.segments is None else calibrator.segments.hash
    if watch.terms.segments not in ("", divided):
        return "its segments are not those of this model"
    if watch.terms.layout != calibrator.layout.hash:
        return "it is watched by another reference"
    if size not in watch.terms.sizes:
        return "windows of this size are not watched"
    if not _is_folded(watch, run, WindowKey(run.run_id, run.stream.events, size, start)):
        return "the window is not folded yet"
    return None


def _revised(fold: FoldRehearsal, run: StoredRun) -> bool:
    """Whether a window that is evidence has been written again."""
    return any(
        _is_folded(fold.watch, run, WindowKey(run.run_id, records, written.size, written.start))
        for written in fold.written_since()
        for records in run.stream.topics
        if records.role == written.role and written.start is not None and written.size in fold.watch.terms.sizes
    )


def _is_folded(watch: StoredWatch, run: StoredRun, window: WindowKey) -> bool:
    last = None if watch.state is None else decode_state(watch.state).last
    return last is not None and _order(run, window) <= last


def _order(run: StoredRun, window: WindowKey) -> Order:
    role = window.records.role
    due, season = window.end + run.lateness[role], Season.from_stream(run.stream).start(window.start)
    return Place(role=role, size=window.size, start=window.start, due=due, season=season).order


def _differences(fold: FoldRehearsal) -> Iterator[Difference]:
    stored = fold.stored_calibrations()
    otherwise = set()
    for season, held, computed in _beside(stored, fold.calibrations):
        found = [*_unequal("", f"calibration {season[:10]}", held, computed)]
        yield from found
        if found:
            otherwise.add(season)  # all its evidence differs, too
    for (role, segment, size_s, start), held, computed in _beside(fold.stored_evidence(), fold.evidence):
        if computed.get("season") not in otherwise:
            what = "evidence of segments" if segment else "evidence"
            yield from _unequal(role, f"{what} {duration_text(1_000 * size_s)} {start[:16]}", held, computed)
    for alarm_id, held, computed in _beside(fold.stored_alarms(), fold.alarms):
        yield from _unequal((held or computed)["role"], f"alarm {alarm_id}", held, computed)


def _beside(stored: Mapping[Any, Row], computed: Mapping[Any, Row]) -> Iterator[tuple[Any, Row, Row]]:
    """Key, what is stored of it, and what is computed; {} for what is not there."""
    for key in sorted({*stored, *computed}):
        yield key, stored.get(key, {}), computed.get(key, {})


def _unequal(stream: str, what: str, held: Row, computed: Row) -> Iterator[Difference]:
    if not held or not computed:
        yield Difference(stream, what, "there" if held else "missing", "there" if computed else "missing")
        return
    for name in held:
        if not equal(held[name], computed[name], EQUAL):
            yield Difference(stream, f"{what} {name}", held[name], computed[name])
