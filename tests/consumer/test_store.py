from __future__ import annotations

import json
import pkgutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest

from consumer.ledger import Claim, DeadLetter, Flush, Partition
from consumer.retry import connect
from consumer.store import MODEL_FAILED, Beat, Fenced, RunBinding, RunRemoved, Store
from schemas.definition import RunConfig, Stream
from schemas.durations import moment
from schemas.records import MAX_TIME, Injected, Manifest
from schemas.streams.taxi import TAXI
from storage.streams import definition_of
from tests.consumer.fakes import MINUTE, PLACE, START, beat, flushed, trip
from tests.consumer.helpers import query, stored_rows, stored_states, until
from tests.databases import limit_sleep

pytestmark = pytest.mark.integration

OURS = RunBinding.from_stream(TAXI, TAXI.terms, "a" * 64)
TOPICS = ("trips", "outcomes")


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    with closing(connect(database)) as connection:
        store = Store(connection, "me")
        for topic in TOPICS:
            for number in range(2):
                store.seed(Partition(topic, number), 0, 0)
        yield store


@pytest.fixture
def other(database: str) -> Iterator[Store]:
    with closing(connect(database)) as connection:
        yield Store(connection, "other")


def begun(store: Store, ours: RunBinding, stream: Stream = TAXI) -> RunBinding:
    """What run r was begun with, for a consumer that would begin it with `ours`."""
    store.register(["r"], ours, stream)
    return store.binding("r")


def test_a_partition_is_seeded_once_and_where_its_log_begins(store: Store, database: str) -> None:
    new = Partition("trips", 7)
    assert store.unseeded([PLACE, new]) == [new]
    store.seed(new, 40, 90)
    store.seed(new, 50, 90)
    assert store.unseeded([PLACE, new]) == []
    assert store.claim(new).next_offset == 40


def test_what_one_owner_leaves_the_next_one_finds(store: Store, other: Store, database: str) -> None:
    flush = flushed([beat(START), trip(START, 0), trip(START - 60 * MINUTE, 1), b"{"], store.claim(PLACE))
    store.commit(flush, TOPICS)
    claim = other.claim(PLACE)
    assert claim == replace(flush.committed(), epoch=2)
    assert stored_rows(database) == {("r", "trips", START): [(0, 1, f"t-{START}")]}
    assert query(database, "SELECT owner, next_offset FROM driftline.partition_progress WHERE epoch = 2") == [
        ("other", 4)
    ]


def test_a_flush_goes_on_from_the_last(store: Store, database: str) -> None:
    first = flushed([trip(START, 0)], store.claim(PLACE))
    store.commit(first, TOPICS)
    second = flushed([trip(START, 0), trip(START, 1)], first.committed())
    store.commit(second, TOPICS)
    assert stored_states(database) == {
        ("r", "trips", 0): (START, 1, False, None, 0, {"accepted": 2, "duplicates": 1}),
    }
    assert stored_rows(database)["r", "trips", START] == [(0, 0, f"t-{START}"), (0, 2, f"t-{START}")]


def everything(url: str) -> list[Any]:
    tables = ("run_progress", "chunk", "pane", "dead_letter", "event", "alarm")
    counts = " UNION ALL ".join(f"SELECT count(*) FROM driftline.{table}" for table in tables)
    return query(url, counts) + query(url, "SELECT topic, partition, next_offset FROM driftline.partition_progress")


def test_a_zombie_writes_nothing(store: Store, other: Store, database: str) -> None:
    flush = flushed([trip(START, 0), trip(START, 5), b"{", beat(START, final=True)], store.claim(PLACE))
    other.claim(PLACE)
    before = everything(database)
    with pytest.raises(Fenced, match=r"^trips/0 at 0, epoch 1"):
        store.commit(flush, TOPICS)
    assert everything(database) == before


def test_a_flush_that_was_committed_already_is_not_written_again(store: Store, database: str) -> None:
    flush = flushed([trip(START, 0)], store.claim(PLACE))
    store.commit(flush, TOPICS)
    before = everything(database)
    with pytest.raises(Fenced):
        store.commit(flush, TOPICS)
    assert everything(database) == before


