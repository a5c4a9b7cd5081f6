"""Schedules all runs side by side: closed windows first, open ones when there is nothing else to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from math import inf

import msgspec
import structlog

from models.lookup import MANUFACTURED
from monitor.engine import Engine, check_model
from monitor.gauges import MonitorGauges
from monitor.publishing import Publisher, publishing
from monitor.scheduling.close_times import WindowMeter
from monitor.scheduling.fold_job import FoldWorker
from monitor.scheduling.folds import Folds
from monitor.scheduling.plan import RunPlan
from monitor.scheduling.planning import read_progress, run_steps
from monitor.scheduling.readiness import Patience
from monitor.scheduling.turns import Turns
from monitor.scheduling.window_job import TAKEN, WindowWorker, log_fields
from monitor.settings import Settings
from monitor.sizes import fits, misfit
from monitor.starting import INSTANCE
from schemas.advice import SHARED_PREFIX
from schemas.definition import Records
from schemas.durations import duration_text
from schemas.errors import DriftlineError, ModelUnusable
from storage.compact import Chunk, groups
from storage.errors import DataCorrupted, explain
from storage.panes import ChunkCache
from storage.results import ResultStore, open_store
from storage.retry import run_sessions
from storage.windows import Receipt, StoredRun, WindowKey

log = structlog.get_logger()

TURN_S = 0.2
"""Seconds that one run is served before the others, and that chunks are merged before windows are computed."""

WITHHELD_S = 60.0
"""From then on the monitor is unhealthy if others hold windows and do not write them."""

COMPACT_S = 5.0
HEALTH_S = 2.0
SURVEY_S = 30.0
ENOUGH_WINDOWS = 24
"""A size is called too small if most of its windows have too few rows, and there are this many."""


class Scheduler:
    """One session with the database. Any method may raise `storage.errors.Error`; begin a new session then."""

    def __init__(
        self,
        store: ResultStore,
        worker: WindowWorker,
        model: str,
        settings: Settings,
        gauges: MonitorGauges,
        *,
        folder: FoldWorker | None = None,
        publisher: Publisher | None = None,
    ) -> None:
        """Begin.

        Args:
            store: The database.
            worker: Computes windows.
            model: Hash of the loaded model.
            settings: Of the monitor.
            gauges: What Prometheus reads.
            folder: Makes alarms of what is written; None: nobody does.
            publisher: Publishes their changes; None: others do.
        """
        self._store = store
        self._worker = worker
        self._model = model
        self._settings = settings
        self._watched = {
            "model": model,
            "stream": settings.stream.name,
            "sizes_s": [size // 1_000 for size in settings.sizes],
        }
        self._patience = patience(settings)
        self._plans: dict[str, RunPlan] = {}
        self._turns = Turns()
        self._skipped: dict[str, StoredRun] = {}
        self._audited: set[str] = set()
        self._unmergeable: set[tuple[str, str, int, int]] = set()
        self._meter = WindowMeter(time.monotonic())
        self._gauges = gauges
        self._polled = self._reported = self._surveyed = self._compacted = self._complained = -inf
        self._done = self._waiting = False
        self._small: set[tuple[str, int]] = set()
        self._folds = Folds(store, folder, gauges, settings) if folder else None
        self._publisher = publisher

    def run(self, stop: threading.Event) -> None:
        """Work until stopped, or until the named run is final. Raises DriftlineError if that can never happen."""
        moved: set[str] = set()
        while not stop.is_set():
            polled = self._poll(moved)
            known = self._plans.items()
            self._turns.add(
                run for run, plan in known if polled or not plan.quiet or run in moved or self._has_more(run)
            )
            busy = self._round(stop)
            if not busy:
                self._compact(time.monotonic())
            self._report(time.monotonic(), last=self._done)
            if self._done:
                return
            moved = self._store.wait(0.0 if busy else 0.1)

    def _has_more(self, run_id: str) -> bool:
        """Whether more of this run can be folded at once."""
        return self._folds is not None and run_id in self._folds.due

    def _round(self, stop: threading.Event) -> bool:
        """Serve the runs that are due; small runs share one turn. Returns whether there is more to do."""
        busy, ends = False, time.monotonic() + TURN_S
        for run_id, can_wait in self._turns.round([*self._plans]):
            busy |= self._serve(self._plans[run_id], stop)
            if not can_wait:
                ends = time.monotonic() + TURN_S
            elif time.monotonic() > ends:
                break
        return busy or bool(self._turns)

    def _poll(self, moved: set[str]) -> bool:
        """Find the runs with something left to do, at an interval, and when an unknown run moves."""
        now, only = time.monotonic(), self._settings.until_done
        if now - self._polled < self._settings.poll_s and moved <= {*self._plans, *self._skipped}:
            return False
        self._polled = now
        with self._store.snapshot() as snapshot:
            found = snapshot.runs(self._settings.sizes, self._settings.stream, only, folds=self._folds is not None)
            runs = {run.run_id: run for run in found}
            new = [run for run in runs.values() if not self._is_met(run)]
            frontiers = snapshot.frontiers([run.run_id for run in new])
            for run in new:
                self._meet(run, frontiers.get(run.run_id, {}))
            if only is not None and only not in runs:
                self._done = snapshot.run(only, self._settings.stream) is not None
                if not self._done and not self._waiting:
                    self._waiting = True
                    do = f"start a consumer, or look at `driftline runs`; {SHARED_PREFIX}"
                    log.info("waiting_for_run", run=only, do=do)
        if self._folds:
            self._folds.poll([*self._plans])
            self._publish()
        # In the order of `runs`: that with the most rows first.
        self._plans = {run_id: self._plans[run_id] for run_id in runs if run_id in self._plans}
        self._report_withheld(now)
        return True

    def _publish(self) -> None:
        """Let changes of alarms be published, whoever made them."""
        count = self._store.unpublished()
        self._gauges.unpublished(count)
        if count and self._publisher is not None:
            self._publisher.wake()

    def _report_withheld(self, now: float) -> None:
        """Count the round; warn once a minute about windows that other sessions hold."""
        withheld = [window for plan in self._plans.values() for window in plan.withheld(now - WITHHELD_S)]
        self._gauges.withheld = len(withheld)
        self._gauges.record_round()
        if withheld and now - self._complained >= WITHHELD_S:
            self._complained = now
            do = "end who holds rows of driftline.claim: pg_locks names them"
            log.warning("windows_withheld", **log_fields(withheld[0]), count=len(withheld), do=do)

    def _is_met(self, run: StoredRun) -> bool:
        """Whether it is planned or skipped: this very run, not one that was removed since and had its name.

        A planned run may have been given the reference that is loaded here, by another monitor.
        """
        if (plan := self._plans.get(run.run_id)) is None:
            return self._skipped.get(run.run_id) == run
        planned = msgspec.structs.replace(plan.run, reference=run.reference)
        return planned == run and run.reference in (None, self._model)

    def _meet(self, run: StoredRun, frontiers: Mapping[tuple[str, int], int]) -> None:
        """Plan a run that is new, as far as its windows can be computed here."""
        self._plans.pop(run.run_id, None)
        try:
            check_model(run, self._model, self._settings.stream)
            sizes = _check_sizes(run, self._settings.sizes, strict=self._settings.until_done is not None)
        except DriftlineError as error:
            if self._settings.until_done is not None:
                raise
            if run.reference != MANUFACTURED:
                log.error("run_skipped", run=run.run_id, reason=error.what, do=error.do)
            self._skipped[run.run_id] = run
            return
        self._audited.discard(run.run_id)
        self._plans[run.run_id] = RunPlan(
            run, sizes, frontiers, self._settings.open_every_s, self._settings.metrics.min_rows
        )

    def _serve(self, plan: RunPlan, stop: threading.Event) -> bool:
        """Plan a run, unless windows are planned still, and compute for a while; whether there is more to do."""
        if not plan.queue:
            with self._store.snapshot() as snapshot:
                progress = read_progress(snapshot, plan.run, self._patience)
                moved = run_steps(plan.refill(progress, time.monotonic()), snapshot, plan.run.run_id)
            for track in moved:
                self._store.advance(plan.run.run_id, track.records.role, track.size, track.frontier)
            if moved and plan.done:
                self._audit(plan)
                self._polled = -inf
        deadline = time.monotonic() + TURN_S
        while plan.queue and time.monotonic() < deadline and not stop.is_set():
            self._attempt(plan, plan.queue.popleft())
        return self._fold(plan) or plan.busy

    def _fold(self, plan: RunPlan) -> bool:
        """Make evidence of what was written; whether there is more of it."""
        if self._folds is None:
            return False
        receipt = self._folds.fold(plan, time.monotonic())
        if receipt is not None and receipt.changes:
            self._publish()
        if receipt is not None and receipt.done and plan.done:
            self._polled = -inf
        return receipt is not None and receipt.more

    def _attempt(self, plan: RunPlan, window: WindowKey) -> None:
        """Compute one window. A failure affects this window only."""
        known = plan.tries.get(window.name)
        hopeless = known is not None and known.failures >= self._settings.attempts
        try:
            outcome = self._worker.compute(
                plan.run, window, plan.close_times, known.reason if known and hopeless else None
            )
        except ModelUnusable:  # another monitor has decided on the run's reference: it is met anew
            plan.queue.clear()
            self._polled = -inf
            return
        except Exception as error:
            if explain(error, self._settings.database_url) and not isinstance(error, DataCorrupted):
                raise  # no fault of the window; a damaged page is one of its rows
            self._gauges.record_failure(window)
            tried = plan.failed(window, f"{type(error).__name__}: {error}", time.monotonic())
            log.warning(
                "window_failed", **log_fields(window), failures=tried.failures, exc_info=tried.failures == 1
            )
            return
        if outcome == TAKEN:
            plan.taken(window, time.monotonic())
            return
        plan.settled(window)
        if isinstance(outcome, Receipt):
            plan.run = msgspec.structs.replace(plan.run, reference=self._model)  # it is stored now
            if self._folds and outcome.status != "open":
                self._folds.note(window.run_id)
            self._meter.record(outcome.latency, window.size)
            self._gauges.record_written(window, outcome)

    def _compact(self, now: float) -> None:
        """Merge the small chunks of slow streams, at an interval."""
        if now - self._compacted < COMPACT_S:
            return
        self._compacted = now
        for plan in self._plans.values():
            for records in plan.run.stream.topics:
                with self._store.snapshot() as snapshot:
                    chunks = snapshot.chunk_sizes(plan.run.run_id, records.topic)
                for partition, known in chunks.items():
                    for group in groups(known):
                        if time.monotonic() > now + TURN_S:
                            return
                        self._merge(plan.run, records, partition, group)
            if time.monotonic() > now + TURN_S:
                return

    def _merge(self, run: StoredRun, records: Records, partition: int, group: list[Chunk]) -> None:
        place = (run.run_id, records.topic, partition, group[0].first_offset)
        if place not in self._unmergeable:
            try:
                self._store.merge(run, records, partition, group)
            except ValueError as error:
                self._unmergeable.add(place)
                log.warning("chunks_not_merged", run=run.run_id, reason=str(error))

    def _warn_of_small_windows(self, run: StoredRun) -> None:
        """Warn, once for each size, that most of its windows have too few rows for a verdict."""
        min_rows = self._settings.metrics.min_rows
        for shortage in self._store.shortages(run.run_id, min_rows):
            if shortage.windows >= ENOUGH_WINDOWS and (run.run_id, shortage.size_s) not in self._small:
                self._small.add((run.run_id, shortage.size_s))
                log.warning("windows_too_small", run=run.run_id, reason=shortage.describe(min_rows))

    def _audit(self, plan: RunPlan) -> None:
        """Check, once a run has ended, that every row is in a result; if not, log it and compute again."""
        run_id = plan.run.run_id
        if run_id in self._audited:
            return
        self._audited.add(run_id)
        for track in plan.tracks:
            with self._store.snapshot() as snapshot:
                start = snapshot.behind(run_id, track.records, track.size)
            if start is not None:
                log.error("rows_behind_frontier", **log_fields(WindowKey(run_id, track.records, track.size, start)))
                self._store.set_back(run_id, track.records.role, track.size, start)
                plan.set_back(track, start)

    def _report(self, now: float, *, last: bool) -> None:
        if now - self._reported < HEALTH_S and not last:
            return
        self._reported = now
        if now - self._surveyed >= SURVEY_S:
            self._surveyed = now
            for plan in self._plans.values():
                self._warn_of_small_windows(plan.run)
        pending = sum(len(plan.queue) + len(plan.tries) for plan in self._plans.values())
        self._gauges.pending(pending)
        measures = self._meter.measures(now, pending)
        self._store.report_health(
            INSTANCE, self._settings.until_done, measures | self._watched | self._gauges.publishing
        )
        if measures["windows_per_s"]:
            log.info("health", **measures)


def run_scheduler(
    settings: Settings, stop: threading.Event, engine: Engine, gauges: MonitorGauges | None = None
) -> None:
    """Run sessions with the database, one after the other; caches and metrics are kept between them.

    Args:
        settings: Of the monitor.
        stop: Ends it.
        engine: Computes the figures.
        gauges: What Prometheus reads.

    Raises:
        DriftlineError: Trying again cannot help.
    """
    cache, gauges = ChunkCache(settings.cache_mb * 1_000_000), gauges or MonitorGauges()
    alarms = settings.promise is not None
    calibrator = engine.calibrator if alarms else None

    def session() -> None:
        with open_store(settings.database_url) as store:
            store.forget_health()
            store.keep_reference(engine.model, engine.error)
            if alarms and engine.summarizer is not None:
                store.keep_layout(engine.summarizer.layout.hash, engine.summarizer.layout.encode())
                if (divided := engine.summarizer.segments) is not None:
                    store.keep_layout(divided.hash, divided.encode())
            log.info(
                "watching",
                sizes=",".join(map(duration_text, settings.sizes)),
                min_rows=settings.metrics.min_rows,
                until_done=settings.until_done,
                model=engine.model[:12],
            )
            worker = WindowWorker(store, engine, cache, patience(settings), summarized=alarms)
            folder = FoldWorker(store, calibrator, patience(settings), settings) if calibrator else None
            Scheduler(store, worker, engine.model, settings, gauges, folder=folder, publisher=publisher).run(stop)

    with publishing(settings, gauges) as publisher:
        run_sessions(session, settings.database_url, stop, on_trouble=gauges.health.trouble)
        if publisher is not None:
            publisher.finish(stop)


def patience(settings: Settings) -> Patience:
    return Patience(alive=round(settings.alive_s * 1_000), idle=round(settings.idle_timeout_s * 1_000))


def _check_sizes(run: StoredRun, sizes: tuple[int, ...], *, strict: bool) -> tuple[int, ...]:
    """Those that are whole numbers of panes. strict: raise UsageError unless all are, else unless any is."""
    wrong = [size for size in sizes if not fits(size, run.pane)]
    if wrong and (strict or len(wrong) == len(sizes)):
        raise misfit(run.run_id, run.pane, wrong)
    if wrong:
        log.error("sizes_skipped", run=run.run_id, reason=str(misfit(run.run_id, run.pane, wrong)))
    return tuple(size for size in sizes if size not in wrong)
