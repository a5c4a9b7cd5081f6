"""A replay through Kafka, consumer and monitor; and the same once more, window by window as a test says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from runtime.connections import ROOT, Addresses
from schemas.durations import moment
from storage.prepare import prepare
from tests import logs
from tests.databases import fresh_database
from tests.fleet import Fleet, Stage, eventually
from tests.logs import DAY, HOUR, RUN, START

SIX = 6 * HOUR
DRIFTED = "fare_amount"
LABEL = "three times <b>as</b> dear"
LIVE = "live-again"
"""The run that a test publishes step by step."""


@dataclass
class Board:
    """`driftline board` as a process of its own. url: without a slash at its end."""

    database: str
    models: Path
    url: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self, port: int = 0) -> None:
        command = [sys.executable, str(ROOT / "driftline.py"), "board", "--port", str(port)]
        environ = os.environ | {"DATABASE_URL": self.database, "DRIFTLINE_BOARD_MODEL": str(self.models)}
        self.process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout
        for line in self.process.stdout:
            if address := re.search(r"http://[^/\s]+", line):
                self.url = address[0]
                return
        raise AssertionError("the board ended without saying where it is")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.communicate(timeout=60)
            self.process = None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@dataclass
class Replay:
    """So many days with drift from two to four fifths of them; its stages wait for a producer."""

    fleet: Fleet
    board: Board
    days: int
    scenario: Path
    stages: list[Stage] = field(default_factory=list)
    done: bool = False

    def start(self) -> None:
        """As fast as it goes."""
        self.stages += [self.fleet.producer(days=self.days, volume=1.0, scenario=str(self.scenario))]

    def finish(self) -> None:
        """Started where it was not."""
        if len(self.stages) < 3:
            self.start()
        if not self.done:
            self.fleet.finish(*self.stages)
        self.done = True

    def execute(self, query: str, **values: Any) -> Any:
        with psycopg.connect(self.board.database, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else None

    def first_row(self) -> float:
        """When the first window of six hours closed, by the wall, s; waits for it."""
        query = (
            "SELECT extract(epoch FROM closed_at) + latency_ms / 1000 FROM driftline.window_result"
            " WHERE stream = 'events' AND size_s = 21600 AND closed_at IS NOT NULL ORDER BY closed_at LIMIT 1"
        )
        found = eventually(lambda: self.execute(query), lambda: "no window has closed")
        return float(found[0][0])


COPY = """
INSERT INTO driftline.{table}
SELECT (jsonb_populate_record(t, jsonb_build_object('run_id', %(to)s::text) || jsonb_strip_nulls(%(new)s))).*
FROM driftline.{table} t WHERE run_id = %(run)s AND {which}
"""
NOW = "clock_timestamp()"


class Again:
    """A finished replay as a run that goes on: nothing of it is there but what was published."""

    def __init__(self, replay: Replay, run: str = LIVE) -> None:
        self._days = replay.days
        self._connection = psycopg.connect(replay.board.database, autocommit=True)
        self.run = run
        self.at = START
        with self._connection.transaction():
            self._copy("run", "true", {"started_at": self._now()})
            self._connection.execute("UPDATE driftline.run SET finished_at = NULL WHERE run_id = %s", (run,))
            self._copy("event", "true", {"event_id": f"again:{run}"})
            self._progress()

    def publish(self, windows: int = 1, size: int = SIX) -> None:
        """The next windows, of both streams, one transaction each, as a monitor writes them."""
        for _ in range(windows):
            with self._connection.transaction():
                self._window(self.at, size, closed=True)
                self.at += size
                self._progress()

    def fill(self, size: int = SIX) -> None:
        """The window that is next, still open."""
        with self._connection.transaction():
            self._window(self.at, size, closed=False)

    def close(self) -> None:
        self._connection.close()

    def _window(self, start: int, size: int, *, closed: bool) -> None:
        which = "size_s = %(size_s)s AND window_start = %(at)s"
        where = {"size_s": size // 1_000, "at": moment(start)}
        state = {"written_at": self._now()} | ({"closed_at": self._now()} if closed else {"status": "open"})
        self._connection.execute(
            "DELETE FROM driftline.window_result WHERE run_id = %(run)s AND " + which, where | {"run": self.run}
        )
        self._copy("window_result", which, state, **where)
        if not closed:
            self._connection.execute(
                "UPDATE driftline.window_result SET closed_at = NULL, latency_ms = NULL"
                " WHERE run_id = %(run)s AND " + which, where | {"run": self.run},
            )  # fmt: skip
        self._copy("column_metric", which, {}, **where)
        for role in ("events", "labels"):
            notice = {"run": self.run, "stream": role, "size_s": size // 1_000, "start": start, "status": "final"}
            self._connection.execute("SELECT pg_notify('driftline_window', %s::jsonb::text)", (Jsonb(notice),))

    def _progress(self) -> None:
        """Read so far, and by whom a moment ago."""
        done = max(0.0, (self.at - START) / (self._days * DAY))
        self._connection.execute("DELETE FROM driftline.run_progress WHERE run_id = %s", (self.run,))
        seen = {"finished": False, "max_event_time_ms": self.at + HOUR}
        self._copy("run_progress", "true", seen)
        self._connection.execute(
            "UPDATE driftline.run_progress SET accepted = accepted * %s WHERE run_id = %s",
            (min(1.0, done), self.run),
        )
        self._connection.execute("UPDATE driftline.health SET run_id = %s, at = clock_timestamp()", (self.run,))
        self._connection.execute("SELECT pg_notify('driftline_progress', %s)", (self.run,))

    def _copy(self, table: str, which: str, new: Mapping[str, Any], **where: Any) -> None:
        values = where | {"run": RUN, "to": self.run, "new": Jsonb(dict(new))}
        self._connection.execute(COPY.format(table=table, which=which).encode(), values)

    def _now(self) -> str:
        return moment(round(time.time() * 1_000)).isoformat()


SCENARIO = """
[[drift]]
kind = "{kind}"
column = "{column}"
factor = {factor}
starts_at = "40%"
ends_at = "80%"
label = "{label}"
"""


@contextmanager
def replayed(
    stack: Addresses, kafka: dict[str, str], model: Path, folder: Path, *, days: int, drift: str
) -> Iterator[Replay]:
    """Ready to start, with a board that shows it. drift: a scenario, as TOML."""
    prefix = f"board-{uuid.uuid4().hex[:8]}-"
    (folder / "drift.toml").write_text(drift)
    logs.create(kafka, prefix)
    with fresh_database(stack.database_url) as database:
        prepare(database)
        with closing(Fleet(kafka, prefix, database, model, folder)) as fleet:
            board = Board(database, model.parent)
            stages = [
                fleet.consumer(flush_ms=500, flush_rows=5_000, read_rows=2_000),
                fleet.monitor(sizes=(SIX, DAY)),
            ]
            board.start()
            try:
                yield Replay(fleet, board, days, folder / "drift.toml", stages)
            finally:
                board.stop()
    logs.delete(kafka, prefix)
