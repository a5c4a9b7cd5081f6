"""How far the windows of a run have been planned, and which of them come next. Pure.

A plan yields its queries and is sent the answers (`plan_queries`): `planning` answers them from the database, tests
from memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from math import inf

import msgspec

from monitor.scheduling.close_times import CloseTimes
from monitor.scheduling.plan_queries import FirstPane, LastPane, PlanSteps, WindowsBetween
from monitor.scheduling.readiness import RunProgress, Watermarks, advanced, due, growing, start_of
from runtime.backoff import backoff_s
from schemas.definition import Records, Role
from schemas.watermark import END, NEVER
from storage.windows import StoredRun, WindowKey, WindowScan, joined_with

BATCH = 64
"""Windows of one size that are planned at a time."""

OPEN_SHOWN = 3
"""Number of open windows, of one stream and size, that are shown while they fill: the newest."""


class Track:
    """The windows of one size of the events or the labels of a run; joined: what their rows are joined with.

    frontier: all windows that start before it are final. planned: those that start before it were queued since the
    last sweep.
    """

    def __init__(self, records: Records, joined: Records | None, size: int, frontier: int) -> None:
        self.records = records
        self.joined = joined
        self.size = size
        self.frontier = frontier
        self.planned = frontier

    def scan(self, watermarks: Watermarks) -> PlanSteps[WindowScan]:
        """Scan the next closed windows that have rows."""
        start, closed = max(self.frontier, self.planned), start_of(watermarks.watermark, self.size)
        pane = yield FirstPane(self.records, start)
        first = END if pane is None else start_of(pane, self.size)
        end = min(closed, first + BATCH * self.size)
        if end <= first:
            return WindowScan(self.size, start, min(first, closed), {}, {})
        found: WindowScan = yield WindowsBetween(self.records, self.joined, self.size, first, end)
        return WindowScan(self.size, start, end, found.holds, found.written)

    def filling(self, watermarks: Watermarks, min_rows: int) -> PlanSteps[list[int]]:
        """Starts of the open windows that have something new to show. min_rows: that a verdict needs."""
        newest = yield LastPane(self.records)
        if newest is None:
            return []
        first = start_of(newest, self.size) - (OPEN_SHOWN - 1) * self.size
        first = max(first, start_of(watermarks.watermark, self.size))
        found: WindowScan = yield WindowsBetween(self.records, self.joined, self.size, first, END)
        return growing(found, watermarks, min_rows)

    def take(self, scan: WindowScan, watermarks: Watermarks) -> bool:
        """Note that a scan was queued. Returns whether the frontier moved."""
        self.planned = scan.end
        before, self.frontier = self.frontier, advanced(self.frontier, scan, watermarks)
        return self.frontier > before

    def lags(self, watermarks: Watermarks) -> bool:
        """Whether windows before `planned` may be final by now, and have to be scanned again."""
        return self.frontier < min(self.planned, start_of(watermarks.strict, self.size))


class Retry(msgspec.Struct, frozen=True):
    """A window that failed, or that another monitor computes.

    at: when to try it again, monotonic seconds. since: when another monitor was first found to compute it, if any.
    """

    window: WindowKey
    at: float
    failures: int = 0
    reason: str = ""
    since: float | None = None


class RunPlan:
    """What is left to do for one run. Monotonic seconds are arguments.

    queue: windows to compute now. tries: those to try again, by name.
    """

    def __init__(
        self,
        run: StoredRun,
        sizes: Sequence[int],
        frontiers: Mapping[tuple[str, int], int],
        open_every_s: float,
        min_rows: int,
    ) -> None:
        self.run = run
        self.close_times = CloseTimes()
        self.tracks = [
            Track(records, joined_with(run.stream, records), size, frontiers.get((records.role, size), NEVER))
            for records in run.stream.topics
            for size in sizes
        ]
        self.queue: deque[WindowKey] = deque()
        self.tries: dict[str, Retry] = {}
        self._filling: deque[WindowKey] = deque()
        self._open_every_s = open_every_s
        self._min_rows = min_rows
        self._progress: RunProgress | None = None
        self._swept: RunProgress | None = None
        self._swept_at = self._sweep_at = -inf
        self._behind = True

    @property
    def done(self) -> bool:
        return all(track.frontier == END for track in self.tracks)

    @property
    def busy(self) -> bool:
        """Whether there is something to do at once."""
        return bool(self.queue or self._filling or self._behind)

    @property
    def quiet(self) -> bool:
        """Whether nothing can become due until the run moves."""
        return not (self.busy or self.tries) and self._progress is not None and self._progress is self._swept

    @property
    def marks(self) -> tuple[int, ...]:
        """How many windows of each track have closed, as starts: where it moves, there may be more to fold."""
        known = self._progress.watermarks if self._progress else {}
        return tuple(start_of(known[t.records.role].watermark, t.size) if known else NEVER for t in self.tracks)

    def refill(self, progress: RunProgress, now: float) -> PlanSteps[list[Track]]:
        """Queue the windows that have closed, or else one that is open.

        Args:
            progress: Of the run, in the snapshot that answers what is yielded.
            now: Monotonic seconds.

        Yields:
            Queries on the tables.

        Returns:
            The tracks whose frontier moved.
        """
        if self._progress is None or not progress.same_as(self._progress):
            self._progress = progress
        elif self.quiet:
            return []
        self.close_times.record(progress.watermarks, progress.moved_at)
        retried = [t.window for t in self.tries.values() if t.at <= now]
        moved, found = yield from self._scan_all(progress.watermarks)
        fresh = [window for window in found if window.name not in self.tries]
        self.queue.extend(sorted([*retried, *fresh], key=lambda window: (window.end, window.size)))
        if not self.queue:
            yield from self._sweep(progress, now)
        return moved

    def _scan_all(self, watermarks: Mapping[Role, Watermarks]) -> PlanSteps[tuple[list[Track], list[WindowKey]]]:
        moved: list[Track] = []
        found: list[WindowKey] = []
        self._behind = False
        for track in self.tracks:
            own = watermarks[track.records.role]
            scan = yield from track.scan(own)
            starts = due(scan, own)
            if track.take(scan, own):
                moved.append(track)
            self._behind |= bool(starts) or scan.end < start_of(own.watermark, track.size)
            if not starts and not self.tries and track.lags(own):
                track.planned, self._behind = track.frontier, True
            found.extend(WindowKey(self.run.run_id, track.records, track.size, start) for start in starts)
        return moved, found

    def _sweep(self, progress: RunProgress, now: float) -> PlanSteps[None]:
        """Look for open windows with new rows, and for rows of provisional ones, at most a fifth of the time."""
        if not self._filling and self._swept_at > self._sweep_at:
            self._sweep_at = self._swept_at + max(self._open_every_s, 5 * (now - self._swept_at))
        if not self._filling and self._progress is not self._swept and now >= self._sweep_at:
            self._swept, self._swept_at = self._progress, now
            for track in self.tracks:
                track.planned = track.frontier
                starts = yield from track.filling(progress.watermarks[track.records.role], self._min_rows)
                self._filling.extend(
                    WindowKey(self.run.run_id, track.records, track.size, start) for start in starts
                )
            self._behind = True
        if self._filling:
            self.queue.append(self._filling.popleft())

    def set_back(self, track: Track, start: int) -> None:
        """Plan a track's windows from `start` on again."""
        track.frontier = track.planned = start
        self._behind = True

    def settled(self, window: WindowKey) -> None:
        """Note that a window is written, so that the frontier may move."""
        self.tries.pop(window.name, None)
        self._behind = True

    def taken(self, window: WindowKey, now: float) -> None:
        """Note that another monitor computes a window. It is tried again soon, in case that monitor dies."""
        known = self.tries.get(window.name, Retry(window, now))
        since = now if known.since is None else known.since
        self.tries[window.name] = msgspec.structs.replace(known, at=now + 0.05, since=since)

    def withheld(self, since: float) -> list[WindowKey]:
        """List the windows that another monitor has had since `since` (monotonic seconds) or longer."""
        return [t.window for t in self.tries.values() if t.since is not None and t.since <= since]

    def failed(self, window: WindowKey, reason: str, now: float) -> Retry:
        """Note that a window failed. It is tried again after 0.2 s, twice that after each failure, up to 30 s."""
        known = self.tries.get(window.name)
        failures = known.failures + 1 if known else 1
        self.tries[window.name] = Retry(window, now + backoff_s(failures, 0.2, 30.0), failures, reason)
        return self.tries[window.name]