def test_a_connection_cut_before_commit_leaves_nothing(store: Store, database: str) -> None:
    claim = store.claim(PLACE)
    before = everything(database)
    bad = replace(flushed([trip(START, 0), b"{"], claim), dead=(letter(reason="no such reason"),))
    with pytest.raises(psycopg.errors.CheckViolation):
        store.commit(bad, TOPICS)
    assert everything(database) == before


def test_a_beat_is_refused_to_who_is_no_longer_the_owner(store: Store, other: Store, database: str) -> None:
    mine, lost = store.claim(PLACE), store.claim(Partition("trips", 1))
    store.beat([Beat(c.partition, c.epoch, 5, False) for c in (mine, lost)])
    other.claim(lost.partition)
    with pytest.raises(Fenced) as caught:
        store.beat([Beat(c.partition, c.epoch, 9, False) for c in (mine, lost)])
    assert not isinstance(caught.value, RunRemoved)


def beats(url: str) -> Any:
    return query(url, "SELECT beat_at, log_end, caught_up_since FROM driftline.partition_progress WHERE epoch > 0")[
        0
    ]


def test_caught_up_counts_from_the_first_beat_that_says_so_until_something_comes(
    store: Store, database: str
) -> None:
    claim = store.claim(PLACE)
    store.beat([Beat(PLACE, claim.epoch, 3, False)])
    assert beats(database)[1:] == (3, None)
    store.beat([Beat(PLACE, claim.epoch, 0, True)])
    first = beats(database)
    assert first[2] is not None
    store.beat([Beat(PLACE, claim.epoch, 0, True)])
    assert beats(database)[2] == first[2]
    assert beats(database)[0] > first[0]
    store.commit(flushed([trip(START, 0)], claim), TOPICS)
    assert beats(database)[1:] == (1, None)
    store.beat([Beat(PLACE, claim.epoch, 1, True)])
    assert beats(database)[2] > first[2]
    store.claim(PLACE)
    assert beats(database)[2] is None


def test_caught_up_counts_anew_where_the_clock_was_set_back(store: Store, database: str) -> None:
    claim = store.claim(PLACE)
    store.beat([Beat(PLACE, claim.epoch, 0, True)])
    ahead = "UPDATE driftline.partition_progress SET caught_up_since = now() + interval '2 days' RETURNING now()"
    ((now,), *_) = query(database, ahead)
    store.beat([Beat(PLACE, claim.epoch, 0, True)])
    assert now <= beats(database)[2] <= now + timedelta(hours=1)


def test_a_run_keeps_the_terms_it_was_begun_with(store: Store, other: Store) -> None:
    assert begun(store, OURS) == OURS
    assert begun(other, replace(OURS, config=RunConfig(pane_ms=60_000, lateness_ms=0))) == OURS


def test_whoever_meets_a_run_first_keeps_the_definition_of_its_stream_beside_it(
    store: Store, other: Store, database: str
) -> None:
    changed = msgspec.structs.replace(TAXI, unit="s")
    orders = msgspec.structs.replace(TAXI, name="orders", labels=None)
    begun(store, OURS)
    for stream in (changed, orders):
        theirs = RunBinding.from_stream(stream, stream.terms, None)
        assert begun(other, theirs, stream) == OURS
    assert (OURS.is_of(changed), OURS.is_of(orders)) == (True, False)
    assert query(database, "SELECT stream, stream_hash FROM driftline.run") == [("taxi", TAXI.hash)]
    assert definition_of(store._connection, "r", orders) == TAXI


def test_a_run_keeps_the_definition_by_which_its_records_are_judged(store: Store, other: Store) -> None:
    begun(store, OURS)
    changed = msgspec.structs.replace(TAXI, unit="s")
    assert begun(other, RunBinding.from_stream(changed, TAXI.terms, OURS.model), changed).definition == TAXI
    assert other.find_bindings(["r", "nobody has begun it"], changed) == {"r": OURS}


def test_a_run_begun_before_definitions_were_kept_has_that_of_its_consumer(
    store: Store, other: Store, database: str
) -> None:
    begun(store, OURS)
    query(database, "UPDATE driftline.run SET stream = NULL, stream_hash = NULL RETURNING 1")
    assert begun(other, OURS).definition is TAXI


