"""Consumers and monitors that read, flush, crash, sleep and wake in any order: the rows are always the oracle's.

The broker is a list in memory, all the rest is real: the consumers' flushes and the monitors' results go to
Postgres. Hypothesis chooses what happens next; after every step what is committed must be what the oracle makes of
the part of the log that was passed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import consumer.store
import monitor.scheduling.fold_job
from consumer.ledger import Partition
from consumer.store import Fenced
from schemas.definition import RunConfig
from schemas.figures import WindowFigures
from schemas.streams.taxi import OUTCOMES, STREAMS, TRIPS
from storage.panes import LoadedRows
from storage.results import open_store
from storage.windows import WindowKey
from tests import oracle, rows
from tests.integration.actors import AGREEING, Checksums, Consumer, Crash, Dying, Monitor, Sent, checksum
from tests.logs import outcome_of, trip_of, trips
from tests.monitor.watched import outcome

pytestmark = pytest.mark.integration

PARTITIONS = [Partition(stream.topic, number) for stream in STREAMS for number in range(2)]
TERMS = RunConfig(pane_ms=500, lateness_ms=1_000, label_lateness_ms=3_000, max_ahead_ms=20_000)
LATENESS = {TRIPS.topic: TERMS.lateness_ms, OUTCOMES.topic: TERMS.label_lateness_ms}
SIZES = (1_000, 4_000)
RUN = "r"
TRIP = trips(1, 1)[0]
TABLES = (
    *("run", "partition_progress", "run_progress", "chunk", "pane", "dead_letter", "window_result", "frontier"),
    *("evidence", "calibration", "alarm", "alarm_change", "watch", "unfolded"),
)

ats = st.integers(0, 60).map(lambda quarter: quarter * 250)
consumers, monitors = st.integers(0, 2), st.integers(0, 1)
partitions = st.sampled_from(PARTITIONS)
Item = tuple[Partition, int, str]
"""Where, when and what is written."""
item = st.tuples(
    partitions,
    ats,
    st.sampled_from(
        ["plain"] * 6
        + ["beat", "beat", "late or future", "duplicate", "gap", "live", "invalid", "null"]
        + ["after a rest", "wrong clock", "wrong clock of a heartbeat"]
    ),
)


class Machine(RuleBasedStateMachine):
    def __init__(self, watcher: rows.Connection, pool: list[Consumer], pair: list[Monitor], seen: set[str]) -> None:
        super().__init__()
        self.watcher, self.consumers, self.monitors, self.seen = watcher, pool, pair, seen
        self.logs: dict[Partition, list[Sent]] = {p: [] for p in PARTITIONS}
        self.seqs = dict.fromkeys(PARTITIONS, 0)
        self.owners: dict[Partition, int] = {}
        self.written = 0
        self.checked: Any = None

    @initialize(items=st.lists(item, min_size=30, max_size=60))
    def begin(self, items: list[Item]) -> None:
        """With some log from the beginning: Hypothesis leaves out whole rules, that of writing too."""
        for table in TABLES:
            self.watcher.execute(f"DELETE FROM driftline.{table}")
        for each in self.consumers:
            each.start()
        for who in self.monitors:
            who.start()
        for number, partition in enumerate(PARTITIONS):
            self.consumers[0].store.seed(partition, 0, 0)
            self.assign(number % 3, {partition})
        self.write(items)

    # What comes to the log

    @rule(items=st.lists(item, min_size=2, max_size=12))
    def write(self, items: list[Item]) -> None:
        for partition, at, kind in items:
            if kind == "beat":
                self._beat(partition, at)
            elif kind == "wrong clock of a heartbeat":
                self._beat(partition, at + 70_000, written_at=at)
            elif kind == "null":
                self.logs[partition].append(Sent(None))
            elif kind == "after a rest":
                for _ in range(AGREEING - at % 1_000 // 250):
                    self._peculiar(partition, at + 60_000, "plain")
            else:
                self._peculiar(partition, at, kind)

    @rule()
    def write_into_the_window_that_raised_an_alarm(self) -> None:
        """A partition that was idle meanwhile may still be taken in there, and take the evidence away."""
        query = f"SELECT stream, {rows.MS.format('window_start')} FROM driftline.alarm WHERE state = 'firing'"
        for role, start in self.watcher.execute(query).fetchall():
            for partition in PARTITIONS:
                if rows.BY_TOPIC[partition.topic].role == role:
                    self._peculiar(partition, start, "plain")

    def _peculiar(self, partition: Partition, at: int, kind: str) -> None:
        record = self._record(partition, at) | self._peculiarity(partition, at, kind)
        self._append(partition, record, written_at=at if kind == "wrong clock" else None)

    def _peculiarity(self, partition: Partition, at: int, kind: str) -> dict[str, Any]:
        seq = self.seqs[partition]
        self.seqs[partition] += {"plain": 1, "late or future": 1, "gap": 3}.get(kind, 0)
        changes: dict[str, dict[str, Any]] = {
            "plain": {"seq": seq},
            "late or future": {"seq": seq, "pickup_at": max(0, at - 8_000) if at % 500 else at + 20_250},
            "duplicate": {"seq": max(0, seq - 1)},
            "gap": {"seq": seq + 2},
            "live": {"run_id": None},
            "wrong clock": {"pickup_at": at + 70_000},
            "invalid": {"trip_id": 5},
        }
        return changes[kind]

    # What consumers do

    @rule(who=consumers, which=st.sets(partitions, min_size=1, max_size=3))
    def assign(self, who: int, which: set[Partition]) -> None:
        """The one who had it does not know: from here on it is a zombie."""
        for partition in sorted(which):
            self.owners[partition] = self.consumers[who].claim(partition)

    @rule(who=consumers, count=st.integers(1, 12))
    def consume(self, who: int, count: int) -> None:
        for partition in self.consumers[who].held:
            self.consumers[who].read(partition, self.logs[partition], count)

    @rule(who=consumers, count=st.integers(1, 12))
    def consume_and_flush(self, who: int, count: int) -> None:
        self.consume(who, count)
        self.flush(who)

    @rule(who=consumers)
    def flush(self, who: int) -> None:
        """A zombie is fenced, and only a zombie."""
        for partition in self._with_something_to_flush(who):
            if self._is_owner(who, partition):
                self.consumers[who].flush(partition)
            else:
                with pytest.raises(Fenced):
                    self.consumers[who].flush(partition)
                del self.consumers[who].held[partition]

    @rule(who=consumers, count=st.integers(1, 12))
    def flush_with_unknown_outcome(self, who: int, count: int) -> None:
        """The connection broke during COMMIT: to write it once more fails, to claim again and go on is right."""
        self.consume(who, count)
        for partition in self._with_something_to_flush(who):
            if self._is_owner(who, partition):
                work = self.consumers[who].flush(partition)
                with pytest.raises(Fenced):
                    self.consumers[who].commit(work)
        held = {partition for partition in self.consumers[who].held if self._is_owner(who, partition)}
        self.consumers[who].start()
        self.assign(who, held)

    @rule(who=consumers, count=st.integers(1, 12))
    def crash_after_update(self, who: int, count: int) -> None:
        def die(_: str) -> None:
            raise Crash

        self.consume(who, count)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(consumer.store, "failpoint", die)
            for partition in self._with_something_to_flush(who):
                with pytest.raises(Crash if self._is_owner(who, partition) else Fenced):
                    self.consumers[who].flush(partition)
        self.consumers[who].start()

    @rule(who=consumers, which=st.one_of(st.none(), partitions))
    def revoke_or_crash(self, who: int, which: Partition | None) -> None:
        if which is None:
            self.consumers[who].start()
        else:
            self.consumers[who].held.pop(which, None)

    @rule(who=consumers)
    def beat(self, who: int) -> None:
        each = self.consumers[who]
        beats = [each.sign_of_life(partition, len(self.logs[partition])) for partition in each.held]
        if all(self._is_owner(who, partition) for partition in each.held):
            each.store.beat(beats)
        else:
            with pytest.raises(Fenced):
                each.store.beat(beats)

    @rule(who=consumers, but=st.sets(partitions, max_size=2))
    def read_all_and_fall_idle(self, who: int, but: set[Partition]) -> None:
        self.assign(who, set(PARTITIONS) - but)
        self.consume_and_flush(who, 10**6)
        self.beat(who)
        self.compute(0, 30)
        self.fold(0, waits=False)

    # What monitors do

    @rule(who=monitors, windows=st.integers(1, 30))
    def compute(self, who: int, windows: int) -> None:
        self.monitors[who].work(windows)

    @rule(who=monitors)
    def die_mid_report(self, who: int) -> None:
        self.monitors[who].use(Dying())
        with suppress(Crash):
            self.monitors[who].work(1)
        self.monitors[who].start()

    @rule(who=monitors, waits=st.booleans())
    def fold(self, who: int, waits: bool) -> None:
        self.monitors[who].fold(waits=waits)

    @rule(who=monitors, after=st.booleans())
    def die_while_folding(self, who: int, after: bool) -> None:
        """Before the commit, or after it."""

        def die(place: str) -> None:
            if after == place.startswith("monitor.after"):
                raise Crash

        with pytest.MonkeyPatch.context() as patch, suppress(Crash):
            patch.setattr(monitor.scheduling.fold_job, "failpoint", die)
            self.monitors[who].fold(waits=False)
        self.monitors[who].start()

    @rule()
    def race(self) -> None:
        """The second computes while the first is in the middle of its report."""
        first, second = self.monitors

        class Slow(Checksums):
            def figures(self, window: WindowKey, rows: LoadedRows, joined: LoadedRows | None) -> WindowFigures:
                second.work(2)
                return super().figures(window, rows, joined)

        first.use(Slow())
        first.work(2)
        first.use(Checksums())

    # What must always be so

    @invariant()
    def what_is_committed_is_what_the_oracle_says_of_the_log_passed(self) -> None:
        passed = rows.positions(self.watcher)
        if passed != self.checked:
            rows.agree(self.watcher, self._oracle(passed))
            self.checked = passed

    @invariant()
    def what_is_final_is_what_the_whole_log_says(self) -> None:
        found = rows.results(self.watcher, RUN, ("status", "rows"))
        counts = {size: oracle.windows(self._oracle(), size) for size in SIZES} if found else {}
        for stream, size, start, status, number in found:
            expected = counts[size][RUN, stream, start]
            assert number == expected if status == "final" else number <= expected

    def teardown(self) -> None:
        """The log ends, a fresh consumer reads it out, both monitors finish: every window is there, and right."""
        for partition in PARTITIONS:
            self._beat(partition, 90_000, final=True)
        self.assign(0, set(PARTITIONS))
        self.consume_and_flush(0, 10**6)
        self.what_is_committed_is_what_the_oracle_says_of_the_log_passed()
        for _ in range(100):
            for each in self.monitors:
                each.work(1_000)
            if all(each.done for each in self.monitors):
                break
        else:
            raise AssertionError("the monitors do not come to an end")
        found = rows.results(self.watcher, RUN, ("status", "rows", "mae", "rmse"))
        assert found == self._expected_results()
        (finished,) = self.watcher.execute("SELECT finished_at FROM driftline.run WHERE run_id = 'r'").fetchall()
        assert finished != (None,)
        self._alarms_are_those_of_one_who_folds_all_at_once()

    def _alarms_are_those_of_one_who_folds_all_at_once(self) -> None:
        """Evidence, alarms and the state after them are the same; of its changes each alarm has each once."""
        self._fold_to_the_end()
        found = outcome(self.watcher)
        states = self.watcher.execute(
            "SELECT a.state, array_agg(c.number ORDER BY c.number), (array_agg(c.state ORDER BY c.number DESC))[1]"
            " FROM driftline.alarm a JOIN driftline.alarm_change c USING (alarm_id) GROUP BY a.alarm_id, a.state"
        ).fetchall()
        for state, numbers, last in states:
            assert last == ("withdrawn" if state == "pending" else state)
            assert numbers == [*range(1, len(numbers) + 1)]
        for table in ("evidence", "calibration", "alarm", "watch"):  # gaps are the consumers'
            where = "WHERE state IS NOT NULL" if table == "alarm" else ""
            self.watcher.execute(f"DELETE FROM driftline.{table} {where}")
        self.watcher.execute(
            "INSERT INTO driftline.unfolded (run_id, stream, size_s, window_start)"
            " SELECT run_id, stream, size_s, window_start FROM driftline.window_summary"
        )
        self._fold_to_the_end()
        assert outcome(self.watcher) == found
        self.seen.update(state for state, *_ in states)
        self.seen.update(["evidence"] if found["evidence"] else [])

    def _fold_to_the_end(self) -> None:
        for _ in range(100):
            receipts = [each.fold(waits=False) for each in self.monitors]
            if all(receipt is not None and receipt.done for receipt in receipts):
                return
        raise AssertionError("the folds do not come to an end")

    # Helpers

    def _append(self, partition: Partition, record: dict[str, Any], written_at: int | None = None) -> None:
        self.logs[partition].append(Sent(json.dumps(record).encode(), written_at or None))  # 0 is none

    def _record(self, partition: Partition, at: int) -> dict[str, Any]:
        self.written += 1
        trip = TRIP | {"trip_id": f"t{self.written}", "pickup_at": at, "dropoff_at": at + 60_000}
        kind, body = ("trip", trip_of(trip)) if partition.topic == TRIPS.topic else ("outcome", outcome_of(trip))
        return {"kind": kind, "run_id": RUN, "seq": None, **body}

    def _beat(self, partition: Partition, at: int, written_at: int | None = None, **more: Any) -> None:
        seq = self.seqs[partition] - 1
        self._append(partition, {"kind": "heartbeat", "run_id": RUN, "seq": seq, "at": at, **more}, written_at)

    def _with_something_to_flush(self, who: int) -> list[Partition]:
        return [partition for partition, pending in self.consumers[who].held.items() if pending.records]

    def _is_owner(self, who: int, partition: Partition) -> bool:
        return self.consumers[who].held[partition].claim.epoch == self.owners[partition]

    def _oracle(self, upto: Mapping[tuple[str, int], int] | None = None) -> oracle.Reading:
        entries = (
            oracle.Entry(p.topic, p.number, offset, *sent)
            for p, log in self.logs.items()
            for offset, sent in enumerate(log[: upto[p] if upto else None])
        )
        rules = oracle.Rules(TERMS.pane_ms, LATENESS, TERMS.max_ahead_ms, AGREEING)
        return oracle.read(entries, rows.BY_TOPIC, rules)

    def _expected_results(self) -> list[tuple[Any, ...]]:
        ids: dict[tuple[str, int, int], list[tuple[int, int, str]]] = defaultdict(list)
        for (run, topic, pane), found in self._oracle().rows.items():
            for size in SIZES if run == RUN else ():
                ids[topic, size, pane // size * size] += [(p, offset, r["trip_id"]) for p, offset, r in found]
        return [
            (topic, size, start, "final", len(found), checksum([i for *_, i in sorted(found)]), float(joined))
            for (topic, size, start), found in sorted(ids.items())
            for joined in [len(ids.get((TRIPS.topic, size, start), ())) if topic == OUTCOMES.topic else 0]
        ]


def test_whatever_happens_to_whom_the_rows_are_the_oracles(database: str) -> None:
    with psycopg.connect(database) as admin:  # nobody kills Postgres here, and every step commits
        admin.execute(f"ALTER DATABASE {admin.info.dbname} SET synchronous_commit = off")
    with ExitStack() as stack:
        enter = stack.enter_context
        pool = [Consumer(enter(psycopg.connect(database, autocommit=True)), f"c{n}", TERMS) for n in range(3)]
        pair = [Monitor(enter(open_store(database)), RUN, SIZES) for _ in range(2)]
        watcher, seen = enter(psycopg.connect(database, autocommit=True)), set[str]()
        run_state_machine_as_test(
            lambda: Machine(watcher, pool, pair, seen),  # type: ignore[arg-type]
            settings=settings(
                max_examples=40,
                stateful_step_count=40,
                derandomize=True,
                deadline=None,
                phases=[Phase.generate, Phase.shrink],
            ),
        )
    assert {"evidence", "firing", "withdrawn"} <= seen
