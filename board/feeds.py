"""Live updates: one listener to Postgres, and one reader of the database for all pages that show the same.

A page is sent what changed at most four times a second, and whatever came in between at once. One that does not
keep up is dropped; its browser comes back by itself and reads the whole board anew. Nothing waits in a queue that
may grow.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any

import msgspec
import orjson
import structlog

from board.board_data import BoardReader, read_annotations
from board.database import Database, Reader
from board.http_errors import Busy, Problem
from board.metrics import Metrics
from board.runs import find_run
from board.status import read_status
from board.window_arrays import BoardWindow
from runtime.backoff import Backoff
from schemas.definition import EVENTS
from schemas.durations import duration_text
from schemas.notices import PROGRESS, WINDOW, WindowNotice, decode
from storage.connect import AsyncConnection
from storage.errors import Error
from storage.notices import listen_statement
from storage.refusal import refuses

log = structlog.get_logger()

APART_S = 0.25
"""Between two messages of windows."""
MOVING_S, STILL_S = 1.0, 5.0
"""Between two messages of the status, while the run moves and while it does not."""
PING_S = 5.0
BACKLOG = 32
"""Messages that a page may be behind."""
OVERLAP_S = 15
"""Added to the time since it was last known that nothing was missed, when what was written is read again."""
ALIVE_S = 10.0
POLL_S = 1.0
"""Between two readings of what was written, where notifications do not arrive."""
FIRST_RETRY_S, LAST_RETRY_S = 0.25, 2.0
SKEW_S = 10.0
"""How far the clock of Postgres may be ahead of ours."""


def steady_clock() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def encode_event(name: str, data: Any) -> bytes:
    """Encode a server-sent event with JSON data."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


