"""What happens, told as it happens: one listener to Postgres, one reading of it for all who look at the same.

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

from board.database import Database, Reader
from board.http_errors import Busy, Problem
from board.metrics import Metrics
from board.overview import Picture, known_run, marks
from board.series import Row
from board.status import status
from runtime.backoff import Backoff
from schemas.definition import EVENTS
from schemas.durations import duration_text
from schemas.notices import PROGRESS, WINDOW, WindowNotice, decode
from storage.address import CORRECT
from storage.connect import AsyncConnection
from storage.errors import Error
from storage.notices import listen_statement
from storage.refusal import refuses

log = structlog.get_logger()

APART_S = 0.25
"""Between two messages of windows."""
MOVING_S, STILL_S = 1.0, 5.0
"""Between two of the status, while something moves and while nothing does."""
PING_S = 5.0
BACKLOG = 32
"""Messages that a page may be behind."""
OVERLAP_S = 15
"""How much further back to look than to when it was last known that nothing is missed."""
ALIVE_S = 10.0
POLL_S = 1.0
"""Between two looks for what was written, where nothing is heard of it."""
FIRST_RETRY_S, LAST_RETRY_S = 0.25, 2.0
SKEW_S = 10.0
"""How far the clock of Postgres may be ahead of ours."""


def steady() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def event(name: str, data: Any) -> bytes:
    """As server-sent events are written."""
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


class Feed:
    """One run in one size of windows, for all pages that look at it. Of no run (""): that one begins."""

    def __init__(self, database: Database, picture: Picture, metrics: Metrics, run: str, size_s: int) -> None:
        self.run, self.size_s = run, size_s
        self.clients = 0
        self.said = self.states = 0
        self.status = b""
        self._database, self._picture, self._metrics = database, picture, metrics
        self._backlog: deque[bytes] = deque(maxlen=BACKLOG)
        self._changed: set[int] = set()
        self._unsure = inf
        self._moved = False
        self._due = 0.0
        self._away = False
        self._other_sizes: set[int] = set()
        self._news, self._work = asyncio.Event(), asyncio.Event()
        self._began = steady()
        self._measured: set[int] = set()

    def note(self, note: WindowNotice) -> None:
        """A window of this run was written."""
        self._moved = True
        if note.size_s == self.size_s:
            self._changed.add(note.start)
            self._work.set()
        elif note.size_s not in self._other_sizes:
            self._other_sizes.add(note.size_s)
            self.tell(event("sizes", {"size": duration_text(1_000 * note.size_s)}))

    def moved(self) -> None:
        """Records of this run were read."""
        self._moved = True

    def missed(self, since: float) -> None:
        """Nobody listened from then on, by `steady`: look for what was written."""
        self._unsure = min(self._unsure, since)
        self._work.set()

    def tell(self, message: bytes) -> None:
        self._backlog.append(message)
        self.said += 1
        self._wake()

    def since(self, seen: int) -> list[bytes] | None:
        """What was said after `seen` messages, in order; None where some of it is forgotten."""
        new = self.said - seen
        if new > len(self._backlog):
            return None
        return list(self._backlog)[len(self._backlog) - new :]

    async def news(self) -> None:
        """Until there is something new."""
        await self._news.wait()

    async def lately(self) -> bytes:
        """The windows of the last seconds, for one that begins to follow. Raises Away."""
        if not self.run:
            return b""
        async with self._database.snapshot() as reader:
            starts = await self._written(reader, steady())
            return await self._windows(reader, starts) if starts else b""

    async def work(self) -> None:
        """Look at the database when there is a reason to, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._due - time.monotonic())):
                    await self._work.wait()
            self._work.clear()
            try:
                await self._look()
            except Problem as problem:
                self._tell_away(problem)
            except Exception:
                log.exception("feed_failed", run=self.run, size_s=self.size_s)
            await asyncio.sleep(APART_S)

    async def _look(self) -> None:
        if not self.run:
            self._due = time.monotonic() + STILL_S
            return
        changed, self._changed = self._changed, set()
        unsure, self._unsure = self._unsure, inf
        due = bool(changed) or time.monotonic() >= self._due
        self._due = time.monotonic() + (MOVING_S if self._moved else STILL_S)
        self._moved = False
        try:
            async with self._database.snapshot() as reader:
                if unsure < inf:
                    changed |= await self._written(reader, unsure)
                windows = await self._windows(reader, changed, live=unsure == inf) if changed else b""
                run = await known_run(reader, self.run)
                state = event("status", await status(reader, run, self.size_s)) if due or self._away else b""
        except Problem:
            self._changed |= changed
            self._unsure = min(self._unsure, unsure)
            raise
        self._away = False
        if windows:
            self.tell(windows)
        if state:
            self.status, self.states = state, self.states + 1
            self._wake()

    async def _written(self, reader: Reader, since: float) -> set[int]:
        """Windows from a moment of `steady` on, and of a few seconds before."""
        where = {"run": self.run, "size_s": self.size_s, "seconds": steady() - since + OVERLAP_S}
        return {start for (start,) in await reader.rows("written_since", **where)}

    async def _windows(self, reader: Reader, starts: Iterable[int], *, live: bool = False) -> bytes:
        run = await known_run(reader, self.run)
        columns, rows, windows = await self._picture.windows(reader, run, self.size_s, starts)
        now = time.time()
        if live:
            self._measure(rows, now)
        told = await marks(reader, self.run, self.size_s)
        return event("windows", {"columns": columns, "windows": windows, "now": round(now * 1_000), **told})

    def _measure(self, rows: Iterable[Row], now: float) -> None:
        """How old the closing of a window is, the first time that its row goes out.

        Not of what closed before this feed began, nor where the wall clock was set in between.
        """
        for row in rows:
            age = now - row.wall / 1_000
            if row.closed and row.start not in self._measured and -SKEW_S < age <= steady() - self._began:
                self._measured.add(row.start)
                self._metrics.visible.observe(max(0.0, age))

    def _tell_away(self, problem: Problem) -> None:
        """As long as it is so: a page that hears nothing thinks that it is the board that went away."""
        self._away = True
        self.tell(event("away", {"error": problem.what, "do": problem.do}))

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Hub:
    """All feeds, and the one who listens for them. limit: pages at once."""

    def __init__(self, database: Database, picture: Picture, metrics: Metrics, limit: int) -> None:
        self._database, self._picture, self._metrics, self._limit = database, picture, metrics, limit
        self._feeds: dict[tuple[str, int], tuple[Feed, asyncio.Task[None]]] = {}
        self._clients = 0
        self._newest: str | None = None
        self._older: set[tuple[str, bool]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._unseen = False
        self.listening = False
        self._sure = steady()
        """When it was last known that no note of Postgres is missed."""
        self.closing = asyncio.Event()

    @contextmanager
    def room(self) -> Iterator[None]:
        """A place among the pages that follow. Raises Busy where there is none: before the database is asked."""
        if self._clients >= self._limit:
            raise Busy(f"{self._limit} pages are open already", "close one that nobody looks at")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    @contextmanager
    def follow(self, run: str, size_s: int) -> Iterator[Feed]:
        """For one that has a place."""
        feed = self._feed(run, size_s)
        feed.clients += 1
        if not run:  # one may have begun since this page was told that there is none
            self._newest = None
            self._look_for_runs()
        try:
            yield feed
        finally:
            feed.clients -= 1
            if not feed.clients:
                self._feeds.pop((run, size_s))[1].cancel()

    def _feed(self, run: str, size_s: int) -> Feed:
        if (run, size_s) not in self._feeds:
            feed = Feed(self._database, self._picture, self._metrics, run, size_s)
            self._feeds[run, size_s] = feed, asyncio.create_task(feed.work())
        return self._feeds[run, size_s][0]

    def _count(self, more: int) -> None:
        self._clients += more
        self._metrics.clients.set(self._clients)

    async def listen(self) -> None:
        """Until cancelled: hear what Postgres tells, and begin again whenever it went away."""
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
                    await self._heard(connection)
            except Error as error:
                if self.listening or backoff.is_fresh:
                    said = await self._database.explained(error)
                    do = CORRECT if refuses(said) else "it goes on when Postgres is back"
                    log.warning("database_down", error=said, do=do)
            except Exception:
                log.exception("listening_failed")
            self._listens(False)
            await asyncio.sleep(backoff.next_s())

    async def _heard(self, connection: AsyncConnection) -> None:
        """Pass on what comes, and ask now and then whether the connection still lives."""
        self._listens(True)
        log.info("listening")
        self._look_for_runs()
        for feed, _ in self._feeds.values():
            feed.missed(self._sure)
        while True:
            self._sure = steady()
            async for note in connection.notifies(timeout=ALIVE_S):
                self._pass_on(note.channel, note.payload)
            await connection.execute("SELECT 1")

    async def _poll(self, connection: AsyncConnection) -> None:
        """Behind a pooler nothing can be heard: look now and then for what was written."""
        self._listens(True)
        log.info("polling", why="a connection pooler passes no notifications on", every_s=POLL_S)
        while True:
            since, self._sure = self._sure, steady()
            await connection.execute("SELECT 1")
            self._look_for_runs()
            for feed, _ in self._feeds.values():
                feed.missed(since)
            await asyncio.sleep(POLL_S)

    def _pass_on(self, channel: str, payload: str) -> None:
        if channel == PROGRESS:
            self._moved(payload)
            return
        try:
            note = decode(payload)
        except msgspec.DecodeError:
            log.warning("note_not_understood", payload=payload[:200])
            return
        self._moved(note.run, tested=note.stream == EVENTS and note.status in ("final", "provisional"))
        for (run, _), (feed, _) in self._feeds.items():
            if run == note.run:
                feed.note(note)

    def _moved(self, moved: str, *, tested: bool = False) -> None:
        """A run may become the newest one of use when it begins, and when a window of it was tested."""
        for (run, _), (feed, _) in self._feeds.items():
            if run == moved:
                feed.moved()
        if moved != self._newest and (moved, tested) not in self._older:
            if len(self._older) > 1_000:
                self._older.clear()
            self._older.add((moved, tested))
            self._look_for_runs()

    def _look_for_runs(self) -> None:
        self._unseen = True
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._find_newest())

    async def _find_newest(self) -> None:
        """Tell every page of a run that began after the one it shows; again, where something moves meanwhile."""
        while self._unseen:
            self._unseen = False
            try:
                async with self._database.snapshot() as reader:
                    row = await reader.row("newest_run")
            except Problem:
                self._older.clear()
                return
            self._tell_newest(row[0] if row else None)

    def _tell_newest(self, newest: str | None) -> None:
        if newest is not None and newest != self._newest:
            self._newest = newest
            for (run, _), (feed, _) in self._feeds.items():
                if run != newest:
                    feed.tell(event("run", {"run": newest}))

    @property
    def heard_of_late(self) -> bool:
        """Whether Postgres answered the listener a moment ago."""
        return self.listening and steady() - self._sure < 3 * ALIVE_S

    def _listens(self, whether: bool) -> None:
        self.listening = whether
        self._metrics.listening.set(whether)

    async def close(self) -> None:
        """Send everybody home."""
        self.closing.set()
        for _, task in self._feeds.values():
            task.cancel()
