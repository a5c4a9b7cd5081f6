"""One schedule on real processes, and whether it left what the log says."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import cache
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import psycopg

from producer.sources.selection import from_generator
from schemas.streams.taxi import TAXI
from schemas.topics import ALARMS
from storage.alarm_changes import unpublished
from storage.snapshot import snapshot_of
from tests import logs, oracle, rows
from tests.chaos.arena import Arena
from tests.chaos.schedule import LASTS_S, OVERSLEEPS_S, SESSION_S, Act, Schedule
from tests.databases import fresh_database, limit_sleep
from tests.fleet import Fleet, Stage, eventually
from tests.logs import DAY, HOUR, RUN, START
from tests.monitor.changes import published
from tests.proof import RULES

REPLAY = "replay"
"""The run that the product's producer writes, between the records of RUN, which has accidents."""

RUNS = (RUN, REPLAY)
SIZES = (6 * HOUR, DAY)
PARTITIONS = 3
TRIPS = 300
VOLUME = 0.15
"""Of the producer's trips: some 350 a day."""

HANGS_S = 60.0
"""So long after the last act all must be done."""

KILLED = -signal.SIGKILL
_MEMBER = {"session.timeout.ms": f"{SESSION_S * 1_000:.0f}", "heartbeat.interval.ms": "200"}
_SLOW: dict[str, Any] = {"until_done": None, "flush_ms": 50, "flush_rows": 40, "read_rows": 20}
"""Many small flushes, so that acts hit some."""