def test_a_run_of_another_stream_is_neither_described_nor_reopened_nor_ended(store: Store, database: str) -> None:
    elsewhere = Partition("trips", 1)
    orders = Stream(name="orders", events=msgspec.structs.replace(TAXI.events, topic="orders"))
    begun(store, RunBinding.from_stream(orders, orders.terms, None), orders)
    query(database, "UPDATE driftline.run SET finished_at = now() RETURNING 1")
    manifest = Manifest(source="trips", period=(START, START + 1), partitions=1)
    values = [beat(START, manifest=manifest), trip(START, 0), beat(START + MINUTE, 0, final=True)]
    flush = flushed(values, store.claim(elsewhere), foreign={"r": "of another stream"}, reason="stream")
    store.commit(flush, TOPICS)
    assert query(database, "SELECT finished_at IS NOT NULL, manifest FROM driftline.run") == [(True, None)]
    query(database, "UPDATE driftline.run SET finished_at = NULL RETURNING 1")
    store.commit(flushed([beat(START + MINUTE, 0, final=True)], flush.committed()), TOPICS)
    assert not store.is_finished("r")
    assert query(database, "SELECT alarm_id, kind FROM driftline.alarm") == [("stream:r:foreign", "stream")]
    assert query(database, "SELECT reason FROM driftline.dead_letter") == [("stream",)]


def test_a_flood_of_names_is_met_in_three_statements_and_all_of_it_is_written(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"name-{n:03}" for n in range(300)]
    claim = store.claim(PLACE)
    statements = []
    execute = type(store._connection).execute

    def counted(self: Any, *arguments: Any, **more: Any) -> Any:
        statements.append(arguments[0])
        return execute(self, *arguments, **more)

    monkeypatch.setattr(type(store._connection), "execute", counted)
    store.register(names, OURS, TAXI)
    assert len(statements) == 3
    store.commit(flushed([trip(START, 0, name) for name in names], claim), TOPICS)
    assert len(statements) < 12
    monkeypatch.undo()
    assert query(database, "SELECT run_id, pane_ms FROM driftline.run ORDER BY 1") == [
        (name, OURS.config.pane_ms) for name in names
    ]
    assert [*stored_rows(database)] == [(name, "trips", START) for name in names]
    assert query(database, "SELECT count(*), sum(accepted) FROM driftline.run_progress") == [(300, 300)]


def test_the_first_model_that_meets_a_run_is_the_one_that_scores_it(store: Store, other: Store) -> None:
    begun(store, OURS)
    assert begun(other, replace(OURS, model="b" * 64)).model == OURS.model
    assert begun(other, replace(OURS, model=None)).model == OURS.model


def test_an_alarm_spans_what_was_not_scored_in_whatever_order_it_is_committed(store: Store, database: str) -> None:
    store.seed(PLACE, 0, 0)
    claim = store.claim(PLACE)
    for seq, minute in enumerate((3, 9, 0)):
        flush = flushed([trip(START + minute * MINUTE, seq)], claim, foreign={"r": "scored by another"})
        store.commit(flush, TOPICS)
        claim = flush.committed()
    broken = flushed([trip(START, 3)], claim, score=lambda _: np.array([np.nan]), isolate=True)
    store.commit(broken, TOPICS)
    spans = query(
        database,
        "SELECT alarm_id, kind, message, started_at, recovered_at FROM driftline.alarm ORDER BY alarm_id DESC",
    )
    assert spans == [
        ("model:r:foreign", "model", "scored by another", moment(START), moment(START + 9 * MINUTE)),
        ("model:r:failed", "model", MODEL_FAILED, moment(START), moment(START)),
    ]
    assert query(database, "SELECT reason, count(*) FROM driftline.dead_letter GROUP BY 1") == [("model", 4)]
    assert query(database, "SELECT accepted, invalid FROM driftline.run_progress") == [(0, 4)]


def test_the_manifest_and_its_drift_are_written_once_however_many_partitions_carry_it(
    store: Store, database: str
) -> None:
    injected = Injected(
        starts_at=START, ends_at=START + MINUTE, label="km \x00 instead of miles", columns=("trip_distance",)
    )
    absurd = Injected(starts_at=START + 1, ends_at=START, label="never")
    manifest = Manifest(source="a\x00b", period=(START, START + 1), injected=(injected, absurd))
    begun(store, OURS)
    other = Manifest(source="another", period=(0, 1), injected=(injected, injected))
    for number, given in enumerate((manifest, other)):
        claim = store.claim(Partition("trips", number))
        store.commit(flushed([beat(START, manifest=given)], claim), TOPICS)
    ((source, stored),) = query(database, "SELECT source, manifest FROM driftline.run")
    assert source == "a\\x00b"
    assert stored["injected"][0]["columns"] == ["trip_distance"]
    assert query(
        database, "SELECT event_id, kind, ends_at - starts_at FROM driftline.event WHERE label LIKE 'km%%'"
    ) == [("injected:r:0", "injected", query(database, "SELECT interval '1 minute'")[0][0])]


