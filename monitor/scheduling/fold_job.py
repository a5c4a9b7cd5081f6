"""One fold of a run: windows that were written become evidence, and evidence becomes alarms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec
import structlog

from monitor.calibrating import Calibrator, Measure
from monitor.scheduling.readiness import Patience, due, progress_of
from monitor.settings import Settings
from monitor.verdict.estimate import errors_of
from monitor.verdict.fold import Folded, Order, State, WindowScore, decode_state, encode_state, fold
from monitor.verdict.kinds import explained, looked_at
from monitor.verdict.lifecycle import Alarm, AlarmKey, alarm_id
from monitor.verdict.order import Extent, Place, complete_until, first_start, next_windows
from monitor.verdict.record import evidence_row, record, segment_row
from monitor.verdict.season import Season
from monitor.verdict.summary import Summary, decode, decode_parts, empty, error_unit, merge
from runtime.failpoint import failpoint
from schemas.alarm_text import headline
from schemas.alarms import AlarmRecord
from schemas.definition import Records, Role
from schemas.durations import moment
from schemas.errors import ModelUnusable
from schemas.watermark import END
from storage.alarms import (
    FoldTransaction,
    StoredScore,
    StoredSummary,
    Unfolded,
    WatchTerms,
)
from storage.results import ResultStore
from storage.windows import StoredRun, joined_with

log = structlog.get_logger()

MOST = 256
"""Windows that are folded in one transaction, unless some are folded again."""

LOOKED_AT = 2_016
"""Smallest windows that are read to say what kind of change an alarm is about: a week of 5 minutes."""

Key = tuple[Role, int, int]
"""Role, size and start of a window."""


class FoldReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a fold did.

    Attributes:
        windows: Folded, or folded again.
        more: There is more to do at once.
        done: Nothing more can come of this run.
        level: The newest evidence, in units of the line.
        state: Of the open alarm, or else of that of track `harm`; None without one.
        changes: Of alarms, that were written.
    """

    windows: int
    more: bool
    done: bool
    level: float
    state: str | None
    changes: tuple[AlarmRecord, ...]


class FoldWorker:
    """Folds runs, one after the other."""

    def __init__(self, store: ResultStore, calibrator: Calibrator, patience: Patience, settings: Settings) -> None:
        self._store = store
        self._calibrator = calibrator
        self._patience = patience
        assert settings.promise is not None  # without one, nothing is folded
        self._promise = settings.promise
        self._holidays = settings.holidays
        self._compared: set[str] = set()

    def fold(self, run: StoredRun, sizes: Sequence[int], *, waits: bool = True) -> FoldReceipt | None:
        """Fold what is complete and not evidence yet. None: another monitor is at it, or windows are being revised.

        1. Lock the run's row in `watch`; it says how the run is watched, and how far it was folded.
        2. In one snapshot begun after that: which windows are complete? Was one behind the position computed again?
        3. Fold them: from the position, or from the season of the earliest that was computed again.
        4. Write evidence, calibrations, alarms, their changes and the position, and commit.

        Args:
            run: The run.
            sizes: Of its windows here, ms; those that are watched if nobody has folded it yet.
            waits: Whether to wait until all windows that late rows came for are written again.

        Raises:
            ModelUnusable: It is watched by another reference than the one loaded here.
        """
        layout = self._calibrator.layout.hash
        divided = self._calibrator.segments
        terms = WatchTerms(
            layout=layout,
            sizes=tuple(sizes),
            promise=self._promise,
            holidays=self._holidays,
            segments="" if divided is None else divided.hash,
        )
        with self._store.fold(run.run_id, terms) as transaction:
            if transaction is None:
                return None
            if transaction.watch.terms.layout != layout:
                raise ModelUnusable(
                    f"run {run.run_id} is watched by another reference than that of the loaded model",
                    "name the model whose monitor began with it: --model",
                )
            if divided is None and transaction.watch.terms.segments:
                raise ModelUnusable(
                    f"run {run.run_id} is watched with its segments", "start all its monitors with --segments"
                )
            self._compare(run.run_id, transaction.watch.terms)
            fold = _Fold(transaction, run, self._calibrator, self._patience)
            if waits and fold.is_half_revised():
                return None
            receipt = fold.run()
            failpoint("monitor.before_fold_commit")
        failpoint("monitor.after_fold_commit")
        for change in receipt.changes:
            _log_change(change)
        return receipt

    def _compare(self, run_id: str, kept: WatchTerms) -> None:
        """Log, once for each run, what was promised for it, where that is not what this monitor was given."""
        if run_id in self._compared:
            return
        self._compared.add(run_id)
        if (kept.promise, kept.holidays) != (self._promise, self._holidays):
            log.warning(
                "run_keeps_its_settings",
                run=run_id,
                promise=f"{kept.promise:g}/month",
                holidays=kept.holidays or "none",
                do="what was given now is for new runs: replay it under another --run",
            )