class Feed:
    """The updates of one run and window size, for all pages that show it. Run "": of none, until one begins."""

    def __init__(
        self, database: Database, board_reader: BoardReader, metrics: Metrics, run: str, size_s: int
    ) -> None:
        self.run, self.size_s = run, size_s
        self.clients = 0
        self.published = self.status_version = 0
        self.status = b""
        self._database, self._board_reader, self._metrics = database, board_reader, metrics
        self._backlog: deque[bytes] = deque(maxlen=BACKLOG)
        self._changed: set[int] = set()
        self._missed_since = inf
        self._moved = False
        self._due = 0.0
        self._away = False
        self._other_sizes: set[int] = set()
        self._news, self._work = asyncio.Event(), asyncio.Event()
        self._began = steady_clock()
        self._measured: set[int] = set()

    def window_written(self, notice: WindowNotice) -> None:
        """Note that a window of this run was written."""
        self._moved = True
        if notice.size_s == self.size_s:
            self._changed.add(notice.start)
            self._work.set()
        elif notice.size_s not in self._other_sizes:
            self._other_sizes.add(notice.size_s)
            self.publish(encode_event("sizes", {"size": duration_text(1_000 * notice.size_s)}))

    def progressed(self) -> None:
        """Note that records of this run were read."""
        self._moved = True

    def reread_since(self, since: float) -> None:
        """Read what was written from a moment of `steady_clock` on, since notifications may have been missed."""
        self._missed_since = min(self._missed_since, since)
        self._work.set()

    def publish(self, message: bytes) -> None:
        """Send a message to every page that follows."""
        self._backlog.append(message)
        self.published += 1
        self._wake()

    def messages_since(self, seen: int) -> list[bytes] | None:
        """Return the messages after the first `seen`, in order; None where some of them are gone."""
        new = self.published - seen
        if new > len(self._backlog):
            return None
        return list(self._backlog)[len(self._backlog) - new :]

    async def wait_for_message(self) -> None:
        """Wait until something is published."""
        await self._news.wait()

    async def recent_windows(self) -> bytes:
        """Read the windows written in the last seconds, for a page that begins to follow.

        Raises:
            Unavailable: The database does not answer.
        """
        if not self.run:
            return b""
        async with self._database.snapshot() as reader:
            starts = await self._written(reader, steady_clock())
            return await self._windows(reader, starts) if starts else b""

    async def run_updates(self) -> None:
        """Read the database whenever there is a reason to, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._due - time.monotonic())):
                    await self._work.wait()
            self._work.clear()
            try:
                await self._read_changes()
            except Problem as problem:
                self._publish_outage(problem)
            except Exception:
                log.exception("feed_failed", run=self.run, size_s=self.size_s)
            await asyncio.sleep(APART_S)

    async def _read_changes(self) -> None:
        if not self.run:
            self._due = time.monotonic() + STILL_S
            return
        changed, self._changed = self._changed, set()
        unsure, self._missed_since = self._missed_since, inf
        due = bool(changed) or time.monotonic() >= self._due
        self._due = time.monotonic() + (MOVING_S if self._moved else STILL_S)
        self._moved = False
        try:
            async with self._database.snapshot() as reader:
                if unsure < inf:
                    changed |= await self._written(reader, unsure)
                windows = await self._windows(reader, changed, live=unsure == inf) if changed else b""
                run = await find_run(reader, self.run)
                state = (
                    encode_event("status", await read_status(reader, run, self.size_s))
                    if due or self._away
                    else b""
                )
        except Problem:
            self._changed |= changed
            self._missed_since = min(self._missed_since, unsure)
            raise
        self._away = False
        if windows:
            self.publish(windows)
        if state:
            self.status, self.status_version = state, self.status_version + 1
            self._wake()

    async def _written(self, reader: Reader, since: float) -> set[int]:
        """Return the starts of windows written from a moment of `steady_clock` on, and a few seconds before."""
        where = {"run": self.run, "size_s": self.size_s, "seconds": steady_clock() - since + OVERLAP_S}
        return {start for (start,) in await reader.rows("written_since", **where)}

    async def _windows(self, reader: Reader, starts: Iterable[int], *, live: bool = False) -> bytes:
        run = await find_run(reader, self.run)
        columns, rows, windows = await self._board_reader.windows(reader, run, self.size_s, starts)
        now = time.time()
        if live:
            self._measure(rows, now)
        annotations = await read_annotations(reader, self.run, self.size_s)
        return encode_event(
            "windows", {"columns": columns, "windows": windows, "now": round(now * 1_000), **annotations}
        )

    def _measure(self, rows: Iterable[BoardWindow], now: float) -> None:
        """Observe how long ago windows closed, when their rows are sent for the first time.

        Left out: what closed before this feed began, and where the wall clock was set in between.
        """
        for row in rows:
            age = now - row.wall / 1_000
            if row.closed and row.start not in self._measured and -SKEW_S < age <= steady_clock() - self._began:
                self._measured.add(row.start)
                self._metrics.visible.observe(max(0.0, age))

    def _publish_outage(self, problem: Problem) -> None:
        """Say so as long as it lasts: a page that receives nothing believes that the board is gone."""
        self._away = True
        self.publish(encode_event("away", {"error": problem.what, "do": problem.do}))

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Hub:
    """All feeds, and their listener to Postgres. limit: pages at once."""

    def __init__(self, database: Database, board_reader: BoardReader, metrics: Metrics, limit: int) -> None:
        self._database, self._board_reader, self._metrics, self._limit = database, board_reader, metrics, limit
        self._feeds: dict[tuple[str, int], tuple[Feed, asyncio.Task[None]]] = {}
        self._clients = 0
        self._newest: str | None = None
        self._older: set[tuple[str, bool]] = set()
        self._refreshing: asyncio.Task[None] | None = None
        self._refresh_due = False
        self.listening = False
        self._in_sync_at = steady_clock()
        """When it was last known that no notification was missed, by `steady_clock`."""
        self.closing = asyncio.Event()

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Hold a place among the pages that follow, before the database is asked.

        Raises:
            Busy: All places are taken.
        """
        if self._clients >= self._limit:
            raise Busy(f"{self._limit} pages are open already", "close one that nobody looks at")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    @contextmanager
    def subscribe(self, run: str, size_s: int) -> Iterator[Feed]:
        """Follow a run and size, for a page that has a place."""
        feed = self._feed(run, size_s)
        feed.clients += 1
        if not run:  # one may have begun since this page asked
            self._newest = None
            self._refresh_newest()
        try:
            yield feed
        finally:
            feed.clients -= 1
            if not feed.clients:
                self._feeds.pop((run, size_s))[1].cancel()

    def _feed(self, run: str, size_s: int) -> Feed:
        if (run, size_s) not in self._feeds:
            feed = Feed(self._database, self._board_reader, self._metrics, run, size_s)
            self._feeds[run, size_s] = feed, asyncio.create_task(feed.run_updates())
        return self._feeds[run, size_s][0]

    def _count(self, more: int) -> None:
        self._clients += more
        self._metrics.clients.set(self._clients)

    async def listen(self) -> None:
        """Receive notifications of Postgres until cancelled, and connect again whenever it went away."""
        backoff = Backoff(FIRST_RETRY_S, LAST_RETRY_S)
        while True:
            try:
                async with self._database.listener() as connection:
                    if connection.pooled:
                        backoff.reset()
                        await self._poll(connection)
                    for channel in (WINDOW, PROGRESS):
                        await connection.execute(listen_statement(channel))
                    backoff.reset()
                    await self._receive(connection)
            except Error as error:
                if self.listening or backoff.is_fresh:
                    reason = await self._database.explain_failure(error)
                    do = self._database.refusal_advice() if refuses(reason) else "it goes on when Postgres is back"
                    log.warning("database_down", error=reason, do=do)
            except Exception:
                log.exception("listening_failed")
            self._set_listening(False)
            await asyncio.sleep(backoff.next_s())

    async def _receive(self, connection: AsyncConnection) -> None:
        """Dispatch notifications, and check now and then whether the connection still lives."""
        self._set_listening(True)
        log.info("listening")
        self._refresh_newest()
        for feed, _ in self._feeds.values():
            feed.reread_since(self._in_sync_at)
        while True:
            self._in_sync_at = steady_clock()
            async for note in connection.notifies(timeout=ALIVE_S):
                self._dispatch(note.channel, note.payload)
            await connection.execute("SELECT 1")

    async def _poll(self, connection: AsyncConnection) -> None:
        """Behind a pooler no notification arrives: read now and then what was written."""
        self._set_listening(True)
        log.info("polling", why="a connection pooler passes no notifications on", every_s=POLL_S)
        while True:
            since, self._in_sync_at = self._in_sync_at, steady_clock()
            await connection.execute("SELECT 1")
            self._refresh_newest()
            for feed, _ in self._feeds.values():
                feed.reread_since(since)
            await asyncio.sleep(POLL_S)

    def _dispatch(self, channel: str, payload: str) -> None:
        if channel == PROGRESS:
            self._progressed(payload)
            return
        try:
            note = decode(payload)
        except msgspec.DecodeError:
            log.warning("note_not_understood", payload=payload[:200])
            return
        self._progressed(note.run, tested=note.stream == EVENTS and note.status in ("final", "provisional"))
        for (run, _), (feed, _) in self._feeds.items():
            if run == note.run:
                feed.window_written(note)

    def _progressed(self, moved: str, *, tested: bool = False) -> None:
        """A run may become the newest one of use when it begins, and when a window of it was tested."""
        for (run, _), (feed, _) in self._feeds.items():
            if run == moved:
                feed.progressed()
        if moved != self._newest and (moved, tested) not in self._older:
            if len(self._older) > 1_000:
                self._older.clear()
            self._older.add((moved, tested))
            self._refresh_newest()

    def _refresh_newest(self) -> None:
        self._refresh_due = True
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._read_newest())

    async def _read_newest(self) -> None:
        """Announce the newest run to every page that shows another; again where something changed meanwhile."""
        while self._refresh_due:
            self._refresh_due = False
            try:
                async with self._database.snapshot() as reader:
                    row = await reader.row("newest_run")
            except Problem:
                self._older.clear()
                return
            self._announce_newest(row[0] if row else None)

    def _announce_newest(self, newest: str | None) -> None:
        if newest is not None and newest != self._newest:
            self._newest = newest
            for (run, _), (feed, _) in self._feeds.items():
                if run != newest:
                    feed.publish(encode_event("run", {"run": newest}))

    @property
    def confirmed_recently(self) -> bool:
        """Whether Postgres answered the listener a moment ago."""
        return self.listening and steady_clock() - self._in_sync_at < 3 * ALIVE_S

    def _set_listening(self, whether: bool) -> None:
        self.listening = whether
        self._metrics.listening.set(whether)

    async def close(self) -> None:
        """End all feeds and their pages."""
        self.closing.set()
        for _, task in self._feeds.values():
            task.cancel()