def test_a_gap_is_an_event_and_an_alarm(store: Store, database: str) -> None:
    store.commit(flushed([trip(START, 0), trip(START + MINUTE, 3)], store.claim(PLACE)), TOPICS)
    text = "SELECT alarm_id, kind, message, extract(epoch FROM started_at)::bigint * 1000 FROM driftline.alarm"
    message = "2 record(s) of trips/0 never came: seq 1 to 2"
    assert query(database, text) == [("gap:r:trips/0:1", "gap", message, START + MINUTE)]
    assert query(database, "SELECT event_id, kind, label FROM driftline.event") == [
        ("gap:r:trips/0:1", "gap", message)
    ]


def test_a_run_is_finished_with_its_last_partition_of_both_topics(store: Store, database: str) -> None:
    begun(store, OURS)
    for topic in TOPICS:
        for number in range(2):
            assert not store.is_finished("r")
            claim = store.claim(Partition(topic, number))
            store.commit(flushed([beat(START, final=True)], claim), TOPICS)
    assert store.is_finished("r")
    assert not store.is_finished("another")


def test_a_topic_that_nobody_has_seen_yet_keeps_a_run_unfinished(database: str) -> None:
    with closing(connect(database)) as connection:
        store = Store(connection, "me")
        store.seed(PLACE, 0, 0)
        begun(store, OURS)
        store.commit(flushed([beat(START, final=True)], store.claim(PLACE)), TOPICS)
        assert not store.is_finished("r")


def test_two_consumers_that_finish_the_last_two_partitions_at_once_see_one_another(
    store: Store, other: Store, database: str
) -> None:
    begun(store, OURS)
    begun(other, OURS)
    places = [Partition(topic, number) for topic in TOPICS for number in range(2)]
    for place in places[2:]:
        store.commit(flushed([beat(START, final=True)], store.claim(place)), TOPICS)
    flushes = [
        (s, flushed([trip(START, 0), beat(START, final=True)], s.claim(p)))
        for s, p in zip((store, other), places, strict=False)
    ]
    with psycopg.connect(database) as holder:  # holds both back until both have come to lock the run's row
        holder.execute("SELECT FROM driftline.run FOR NO KEY UPDATE")
        threads = [threading.Thread(target=s.commit, args=(f, TOPICS)) for s, f in flushes]
        for thread in threads:
            thread.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        until(lambda: query(database, waiting) == [(2,)])
    for thread in threads:
        thread.join(60)
    assert store.is_finished("r")
    ended = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert query(database, ended) == [(0,)]