def fold_again(transaction: FoldTransaction, run: StoredRun, calibrator: Calibrator) -> None:
    """Fold from the season of the first unfolded window on, as far as the run was folded before."""
    assert transaction.watch.state is not None
    end = decode_state(transaction.watch.state).last
    _Fold(transaction, run, calibrator, Patience(alive=0, idle=0), end=end).run()


class _Fold:
    """A fold while its transaction is open."""

    def __init__(
        self,
        transaction: FoldTransaction,
        run: StoredRun,
        calibrator: Calibrator,
        patience: Patience,
        *,
        end: Order | None = None,
    ) -> None:
        """end: The last window that is folded; None: all that are complete."""
        self._transaction = transaction
        self._run = run
        self._calibrator = calibrator
        self._season = Season.from_stream(run.stream)
        now, self._partitions = transaction.snapshot.partitions(run)
        self._progress = progress_of(run, self._partitions, now, patience)
        self._unfolded = transaction.unfolded()
        self._fresh: set[Key] = {
            (u.role, u.size, u.start) for u in self._unfolded if u.role is not None and u.start is not None
        }
        self._excluded = transaction.excluded(run.stream.name)
        stored = transaction.watch.state
        self._state = State() if stored is None else decode_state(stored)
        self._end = end
        self._again: int | None = None
        self._measure: Measure | None = None
        self._windows = 0
        self._alarms: dict[AlarmKey, Alarm] = {}
        self._dropped: set[AlarmKey] = set()
        self._changes: list[Alarm] = []
        self._withdrawn: list[AlarmRecord] = []

    def is_half_revised(self) -> bool:
        """Whether late rows are in some windows that were folded, and not yet in others.

        Events that are there beside labels that are not would look as though labels were missing.
        """
        if (last := self._state.last) is None or (first := min(self._revised(0), default=None)) is None:
            return False
        return any(
            self._lags(records, size, first, last[1]) for records in self._run.stream.topics for size in self._sizes
        )

    def _lags(self, records: Records, size: int, first: int, until: int) -> bool:
        """Whether a window that was folded, and begins in this span, is to be written again with more rows."""
        start, end = first // size * size, until - self._run.lateness[records.role]
        joined = joined_with(self._run.stream, records)
        found = self._transaction.snapshot.scan(self._run.run_id, records, joined, size=size, start=start, end=end)
        return any(
            at in found.written and found.holds[at].more_than(found.written[at].counts)
            for at in due(found, self._progress.watermarks[records.role])
        )

    def run(self) -> FoldReceipt:
        panes = [
            pane
            for records in self._run.stream.topics
            if (pane := self._transaction.snapshot.first_pane(self._run.run_id, records.topic, 0)) is not None
        ]
        extents = [self._extent(records, size) for records in self._run.stream.topics for size in self._sizes]
        is_over = all(extent.is_over for extent in extents)
        more = False
        if panes:
            first = first_start(min(panes), self._sizes)
            self._begin_again(first, extents, is_over=is_over)
            more = self._fold_all(first, extents)
        self._withdraw()
        return self._write(done=is_over and not more, more=more)

    @property
    def _sizes(self) -> tuple[int, ...]:
        return self._transaction.watch.terms.sizes

    def _extent(self, records: Records, size: int) -> Extent:
        """How far the windows of these records are complete.

        What was folded once counts as complete: a partition that was idle, and so was left out, may hold the
        watermark back again.
        """
        lateness, last = self._run.lateness[records.role], self._state.last
        folded = 0 if last is None else max(last[1] - lateness, 0) // size * size
        closed = self._closed_until(records.role)
        missing = self._transaction.first_missing(records, size=size, start=folded, end=closed // size * size)
        is_over = self._progress.watermarks[records.role].strict == END and missing is None
        until = complete_until(closed, missing)
        return Extent(
            role=records.role,
            size=size,
            lateness=lateness,
            until=until if is_over else max(until, folded),
            is_over=is_over,
        )

    def _closed_until(self, role: Role) -> int:
        """Where event time is known to have come; of a run that is over, the end that its records were sent for."""
        times = [p.max_event_time for p in self._partitions[role] if p.max_event_time is not None]
        watermarks = self._progress.watermarks[role]
        if watermarks.strict == END:
            return max(min(times, default=0), 0)
        return max(min(watermarks.watermark, max(times, default=0)), 0)

    def _begin_again(self, first: int, extents: Sequence[Extent], *, is_over: bool) -> None:
        """Go back to the beginning of the earliest season in which something is not as it was folded."""
        if self._state.last is None:
            return
        decided = self._affected_by_people()
        found = [decided, *self._revised(first), *(self._surplus(extents) if is_over else ())]
        seasons = [season for season in found if season is not None]
        if not seasons:
            return
        self._again = min(seasons)
        before = self._transaction.state_before(self._again)
        if before is not None and self._again != decided:
            self._measure = self._stored_measure(self._again)
        self._state = State() if before is None else decode_state(before)
        self._transaction.forget(self._again)
        log.info("folding_again", run=self._run.run_id, season=f"{moment(self._again):%F}")

    def _affected_by_people(self) -> int | None:
        """The first season that is measured otherwise, since weeks were excluded or included."""
        changed = {*self._excluded} ^ {*self._transaction.watch.excluded}
        if not changed:
            return None
        return next((season for season in self._transaction.seasons() if season > min(changed)), None)

    def _revised(self, first: int) -> Iterable[int]:
        """Seasons of windows that were folded and have been written again."""
        for role, size, start in self._fresh:
            if role in self._run.lateness and size in self._sizes and start >= first:
                place = self._place(role, size, start)
                if self._state.last is not None and place.order <= self._state.last:
                    yield place.season

    def _surplus(self, extents: Sequence[Extent]) -> Iterable[int]:
        """Seasons of windows that were folded though the run has ended before: none of its records came there."""
        until = {(extent.role, extent.size): extent.until for extent in extents}
        for role, size, start in self._transaction.newest():
            if start + size > until.get((role, size), END):
                yield self._season.start(until[role, size] // size * size)

    def _place(self, role: Role, size: int, start: int) -> Place:
        due = start + size + self._run.lateness[role]
        return Place(role=role, size=size, start=start, due=due, season=self._season.start(start))

    def _fold_all(self, first: int, extents: Sequence[Extent]) -> bool:
        """Fold what is complete; whether some was left for the next time."""
        while True:
            most = MOST - self._windows if self._again is None else MOST
            places, more = next_windows(first, extents, self._state.last, self._season, most)
            if self._end is not None and any(place.order > self._end for place in places):
                places, more = [place for place in places if place.order <= self._end], False
            if not places:
                return False
            self._fold(places, self._measured_by(places[0].season, first))
            if self._again is None and self._windows >= MOST:
                return more
            if not more:
                return False

    def _measured_by(self, season: int, first: int) -> Measure:
        """The calibration of a season: as it is stored if the season goes on, else made now."""
        if self._measure is None or self._measure.season != season:
            goes_on = self._again is None and self._state.last is not None and self._state.last[0] == season
            known = self._stored_measure(season) if goes_on else None
            self._measure = known or self._calibrate(season, first)
        return self._measure

    def _stored_measure(self, season: int) -> Measure | None:
        found = self._transaction.calibration_id(season)
        if found is None:
            return None
        return self._calibrator.known(found, season, partial(self._transaction.calibration, season))

    def _calibrate(self, season: int, first: int) -> Measure:
        begins = self._season.start(first)
        own = range(begins if begins == first else begins + self._season.length, season, self._season.length)
        terms, excluded = self._transaction.watch.terms, self._excluded
        made = self._calibrator.calibrate(
            season, own, self._week, terms=terms, excluded=excluded, segments=self._week_of_segments
        )
        row = made.row(encode_state(self._state))
        self._transaction.write_calibration(row)
        log.info("calibrated", run=self._run.run_id, season=f"{moment(season):%F}", about=row.about)
        return made

    def _week(self, start: int) -> dict[Role, Sequence[Summary]]:
        """What a season of the run held, by role: one summary for each window of the smallest size."""
        size, end = min(self._sizes), start + self._season.length
        return {
            records.role: [
                self._summary(records.role, size, at, found.get(at)) for at in range(start, end - size + 1, size)
            ]
            for records in self._run.stream.topics
            for found in [self._transaction.summaries(records.role, size=size, start=start, end=end)]
        }

    def _week_of_segments(self, start: int) -> dict[Role, Sequence[Sequence[Summary]]]:
        """The same of its segments; what is not known counts as no rows."""
        size, end, roles = min(self._sizes), start + self._season.length, self._run.lateness
        found = {role: self._transaction.summaries(role, size=size, start=start, end=end) for role in roles}
        return {
            role: [
                self._parts(role, size, at, found[role].get(at)) or self._no_parts(role, size, at)
                for at in range(start, end - size + 1, size)
            ]
            for role in roles
        }

    def _no_parts(self, role: Role, size: int, start: int) -> Sequence[Summary]:
        assert self._calibrator.segments is not None
        return [empty(self._calibrator.layout, role, start, size)] * len(self._calibrator.segments.keys)

    def _parts(self, role: Role, size: int, start: int, stored: StoredSummary | None) -> Sequence[Summary] | None:
        """What the segments of a window held; None where that is not known."""
        layout, segments = self._calibrator.layout, self._calibrator.segments
        assert segments is not None
        if stored is None:
            return self._no_parts(role, size, start)
        return None if stored.segments is None else decode_parts(stored.segments, layout, segments.hash)

    def _summary(self, role: Role, size: int, start: int, stored: StoredSummary | None) -> Summary:
        layout = self._calibrator.layout
        if stored is None or stored.payload is None or not self._is_known(stored):
            return empty(layout, role, start, size)
        return decode(stored.payload, layout)

    def _is_known(self, stored: StoredSummary) -> bool:
        return stored.payload is not None and stored.layout == self._calibrator.layout.hash

    def _fold(self, places: Sequence[Place], measure: Measure) -> None:
        stored, known = self._stored(places), self._known(measure)
        scores, rows = [], []
        for place in places:
            key = (place.role, place.size, place.start)
            score = known.get(key) or self._score(place, stored.get(key), measure)
            scores.append(self._with_segments(_window_score(place, score), stored.get(key), measure))
            rows.append(score.rows)
        folded = fold(self._state, scores, measure.watch, look=partial(self._look, measure))
        self._state = folded.state
        self._windows += len(places)
        self._keep(folded)
        held = {score.order: number for score, number in zip(scores, rows, strict=True)}
        self._transaction.write_evidence(
            [evidence_row(point, measure.id, held[point.score.order]) for point in folded.points]
            + [segment_row(point, measure.id, held[point.score.order]) for point in folded.of_segments]
        )

    def _look(self, measure: Measure, alarm: Alarm, score: WindowScore) -> Alarm:
        """Say of which kind the changes of an alarm are, by what windows held that come no later than this one."""
        size = min(self._sizes)
        first = max(looked_at(alarm, score.end), score.end - LOOKED_AT * size, 0) // size * size
        found = {}
        for role in self._run.lateness:
            stored = self._transaction.summaries(role, size=size, start=first, end=score.end)
            if any(not self._is_known(one) for one in stored.values()):
                return alarm
            starts = range(first, score.end - size + 1, size)
            places = [place for at in starts if (place := self._place(role, size, at)).order <= score.order]
            if places:
                found[role] = merge(self._summary(role, size, p.start, stored.get(p.start)) for p in places)
        return explained(alarm, measure.calibration, found, self._run.stream)

    def _with_segments(self, score: WindowScore, stored: StoredSummary | None, measure: Measure) -> WindowScore:
        if measure.family is None or (score.role, score.size) not in measure.family.watched:
            return score
        return measure.with_segments(score, self._parts(score.role, score.size, score.start, stored))

    def _stored(self, places: Sequence[Place]) -> dict[Key, StoredSummary]:
        """What the windows held that have a result, as far as they are among these."""
        by_series: dict[tuple[Role, int], list[int]] = {}
        for place in places:
            by_series.setdefault((place.role, place.size), []).append(place.start)
        return {
            (role, size, start): found
            for (role, size), starts in by_series.items()
            for start, found in self._transaction.summaries(
                role, size=size, start=min(starts), end=max(starts) + 1
            ).items()
        }

    def _known(self, measure: Measure) -> Mapping[Key, StoredScore]:
        """Scores of a season that is folded again, of windows that were not written since."""
        if self._again is None:
            return {}
        return {
            key: score
            for key, score in self._transaction.scores(measure.season).items()
            if score.calibration_id == measure.id and key not in self._fresh
        }

    def _score(self, place: Place, stored: StoredSummary | None, measure: Measure) -> StoredScore:
        if stored is not None and not self._is_known(stored):
            return measure.silent(
                place.role, place.start, place.size, stored.rows
            )  # it held something that is not known
        return measure.score(place.role, self._summary(place.role, place.size, place.start, stored))

    def _keep(self, folded: Folded) -> None:
        for key in folded.dropped:
            self._alarms.pop(key, None)
            self._dropped.add(key)
        self._alarms |= folded.alarms
        self._changes += folded.changes

    def _withdraw(self) -> None:
        """Drop what was only suspected, and withdraw what had fired, where the evidence is not there any more.

        What had fired and is only suspected now was told, and is withdrawn, too.
        """
        self._dropped -= self._alarms.keys()
        gone = {alarm_id(self._run.run_id, key) for key in self._dropped}
        if self._again is not None:
            folded = {alarm.name(self._run.run_id) for alarm in self._alarms.values()}
            gone |= self._transaction.alarms_since(self._again).keys() - folded
        self._transaction.drop_suspicions(sorted(gone))
        suspected = {a.name(self._run.run_id) for a in self._alarms.values() if a.state == "pending"}
        self._withdrawn = self._transaction.withdraw(sorted(gone | suspected)) if self._again is not None else []

    def _write(self, *, done: bool, more: bool) -> FoldReceipt:
        for alarm in self._alarms.values():
            self._transaction.write_alarm(self._record(alarm))
        changes = self._transaction.write_changes([*self._withdrawn, *self._news()])
        state, last = self._state, self._state.last
        self._transaction.finish(
            state=None if last is None else encode_state(state),
            season=None if last is None else last[0],
            excluded=self._excluded,
            done=done,
            folded=[u.id for u in self._unfolded if done or self._is_folded(u)],
        )
        return FoldReceipt(
            windows=self._windows,
            more=more,
            done=done,
            level=max((cusum.level for cusum in state.cusums.values()), default=0.0),
            state=next((one.state for one in (state.alarm, state.hurt) if one is not None), None),
            changes=tuple(changes),
        )

    def _news(self) -> list[AlarmRecord]:
        """All changes of the alarms that were folded; of one that only went on, how it is now."""
        found = [self._record(change) for change in self._changes]
        changed = {change.alarm_id for change in found}
        going_on = [self._record(alarm) for alarm in self._alarms.values() if alarm.state != "pending"]
        return [*found, *(alarm for alarm in going_on if alarm.alarm_id not in changed)]

    def _is_folded(self, unfolded: Unfolded) -> bool:
        """Whether nothing is left to be done about it: it is evidence now, or no window that is watched."""
        if unfolded.start is None or unfolded.role is None or unfolded.size not in self._sizes:
            return True
        last = self._state.last
        return last is not None and self._place(unfolded.role, unfolded.size, unfolded.start).order <= last

    def _record(self, alarm: Alarm) -> AlarmRecord:
        return record(alarm, self._run.run_id, self._run.stream, error_unit(self._calibrator.layout))


def _window_score(place: Place, score: StoredScore) -> WindowScore:
    return WindowScore(
        role=place.role,
        size=place.size,
        start=place.start,
        due=place.due,
        season=place.season,
        z=score.z,
        shares=score.shares,
        errors=None if score.errors is None else errors_of(place.role, place.start, place.size, score.errors),
    )


def _log_change(alarm: AlarmRecord) -> None:
    """An event for each change, with what to do about it."""
    fields = {
        "run": alarm.run_id,
        "alarm": alarm.alarm_id,
        "about": headline(alarm.message),
        "harm": alarm.harm,
        "evidence": round(alarm.value, 2),
    }
    if alarm.state == "firing":
        log.warning("alarm_firing", **fields, do=f"look at `driftline alarms show {alarm.alarm_id}`")
    elif alarm.state == "recovered":
        log.info("alarm_recovered", **fields)
    else:
        log.info("alarm_withdrawn", **fields, reason="late rows took the evidence away")