class Storm:
    """Stages on one log and one database, and what happens to them."""

    def __init__(self, arena: Arena, schedule: Schedule, fleet: Fleet) -> None:
        self._arena, self._schedule, self._fleet = arena, schedule, fleet
        self._numbers = count()
        self._stages: dict[str, list[Stage]] = {"consumer": [], "monitor": [], "producer": []}
        self._leaving: list[Stage] = []
        self._asleep: dict[Stage, float] = {}
        self._coordinator_failures = arena.coordinator_failures()
        self.restarts = 0
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._now = 0.0
        self.happened: list[str] = []

    def begin(self) -> None:
        for _ in range(self._schedule.consumers):
            self._start("consumer")
        for _ in range(self._schedule.monitors):
            self._start("monitor")
        self._start("producer")

    def rage(self) -> None:
        """Act after act, at their times, with what follows from each."""
        began = time.monotonic()
        for act in self._schedule.acts:
            self._at(act.at, lambda act=act: self._do(act))  # type: ignore[misc]
        while self._later:
            at, _, do = heappop(self._later)
            while (left := began + at - time.monotonic()) > 0:
                self._wake_zombies()
                time.sleep(min(left, 0.05))
            self._now = at
            do()

    def calm_down(self) -> None:
        """Serve everybody; all that was frozen or cut for a while is back already."""
        self._arena.mend()
        self.check_stages()

    def check_stages(self) -> None:
        """Wake who sleeps in a trap, replace who died there. Fails where a stage ended that nobody killed."""
        self._restart_failed_coordinator()
        self._wake_zombies()
        for kind, stages in self._stages.items():
            for stage in stages:
                assert stage.exitcode in (None, 0, KILLED), f"{stage.name} ended\n{stage.text[-3_000:]}"
            self._revive(kind)

    def stop(self) -> None:
        """As operators do: whoever has not been killed ends well."""
        running = [*self._leaving, *self._stages["consumer"], *self._stages["monitor"]]
        for stage in running:
            if stage.exitcode is None:
                stage.terminate()

        def have_ended() -> bool:
            self._wake_zombies()
            return all(stage.exitcode is not None for stage in running)

        eventually(have_ended, lambda: "hangs: does not end when told to", 20)
        for stage in running:
            early = stage.exitcode == -signal.SIGTERM and not stage.text  # told so before it could listen
            assert early or stage.exitcode in (0, KILLED), (
                f"{stage.name} ended: {stage.exitcode}\n{stage.text[-3_000:]}"
            )

    def _revive(self, kind: str) -> None:
        """Start one where none lives. A producer's end is no death."""
        if all(stage.exitcode == KILLED for stage in self._stages[kind]):
            self._start(kind)

    def _do(self, act: Act) -> None:
        self.happened.append(f"{self._now:.2f} {act.what} {act.who} {act.number} {act.how} for {act.lasts}")
        getattr(self, f"_{act.what}")(act)

    def _kill(self, act: Act) -> None:
        if stage := self._living(act):
            stage.kill()
            self._at(self._now + act.lasts, lambda: self._follow(act.who))

    def _freeze(self, act: Act) -> None:
        if stage := self._living(act):
            self._stop_process(stage.pid, act.lasts)
            if act.lasts > SESSION_S:
                self._follow(act.who)

    def _trap(self, act: Act) -> None:
        """Start a stage that stops at a failpoint.

        It replaces one that is killed, and gets a successor. One that is to fall asleep joins the others, which
        must take its partitions over meanwhile.
        """
        if not act.how.endswith(" sleep") and (stage := self._living(act)):
            stage.kill()
        self._start(act.who, act.how)
        trapped = self._stages[act.who][-1]

        def replace_dead() -> None:
            if trapped.exitcode is not None:
                self._follow(act.who)

        self._at(self._now + act.lasts, replace_dead)

    def _leave(self, act: Act) -> None:
        if stage := self._living(act):
            stage.terminate()
            self._stages[act.who].remove(stage)
            self._leaving.append(stage)
            self._at(self._now + act.lasts, lambda: self._follow(act.who))

    def _join(self, act: Act) -> None:
        self._start(act.who)

    def _cut(self, act: Act) -> None:
        wire = self._arena.wires[act.who]
        getattr(wire, act.how)()
        self._at(self._now + act.lasts, wire.mend)

    def _server(self, act: Act) -> None:
        if act.how == "kill":
            self._arena.kill(act.who)
        else:
            self._stop_process(self._arena.server_pid(act.who), act.lasts)

    def _stop_process(self, pid: int, seconds: float) -> None:
        os.kill(pid, signal.SIGSTOP)

        def wake() -> None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        self._at(self._now + seconds, wake)

    def _living(self, act: Act) -> Stage | None:
        living = [stage for stage in self._stages[act.who] if stage.exitcode is None]
        return living[act.number % len(living)] if living else None

    def _at(self, at: float, do: Callable[[], None]) -> None:
        heappush(self._later, (at, next(self._numbers), do))

    def _follow(self, kind: str) -> None:
        """Start a successor; of a producer, of which there must not be two, where none lives."""
        if kind == "producer":
            self._revive(kind)
        else:
            self._start(kind)

    def _wake_zombies(self) -> None:
        """Those that fell asleep in a trap, once others have what was theirs."""
        now = time.monotonic()
        for stage in (*self._leaving, *self._stages["consumer"], *self._stages["monitor"]):
            if stage.exitcode is not None or not stage.sleeps:
                self._asleep.pop(stage, None)
            elif now - self._asleep.setdefault(stage, now) > OVERSLEEPS_S:
                stage.signal(signal.SIGCONT)

    def _restart_failed_coordinator(self) -> None:
        if (failures := self._arena.coordinator_failures()) > self._coordinator_failures:
            self._coordinator_failures = failures
            self.restarts += 1
            self.happened.append("Kafka has lost its consumer groups: restarted")
            self._arena.kill("kafka")
            self._arena.mend()

    def _start(self, kind: str, failpoint: str = "") -> None:
        """Each by one of the wires."""
        number = next(self._numbers)
        kafka, database = (
            self._arena.kafka_over(number),
            self._arena.database_over(number // 2, self._fleet.database),
        )
        if kind == "consumer":
            stage = self._fleet.consumer(failpoint, kafka=kafka | _MEMBER, database_url=database, **_SLOW)
        elif kind == "monitor":
            stage = self._fleet.monitor(failpoint, kafka=kafka, database_url=database, until_done=None, sizes=SIZES)
        else:
            speed = DAY / (LASTS_S * 1_000)
            replay = {"run_id": REPLAY, "kafka": kafka, "speed": speed, "beat_s": 0.2}
            stage = self._fleet.producer(failpoint, days=1, volume=VOLUME, **replay)
        self._stages[kind].append(stage)


def survives(arena: Arena, schedule: Schedule, folder: Path) -> str:
    """Run a schedule; what there is to say of it. Raises AssertionError for what hangs, ends or differs.

    folder: keeps what the stages printed, what happened, and the log.
    """
    prefix = f"chaos-{schedule.seed}-{uuid.uuid4().hex[:6]}-"
    logs.create(arena.kafka, prefix, PARTITIONS)
    with ExitStack() as stack:
        stack.callback(logs.delete, arena.kafka, prefix, (*logs.TOPICS, ALARMS))
        stormy, calm = (stack.enter_context(fresh_database(arena.server, arena.template)) for _ in range(2))
        limit_sleep(stormy)
        restarts = rage(arena, schedule, Fleet(arena.kafka, prefix, stormy, arena.model, folder), folder)
        log = logs.read_back(arena.kafka, prefix)
        (folder / "log.jsonl").write_bytes(b"".join(map(_line, log)))
        complete(log)
        (folder / "calm").mkdir()
        replay(Fleet(arena.kafka, prefix, calm, arena.model, folder / "calm"))
        with watching(stormy) as ours, watching(calm) as theirs:
            rows.agree(ours, oracle.read(log, rows.BY_TOPIC, RULES))
            found, expected = (_of_runs(rows.final(connection)) for connection in (ours, theirs))
            rows.assert_same(found, expected)
            published_once(arena, prefix, ours)
        alarms = sum(alarm["state"] is not None for alarm in found.alarms)
        summary = f"{len(schedule.acts)} acts, {len(log)} records, {len(found.windows)} windows, {alarms} alarms"
        return f"{summary}, Kafka lost its groups {restarts} times" if restarts else summary


def rage(arena: Arena, schedule: Schedule, fleet: Fleet, folder: Path) -> int:
    """The schedule, up to the good end of all stages. How often Kafka had to be restarted beside it."""
    storm = Storm(arena, schedule, fleet)
    writing = threading.Thread(target=write, args=(arena.kafka, fleet.prefix, schedule.seed), daemon=True)
    with closing(fleet):
        try:
            storm.begin()
            writing.start()
            storm.rage()
            storm.calm_down()
            writing.join(HANGS_S)
            settled(fleet, storm.check_stages, publishes=True)
            storm.stop()
            return storm.restarts
        finally:
            (folder / "happened").write_text("\n".join(storm.happened) + "\n", encoding="utf-8")
            arena.mend()


def replay(fleet: Fleet) -> None:
    """The same log with nobody disturbed."""
    with closing(fleet):
        stages = fleet.consumer(until_done=None), fleet.monitor(until_done=None, sizes=SIZES)
        settled(fleet, lambda: None)
        for stage in stages:
            stage.terminate()
        fleet.finish(*stages)


def write(kafka: dict[str, str], prefix: str, seed: int) -> None:
    """The run with accidents, record by record, about as fast as the producer replays the other."""
    writer = logs.Writer(partitions=PARTITIONS)
    logs.stormy(writer, logs.trips(TRIPS, 1, seed=seed), accident_every=20)
    logs.write(kafka, prefix, writer.sent, partitions=PARTITIONS, seconds=LASTS_S)


def settled(fleet: Fleet, check_stages: Callable[[], None], *, publishes: bool = False) -> None:
    """Wait until all that the log holds is read, all windows of its runs are final, and all alarms published."""
    ends = logs.ends(fleet.kafka, fleet.prefix)

    def is_done() -> bool:
        nonlocal ends
        check_stages()
        with suppress(psycopg.OperationalError), watching(fleet.database) as connection:
            if not _is_finished(connection):
                return False
            if rows.positions(connection) != ends:  # what was sent twice came behind the end
                ends = logs.ends(fleet.kafka, fleet.prefix)
                return False
            with snapshot_of(connection) as snapshot:
                if not {run.run_id for run in snapshot.runs(SIZES, TAXI, folds=True)}.isdisjoint(RUNS):
                    return False
            return not publishes or unpublished(connection) == 0
        return False

    eventually(is_done, lambda: f"hangs: {_where(fleet)} of {ends}", HANGS_S, every_s=0.05)


def published_once(arena: Arena, prefix: str, connection: rows.Connection) -> None:
    """Fails unless the topic of alarms holds each change once, and those of one alarm in order."""
    query = "SELECT alarm_id, number, state FROM driftline.alarm_change"
    found = [(c.alarm_id, c.number, c.state) for c in published(arena.kafka, prefix)]
    rows.same("changes of alarms", found, connection.execute(query).fetchall())
    assert sorted(found, key=lambda change: change[0]) == sorted(found)


def complete(log: list[oracle.Entry]) -> None:
    """Fails unless the producer wrote every trip and outcome of its run, in order, whatever it wrote twice."""
    seen: dict[tuple[str, int], dict[int, bytes]] = {}
    for entry in log:
        record = _record(entry.value)
        if record.get("run_id") != REPLAY or record["kind"] == "heartbeat":
            continue
        known = seen.setdefault((entry.topic, entry.partition), {})
        assert record["seq"] <= len(known), f"{entry[:3]}: seq {record['seq']} after {len(known) - 1}"
        assert known.setdefault(record["seq"], entry.value) == entry.value, f"{entry[:3]}: not what was sent before"
    written = Counter(dict.fromkeys(logs.TOPICS, 0))
    for (topic, _), known in seen.items():
        written[topic] += len(known)
    assert {*written.values()} == {_replayed()}, f"written of {_replayed()} trips: {written}"


@cache
def _replayed() -> int:
    source = from_generator(start_ms=START, end_ms=START + DAY, volume=VOLUME)
    return sum(table.num_rows for table in source.tables())


@contextmanager
def watching(database: str) -> Iterator[rows.Connection]:
    with psycopg.connect(database, autocommit=True, connect_timeout=5) as connection:
        yield connection


def _is_finished(connection: rows.Connection) -> bool:
    query = "SELECT count(*) FROM driftline.run WHERE run_id = ANY(%s) AND finished_at IS NOT NULL"
    return connection.execute(query, (list(RUNS),)).fetchone() == (len(RUNS),)


def _where(fleet: Fleet) -> str:
    with watching(fleet.database) as connection:
        return f"finished {_is_finished(connection)}, read {rows.positions(connection)}"


def _of_runs(final: rows.Final) -> rows.Final:
    """Without windows of the run `live`, which never ends: how far those are is a matter of time."""
    names = ("windows", "columns", "summaries", "evidence", "calibrations", "watches", "unfolded")
    kept = {name: [r for r in getattr(final, name) if r["run_id"] in RUNS] for name in names}
    alarms = [alarm for alarm in final.alarms if alarm["run_id"] in RUNS or alarm["state"] is None]
    return replace(final, **kept, alarms=alarms)


def _record(value: bytes | None) -> dict[str, Any]:
    try:
        record = orjson.loads(value or b"")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _line(entry: oracle.Entry) -> bytes:
    value = None if entry.value is None else entry.value.decode("latin-1")
    return orjson.dumps({**entry._asdict(), "value": value}) + b"\n"