@pytest.mark.parametrize("last", ["Store._write_progress", "write_chunks", "Store._write_dead_letters"])
def test_who_is_stopped_in_the_middle_of_a_flush_keeps_nothing_locked(
    database: str, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    limit_sleep(database, 1)
    stopped, goes_on = threading.Event(), threading.Event()
    written = pkgutil.resolve_name(f"consumer.store:{last}")

    def stop_after(*arguments: Any) -> None:
        written(*arguments)
        stopped.set()
        goes_on.wait(60)

    with connect(database) as slept, connect(database) as awake, ThreadPoolExecutor(1) as pool:
        awake.patience = 30.0
        store = Store(slept, "stopped")
        store.seed(PLACE, 0, 0)
        begun(store, OURS)
        store.register(["s"], OURS, TAXI)
        claim = store.claim(PLACE)
        flush = flushed([trip(START, 0), trip(START, 0, run="s")], claim)
        flush = replace(flush, dead=(letter(offset=0), letter(offset=1)))
        monkeypatch.setattr(f"consumer.store.{last}", stop_after)
        commit = pool.submit(store.commit, flush, TOPICS)
        try:
            assert stopped.wait(30)
            assert Store(awake, "next").claim(PLACE).next_offset == claim.next_offset
        finally:
            goes_on.set()
        assert isinstance(commit.exception(30), psycopg.Error)


def letter(**changes: Any) -> DeadLetter:
    plain = DeadLetter("r", 0, "invalid", "why", START, b"key", b"raw", None)
    return replace(plain, **changes)


def test_dead_letters_are_kept_byte_for_byte(store: Store, database: str) -> None:
    hostile = [
        letter(raw=None, key=None, event_time=None, run_id=""),
        letter(raw=b"", key=b""),
        letter(raw=bytes(range(256)), key=b"\x00"),
        letter(raw=b"x" * 1_000_000),
        letter(event_time=MAX_TIME),
        letter(event_time=253_402_300_799_999),
        letter(event_time=0, detail="tab\t newline\n backslash \\ \\N"),
        letter(headers=json.dumps([{"name": "\x1b\ud83d\ude00", "value": None}])),
    ]
    dead_letters = tuple(replace(one, offset=offset) for offset, one in enumerate(hostile))
    store.commit(Flush(store.claim(PLACE), len(dead_letters), dead=dead_letters), TOPICS)
    text = (
        "SELECT run_id, kafka_offset, reason, detail, (extract(epoch FROM event_time) * 1000)::bigint, key, raw,"
        " headers FROM driftline.dead_letter ORDER BY kafka_offset"
    )
    found = query(database, text)
    assert [DeadLetter(*one, headers and json.dumps(headers)) for *one, headers in found] == list(dead_letters)


def test_a_clock_that_waits_for_agreement_goes_on_waiting_with_the_next_owner(store: Store, database: str) -> None:
    """The first two set the clock; then a rest of three days, whose records are flushed by two owners."""
    claim = store.claim(PLACE)
    store.commit(flushed([trip(START, 0)], claim), TOPICS)
    assert stored_states(database)["r", "trips", 0][:5] == (None, 0, False, START, 1)
    later = START + 3 * 1_440 * MINUTE
    rest = [trip(later + n * MINUTE, 2 + n) for n in range(120)]
    store.commit(flushed([trip(START, 1), *rest[:60]], store.claim(PLACE)), TOPICS)
    assert stored_states(database)["r", "trips", 0][:5] == (START, 61, False, later + 59 * MINUTE, 60)
    store.commit(flushed(rest[60:], store.claim(PLACE)), TOPICS)
    assert stored_states(database)["r", "trips", 0] == (
        later + 119 * MINUTE,
        121,
        False,
        None,
        0,
        {"accepted": 2 + 21, "future": 99},
    )


def test_a_commit_wakes_whoever_listens_and_says_which_run_moved(store: Store, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as listener:
        listener.execute("LISTEN driftline_progress")
        first = flushed([beat(START), trip(START, 0), trip(START, 0, "s"), b"{"], store.claim(PLACE))
        store.commit(first, TOPICS)
        assert {n.payload for n in listener.notifies(timeout=60, stop_after=2)} == {"r", "s"}
        second = flushed([beat(START, 0), trip(START, 1, "s")], first.committed())  # of r a mere sign of life
        store.commit(second, TOPICS)
        assert [n.payload for n in listener.notifies(timeout=60, stop_after=1)] == ["s"]


def test_the_moment_a_watermark_moved_is_stored_and_kept_while_it_stands(store: Store, database: str) -> None:
    moved = "SELECT moved_at FROM driftline.run_progress"
    first = flushed([beat(START), trip(START, 0)], store.claim(PLACE))
    store.commit(first, TOPICS)
    at = query(database, moved)
    second = flushed([trip(START, 1)], first.committed())
    store.commit(second, TOPICS)
    assert query(database, moved) == at
    third = flushed([beat(START, final=True)], second.committed())
    store.commit(third, TOPICS)
    assert query(database, moved) > at


def test_health_is_one_row_a_consumer(store: Store, other: Store, database: str) -> None:
    store.report(None, {"lag": 3})
    store.report("r", {"lag": 4})
    other.report("r", {"lag": None})
    store.forget_health()
    text = "SELECT stage, instance, run_id, measures FROM driftline.health ORDER BY 2"
    assert query(database, text) == [("consumer", "me", "r", {"lag": 4}), ("consumer", "other", "r", {"lag": None})]


def test_a_claim_of_nothing_but_runs_is_what_was_written(store: Store) -> None:
    assert store.claim(PLACE) == Claim(PLACE, 1, 0, {})
