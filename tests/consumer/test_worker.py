"""The worker between a Kafka and a Postgres that do as they are told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from consumer.gauges import ConsumerGauges
from consumer.ledger import Claim, Flush, Partition
from consumer.settings import Settings
from consumer.store import Beat, RunBinding
from consumer.worker import Worker
from runtime.health import Health
from schemas.definition import Field, Records, RunConfig, Stream
from schemas.errors import LogUnreadable, RunConflict
from schemas.streams.taxi import TAXI
from storage import chunk
from tests.consumer.fakes import PLACE, START, Fake, beat, messages, trip
from tests.consumer.helpers import Stub

OTHER = Partition("trips", 1)


@dataclass
class Log:
    """consumer.source.KafkaSource: hands out what is put into `next`, at the end of the log by default."""

    generation: int = 0
    assigned: tuple[Partition, ...] = ()
    awaits_assignment: bool = False
    next: list[tuple[Partition, list[Fake]]] = field(default_factory=list)
    end: dict[Partition, int] = field(default_factory=dict)
    cached: dict[Partition, int] = field(default_factory=dict)
    started: list[Mapping[Partition, int]] = field(default_factory=list)
    acknowledged: list[Mapping[Partition, int]] = field(default_factory=list)
    down: bool = False
    rebalance: tuple[Partition, ...] | None = None
    reached: dict[Partition, int] = field(default_factory=dict)
    topics: dict[str, str | None] = field(default_factory=lambda: {"trips": "first", "outcomes": "first"})

    def ids(self, topics: Iterable[str], seconds: float = 5) -> Any:
        def answer() -> dict[str, str | None]:
            if self.down:
                raise KafkaException(KafkaError(KafkaError._TRANSPORT))
            return {topic: self.topics[topic] for topic in topics if topic in self.topics}

        return answer

    def read(self, most: int, seconds: float) -> list[tuple[Partition, list[Fake]]]:
        if self.rebalance is not None:
            self.assigned, self.rebalance, self.generation = self.rebalance, None, self.generation + 1
        read, self.next = self.next, []
        return read

    def partitions(self) -> list[Partition]:
        return [PLACE, OTHER]

    def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(partitions, 0)

    def ends(self, partitions: Iterable[Partition], seconds: float = 5) -> dict[Partition, int]:
        if self.down:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return {p: self.end.get(p, 100) for p in partitions}

    def log_end(self, partition: Partition) -> int:
        return self.cached.get(partition, -1)

    def start_at(self, positions: Mapping[Partition, int]) -> None:
        self.started.append(positions)
        self.reached = {}

    def acknowledge(self, positions: Mapping[Partition, int]) -> None:
        self.acknowledged.append(positions)

    def complain(self, error: KafkaError) -> None:
        pass


@dataclass
class Books:
    """consumer.store.Store: remembers what it was told."""

    at: int = 0
    topic_id: str | None = None
    epoch: int = 0
    seeded: list[Partition] = field(default_factory=list)
    flushes: list[Flush] = field(default_factory=list)
    beats: list[list[Beat]] = field(default_factory=list)
    finished: bool = False
    known: tuple[str, ...] = ()
    scored_by: dict[str, str] = field(default_factory=dict)
    streams: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, Stream | None] = field(default_factory=dict)
    configs: dict[str, RunConfig] = field(default_factory=dict)
    reported: dict[str, Any] = field(default_factory=dict)

    def unseeded(self, partitions: Iterable[Partition]) -> list[Partition]:
        return [p for p in partitions if p not in self.seeded]

    def topics(self) -> set[str]:
        return {partition.topic for partition in self.seeded}

    def seed(self, partition: Partition, first: int, end: int, topic_id: str | None) -> None:
        self.seeded.append(partition)

    def claim(self, partition: Partition, topic_id: str | None) -> Claim:
        self.epoch += 1
        return Claim(partition, self.epoch, self.at, {}, self.topic_id or topic_id)

    def register(self, run_ids: Iterable[str], ours: RunBinding, stream: Stream) -> None:
        self.ours = ours

    def binding(self, run_id: str) -> RunBinding:
        return replace(
            self.ours,
            config=self.configs.get(run_id, self.ours.config),
            model=self.scored_by.get(run_id, self.ours.model),
            stream=self.streams.get(run_id, self.ours.stream),
            definition=self.definitions.get(run_id, self.ours.definition),
        )

    def find_bindings(self, run_ids: Iterable[str], stream: Stream) -> dict[str, RunBinding]:
        return {run_id: self.binding(run_id) for run_id in run_ids}

    def commit(self, flush: Flush, topics: Any) -> None:
        self.flushes.append(flush)

    def beat(self, beats: list[Beat]) -> None:
        self.beats.append(beats)

    def report(self, run_id: str | None, measures: Mapping[str, Any]) -> None:
        self.reported = dict(measures)

    def is_finished(self, run_id: str) -> bool:
        return self.finished

    def knows(self, run_id: str) -> bool:
        return run_id in self.known


@pytest.fixture
def log() -> Log:
    return Log(rebalance=(PLACE,))


@pytest.fixture
def books() -> Books:
    return Books()


def worker(log: Log, books: Books, gauges: ConsumerGauges | None = None, **more: Any) -> Worker:
    """A worker that has taken over what it was assigned, at second 0."""
    settings = Settings(**{"stream": TAXI, "database_url": "", "kafka": {}} | more)
    made = Worker(settings, log, books, Stub(), 0.0, gauges=gauges)  # type: ignore[arg-type]
    made.step(0.0)
    return made


def trips(first: int, count: int) -> list[Fake]:
    return messages([trip(START, n) for n in range(first, first + count)], first)


def spans(books: Books) -> list[tuple[int, int]]:
    return [(flush.claim.next_offset, flush.next_offset) for flush in books.flushes]


def test_every_partition_is_seeded_and_the_assigned_ones_are_read_from_where_their_claims_say(
    log: Log, books: Books
) -> None:
    books.at = 7
    worker(log, books)
    assert books.seeded == [PLACE, OTHER]
    assert log.started == [{PLACE: 7}]


def test_a_flush_is_due_after_a_second_from_the_oldest_record(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, trips(0, 3))]
    made.step(5.0)
    log.next = [(PLACE, trips(3, 1))]
    made.step(5.9)
    assert spans(books) == []
    made.step(6.0)
    assert (spans(books), log.acknowledged) == ([(0, 4)], [{PLACE: 4}])
    log.next = [(PLACE, trips(4, 1))]
    made.step(9.0)
    made.step(9.9)
    assert len(books.flushes) == 1
    made.step(10.0)
    assert spans(books)[1:] == [(4, 5)]


@pytest.mark.parametrize("limit", [{"flush_rows": 3}, {"flush_bytes": 300}])
def test_a_flush_is_due_by_what_is_kept(log: Log, books: Books, limit: dict[str, int]) -> None:
    made = worker(log, books, **limit)
    log.next = [(PLACE, trips(0, 3))]
    made.step(1.0)
    assert spans(books) == [(0, 3)]


def test_a_flush_is_due_by_the_number_of_runs_so_that_signs_of_life_go_on(log: Log, books: Books) -> None:
    """Each of many names costs work of its own."""
    made = worker(log, books)
    log.next = [(PLACE, messages([trip(START, 0, f"name-{n}") for n in range(600)]))]
    made.step(0.1)
    assert spans(books) == [(0, 600)]


def test_a_run_that_counts_seconds_is_warned_of_once(log: Log, books: Books) -> None:
    made = worker(log, books, flush_rows=2)
    seconds = [trip(START // 1_000 + n, n, "seconds") for n in range(4)]
    milliseconds = [trip(START, n, "milliseconds") for n in range(2)]
    with capture_logs() as said:
        for first, values in ((0, seconds[:2]), (2, seconds[2:]), (4, milliseconds)):
            log.next = [(PLACE, messages(values, first))]
            made.step(1.0)
    warnings = [line for line in said if line["event"] == "event_times_in_another_unit"]
    assert [(w["run"], w["do"], w["newest"][:4]) for w in warnings] == [
        ("seconds", "looks like seconds: send milliseconds", "1970")
    ]


def test_a_run_that_was_begun_with_other_settings_says_once_what_it_keeps(log: Log, books: Books) -> None:
    books.configs["old"] = RunConfig(pane_ms=600_000)
    made = worker(log, books, flush_rows=1, run_config=RunConfig(lateness_ms=0))
    with capture_logs() as said:
        for n in range(2):
            log.next = [(PLACE, messages([trip(START, n, "old"), trip(START, n, "new")], 2 * n))]
            made.step(1.0)
    (warning,) = [line for line in said if line["event"] == "run_keeps_its_settings"]
    assert (warning["run"], warning["pane"], warning["lateness"]) == ("old", "10m", "10m")


def test_a_run_that_was_begun_otherwise_is_no_news_where_nothing_was_given(log: Log, books: Books) -> None:
    books.configs["old"] = RunConfig(pane_ms=600_000)
    made = worker(log, books, flush_rows=1)
    log.next = [(PLACE, messages([trip(START, 0, "old")]))]
    with capture_logs() as said:
        made.step(1.0)
    assert "run_keeps_its_settings" not in {line["event"] for line in said}


def test_the_log_says_what_is_wrong_with_a_dead_letter(log: Log, books: Books) -> None:
    made = worker(log, books, flush_rows=2)
    log.next = [(PLACE, messages([b"\x1f\x8b\x08", trip(START * 1_000)]))]
    with capture_logs() as said:
        made.step(1.0)
    (warning,) = [line for line in said if line["event"] == "dead_letters"]
    assert warning["reasons"] == {"invalid": 1, "undecodable": 1}
    assert warning["first"].startswith("looks like gzip: ")


def test_the_end_of_a_run_is_flushed_at_once(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, [*trips(0, 2), *messages([beat(START, 1, final=True)], 2)])]
    made.step(1.0)
    assert spans(books) == [(0, 3)]


def test_what_is_left_is_flushed_at_the_end(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, trips(0, 3))]
    made.step(1.0)
    made.drain()
    made.drain()
    assert spans(books) == [(0, 3)]


def test_what_comes_along_with_a_rebalance_is_nobodys(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next, log.rebalance = [(PLACE, trips(0, 3))], (PLACE,)
    made.step(1.0)
    made.drain()
    assert books.flushes == []
    assert log.started == [{PLACE: 0}, {PLACE: 0}]


def test_what_was_not_flushed_when_partitions_are_revoked_is_dropped(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, trips(0, 3))]
    made.step(1.0)
    log.rebalance = ()
    made.step(1.1)
    made.step(9.0)
    made.drain()
    assert books.flushes == []
    assert books.beats[-1] == []


def test_a_partition_that_is_not_ours_is_not_read(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(OTHER, trips(0, 3))]
    made.step(1.0)
    made.drain()
    assert books.flushes == []


def test_records_that_were_taken_in_already_are_passed_over(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, trips(0, 3)), (PLACE, trips(1, 4)), (PLACE, trips(0, 2))]
    made.step(1.0)
    made.drain()
    (run,) = books.flushes[0].runs
    assert (spans(books), run.tally.accepted, run.tally.duplicates) == ([(0, 5)], 5, 0)


def test_a_jump_right_after_the_claim_is_believed_only_the_second_time(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, trips(40, 2))]
    made.step(1.0)
    assert log.started == [{PLACE: 0}, {PLACE: 0}]
    log.next = [(PLACE, trips(0, 2))]  # the jump was stale: here is what comes next
    made.step(1.1)
    made.drain()
    assert spans(books) == [(0, 2)]


def test_a_jump_that_comes_again_is_a_hole_in_the_log(log: Log, books: Books) -> None:
    made = worker(log, books)
    for now in (1.0, 1.1):
        log.next = [(PLACE, trips(40, 2))]
        made.step(now)
    made.drain()
    assert spans(books) == [(0, 42)]


@pytest.mark.parametrize("at", [101, 10**9])
def test_a_claim_beyond_the_end_of_the_log_stops_loudly(log: Log, books: Books, at: int) -> None:
    books.at = at
    with pytest.raises(LogUnreadable):
        worker(log, books)


def test_only_the_brokers_own_word_counts_for_being_caught_up(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.reached, log.end = {PLACE: 0}, {PLACE: 4}
    made.step(2.0)
    log.end = {PLACE: 0}
    made.step(4.0)
    log.down = True
    made.step(6.0)
    assert [(b.log_end, b.caught_up) for (b,) in books.beats[-3:]] == [(4, False), (0, True), (0, False)]


def test_what_is_read_but_not_flushed_is_not_caught_up(log: Log, books: Books) -> None:
    made = worker(log, books, flush_ms=60_000)
    log.reached, log.end = {PLACE: 3}, {PLACE: 3}
    log.next = [(PLACE, trips(0, 3))]
    made.step(2.0)
    assert books.beats[-1] == [Beat(PLACE, 1, 3, False)]


def test_a_run_that_was_waited_for_is_done_when_postgres_says_so(log: Log, books: Books) -> None:
    made = worker(log, books, until_done="r")
    made.step(2.0)
    assert not made.done
    books.finished = True
    made.step(4.0)
    assert made.done


@pytest.mark.parametrize(("known", "said"), [((), ["r"]), (("r",), [])])
def test_that_nobody_has_met_the_awaited_run_is_logged_once(
    log: Log, books: Books, known: tuple[str, ...], said: list[str]
) -> None:
    books.known = known
    with capture_logs() as logs:
        made = worker(log, books, until_done="r")
        made.step(2.0)
        made.step(4.0)
    assert [entry["run"] for entry in logs if entry["event"] == "waiting_for_run"] == said


def test_a_beat_counts_for_health_only_while_kafka_answers(log: Log, books: Books) -> None:
    clock, gauges = [0.0], ConsumerGauges()
    gauges.health = Health("consumer", 15.0, lambda: clock[0])
    made = Worker(Settings(stream=TAXI, database_url="", kafka={}), log, books, Stub(), 0.0, gauges=gauges)  # type: ignore[arg-type]
    made.step(0.0)
    log.reached, log.end = {PLACE: 0}, {PLACE: 0}
    for at, down, well in [(2.0, False, True), (20.0, True, False), (40.0, False, True)]:
        clock[0], log.down = at, down
        made.step(at)
        assert gauges.health.report().well == well, at
    log.cached, log.next = {PLACE: 9}, [(PLACE, trips(0, 3))]  # far behind, but something comes
    clock[0] = 60.0
    made.step(60.0)
    assert gauges.health.report().well
    clock[0] = 80.0
    made.step(80.0)
    assert gauges.health.report().reason.startswith("kafka_silent")


def test_a_group_that_assigns_nothing_for_long_is_logged_once_and_makes_the_consumer_unwell(
    log: Log, books: Books
) -> None:
    clock, gauges = [0.0], ConsumerGauges()
    gauges.health = Health("consumer", 15.0, lambda: clock[0])
    log.rebalance = ()
    made = worker(log, books, gauges)
    with capture_logs() as logs:
        for at, awaits, well in [(2.0, True, True), (31.0, True, True), (50.0, True, False), (80.0, True, False)]:
            clock[0], log.awaits_assignment = at, awaits
            made.step(at)
            assert gauges.health.report().well == well, at
        assert gauges.health.report().reason.startswith("no_assignment: ")
        clock[0], log.awaits_assignment = 90.0, False  # a spare consumer: it was assigned nothing
        made.step(90.0)
        assert gauges.health.report().well
    assert [entry["waited_s"] for entry in logs if entry["event"] == "no_assignment"] == [48]


def test_a_run_of_another_model_stops_only_a_consumer_that_is_to_end_with_it(log: Log, books: Books) -> None:
    books.scored_by = {"r": "a" * 64}
    made = worker(log, books, until_done="another")
    log.next = [(PLACE, trips(0, 3))]
    made.step(1.0)
    made.drain()
    (flush,) = books.flushes
    assert [d.reason for d in flush.dead] == ["model"] * 3
    log.rebalance = (PLACE,)
    made = worker(log, books, until_done="r")
    log.next = [(PLACE, trips(0, 3))]
    with pytest.raises(RunConflict, match=f"run r is scored by model {'a' * 12}, not by stub as here: to go on"):
        made.step(1.0)


def test_a_run_of_another_stream_is_put_aside_in_every_topic_and_the_runs_beside_it_go_on(
    log: Log, books: Books
) -> None:
    books.streams, log.rebalance = {"r": "orders"}, (PLACE, Partition("outcomes", 0))
    made = worker(log, books)
    outcome = {"kind": "outcome", "trip_id": "t", "pickup_at": START, "duration_min": 5.5, "seq": 0}
    labels = [json.dumps(outcome | {"run_id": run}).encode() for run in ("r", "s")]
    log.next = [
        (PLACE, messages([trip(START, 0), trip(START, 0, "s")])),
        (Partition("outcomes", 0), messages(labels)),
    ]
    made.step(1.0)
    with capture_logs() as logs:
        made.drain()
    assert [[(d.run_id, d.reason) for d in flush.dead] for flush in books.flushes] == [[("r", "stream")]] * 2
    assert [[c.run_id for c in flush.chunks] for flush in books.flushes] == [["s"]] * 2
    assert books.flushes[0].dead[0].detail == (
        "run r is of stream orders, not of taxi as here: "
        "replay its records under another --run, or send them on under another run_id"
    )
    assert [entry["run"] for entry in logs if entry["event"] == "run_of_another_stream"] == ["r"]


def test_the_log_gives_each_reason_once_after_a_retraining(log: Log, books: Books) -> None:
    places = (PLACE, Partition("trips", 1))
    books.scored_by, log.rebalance = {"old": "a" * 64}, places
    made = worker(log, books, flush_rows=2)
    with capture_logs() as logs:
        for round_ in range(3):
            old = [trip(START, 2 * round_ + n, "old") for n in range(2)]
            log.next = [(partition, messages(old, 2 * round_)) for partition in places]
            made.step(1.0)
        log.next = [(PLACE, messages([trip(START, 6, "old"), b"{"], 6))]
        made.step(1.0)
        made.step(100.0)
    assert len(books.flushes) == 7
    said = [entry for entry in logs if entry["log_level"] in ("warning", "error")]
    assert [entry["event"] for entry in said] == ["run_of_another_model", "dead_letters"]
    assert said[0]["run"] == "old"
    assert f"`driftline consume --model {'a' * 12}`" in said[0]["why"]
    assert (said[1]["count"], said[1]["reasons"]) == (1, {"undecodable": 1})
    (progress,) = (entry for entry in logs if entry["event"] == "consuming")
    assert (progress["unscored"], progress["dead_letters"], progress["events"], progress["labels"]) == (
        13,
        14,
        0,
        0,
    )


def test_a_consumer_that_is_to_end_with_a_run_of_another_stream_ends_at_once(log: Log, books: Books) -> None:
    books.streams = {"r": "orders"}
    made = worker(log, books, until_done="r")
    log.next = [(PLACE, trips(0, 3))]
    with pytest.raises(RunConflict, match="run r is of stream orders, not of taxi as here: replay its records"):
        made.step(1.0)


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        (msgspec.structs.replace(TAXI, labels=None), "run r was begun when stream taxi had another set of topics"),
        (None, "run r was begun by another version, whose definition cannot be read"),
    ],
    ids=["other topics", "unreadable"],
)
def test_a_run_whose_rows_had_another_layout_is_put_aside(
    log: Log, books: Books, definition: Stream | None, why: str
) -> None:
    books.definitions["r"] = definition
    made = worker(log, books)
    log.next = [(PLACE, trips(0, 3))]
    made.step(1.0)
    made.drain()
    (flush,) = books.flushes
    assert {(d.reason, d.detail.partition(":")[0]) for d in flush.dead} == {("stream", why)}


@pytest.mark.parametrize("passengers", [(0, 3), (0, 200)], ids=["narrower", "wider"])
def test_records_are_judged_by_the_bounds_that_their_run_was_begun_with(
    log: Log, books: Books, passengers: tuple[int, int]
) -> None:
    books.definitions["r"] = bounded(*passengers)
    made = worker(log, books, stream=bounded(0, 100))
    log.next = [(PLACE, messages([trip(START, n, passenger_count=n) for n in (1, 5, 150, 250)]))]
    made.step(1.0)
    made.drain()
    (flush,) = books.flushes
    (written,) = flush.chunks
    most = passengers[1]
    assert chunk.decode(written.payload)["passenger_count"].to_pylist() == [n for n in (1, 5, 150) if n <= most]
    assert [d.offset for d in flush.dead] == [at for at, n in enumerate((1, 5, 150, 250)) if n > most]
    assert all(f"<= {most}" in d.detail and (d.run_id, d.reason) == ("r", "invalid") for d in flush.dead)


def bounded(low: int, high: int) -> Stream:
    """The taxi stream with other bounds of the number of passengers."""
    fields = tuple(
        msgspec.structs.replace(field, low=low, high=high) if field.name == "passenger_count" else field
        for field in TAXI.events.fields
    )
    return msgspec.structs.replace(TAXI, events=msgspec.structs.replace(TAXI.events, fields=fields))


def test_a_run_that_was_begun_before_streams_had_names_belongs_to_who_reads_its_topic() -> None:
    ours = RunBinding.from_stream(TAXI, TAXI.terms, None)
    before = replace(ours, stream=None, stream_hash=None)
    assert before.is_of(TAXI)
    assert not replace(before, events_topic="orders").is_of(TAXI)


def test_a_stream_without_labels_that_brings_its_prediction_needs_no_model(log: Log, books: Books) -> None:
    score = Field(name="score", type="float", role="number")
    orders = Records(topic="trips", kind="order", id="id", time="at", fields=(score,), prediction="score")
    stream = Stream(name="orders", events=orders, default_run="orders")
    settings = Settings(stream=stream, database_url="", kafka={})
    for model in (None, Stub()):
        log.rebalance, books.flushes = (PLACE,), []
        made = Worker(settings, log, books, model, 0.0)  # type: ignore[arg-type]
        made.step(0.0)
        values = [json.dumps({"id": "a", "at": START, "score": 0.25}).encode()] * 2
        log.next = [(PLACE, messages(values))]
        made.step(1.0)
        made.drain()
        (flush,) = books.flushes
        assert [(c.run_id, c.rows) for c in flush.chunks] == [("orders", 2)]
        batch = chunk.decode(flush.chunks[0].payload)
        assert batch.schema.names == ["offset", "id", "at", "prediction"]
        assert batch["prediction"].to_pylist() == [0.25, 0.25]
        assert books.ours.model is None


def test_what_is_not_known_yet_is_left_out_of_the_log(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, messages([trip(START, run=None)]))]
    with capture_logs() as logs:
        made.step(1.0)
        made.drain()
        made.step(100.0)
    (said,) = (entry for entry in logs if entry["event"] == "consuming")
    assert None not in said.values()
    assert "watermark_ms" not in said


def test_records_that_name_no_run_are_not_to_be_replayed_under_another_name(log: Log, books: Books) -> None:
    books.scored_by = {"live": "a" * 64}
    made = worker(log, books, until_done="another")
    log.next = [(PLACE, messages([trip(START, run=None)] * 3))]
    made.step(1.0)
    made.drain()
    assert {d.run_id for d in books.flushes[0].dead} == {"live"}
    said = books.flushes[0].dead[0].detail
    theirs, anew = said.index(f"`driftline consume --model {'a' * 12}`"), said.index("`driftline runs rm live`")
    assert theirs < anew, "what harms nothing is named first"
    assert "another --run" not in said


def test_a_model_that_fails_on_every_record_is_logged_and_makes_the_consumer_unwell(log: Log, books: Books) -> None:
    clock, gauges, broken = [0.0], ConsumerGauges(), [True]
    gauges.health = Health("consumer", 15.0, lambda: clock[0])

    class Model(Stub):
        def predict(self, columns: Mapping[str, Any]) -> Any:
            return None if broken[0] else super().predict(columns)

    made = Worker(Settings(stream=TAXI, database_url="", kafka={}), log, books, Model(), 0.0, gauges=gauges)  # type: ignore[arg-type]
    made.step(0.0)
    with capture_logs() as logs:
        for n, (broken[0], well) in enumerate([(False, True), (True, False), (False, True)], 1):
            for at in (40.0 * n, 40.0 * n + 1):  # a batch that the model fails on is read again
                clock[0], log.next = at, [(PLACE, trips(100 * (n - 1), 100))]
                made.step(at)
                made.drain()
            clock[0], log.reached = 40.0 * n + 20, {PLACE: 100 * n}
            made.step(clock[0])
            assert gauges.health.report().well == well, n
            assert "model_fails" in gauges.health.report().reason or well
    assert [entry["records"] for entry in logs if entry["event"] == "model_fails"] == [100]


def test_where_a_log_ends_without_a_record_the_position_moves_there(log: Log, books: Books) -> None:
    """Markers of transactions, what they aborted, and what compaction took have offsets, and nothing to be read."""
    made = worker(log, books)
    log.next, log.reached, log.end = [(PLACE, trips(0, 3))], {PLACE: 5}, {PLACE: 5}
    made.step(5.0)
    made.step(6.0)
    assert spans(books) == [(0, 5)]
    assert books.flushes[0].gained.records == 3
    assert books.beats[-1] == [Beat(PLACE, 1, 5, True)]
    log.reached, log.end = {PLACE: 6}, {PLACE: 6}  # one more marker, alone
    made.step(9.0)
    assert not books.beats[-1][0].caught_up
    made.step(10.0)
    assert spans(books)[1:] == [(5, 6)]
    assert books.beats[-1] == [Beat(PLACE, 1, 6, True)]


def test_an_end_right_after_the_claim_is_believed_only_the_second_time(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.reached = {PLACE: 40}
    made.step(1.0)
    assert log.started == [{PLACE: 0}, {PLACE: 0}]
    log.next, log.reached = [(PLACE, trips(0, 2))], {PLACE: 2}  # the end was that of an earlier assignment
    made.step(1.1)
    made.drain()
    assert spans(books) == [(0, 2)]


def test_an_end_that_was_passed_moves_nothing(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next, log.reached = [(PLACE, trips(0, 5)), (PLACE, trips(5, 1))], {PLACE: 5, OTHER: 9}
    made.step(1.0)
    made.drain()
    assert spans(books) == [(0, 6)]


def test_a_topic_with_another_id_stops_who_takes_over(log: Log, books: Books) -> None:
    books.topic_id = "before"
    with pytest.raises(LogUnreadable, match=r"trips was deleted and recreated .*before.*first.*fresh database"):
        worker(log, books)
    assert log.started == []


def test_what_was_read_of_a_recreated_topic_is_never_committed(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, trips(0, 3))]
    made.step(1.0)
    log.topics["trips"] = "second"
    with pytest.raises(LogUnreadable):
        made.drain()
    assert books.flushes == []


def test_a_recreated_topic_is_noticed_where_nothing_comes(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.topics["trips"] = "second"
    with pytest.raises(LogUnreadable):
        made.step(2.0)


@pytest.mark.parametrize(("begun_in", "now"), [(None, "first"), ("first", None), (None, None)])
def test_a_broker_or_a_database_without_ids_stops_nobody(
    log: Log, books: Books, begun_in: str | None, now: str | None
) -> None:
    log.topics, books.topic_id = {"trips": now}, begun_in
    made = worker(log, books)
    log.next = [(PLACE, trips(0, 3))]
    made.step(1.0)
    made.drain()
    assert spans(books) == [(0, 3)]


def test_what_was_read_waits_for_a_kafka_that_does_not_say_which_topic_it_is(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next, log.down = [(PLACE, trips(0, 3))], True
    made.step(5.0)
    made.step(7.0)
    assert (books.flushes, len(books.beats)) == ([], 2)
    log.down = False
    made.step(8.0)
    assert spans(books) == [(0, 3)]


@pytest.mark.parametrize("gone", ["trips", "outcomes"])
def test_a_deleted_topic_is_not_well_and_says_what_to_do(log: Log, books: Books, gone: str) -> None:
    books.seeded = [Partition("outcomes", 0)]
    gauges = ConsumerGauges()
    made = worker(log, books, gauges)
    id = log.topics.pop(gone)
    log.rebalance = () if gone == "trips" else None  # what is gone is assigned to nobody
    with capture_logs() as logs:
        for now in (2.0, 4.0, 6.0):
            made.step(now)
    said = [entry for entry in logs if entry["event"] == "topic_deleted"]
    assert [entry["topics"] for entry in said] == [gone]
    assert "another --topic-prefix" in said[0]["what"]
    assert said[0]["do"].startswith("give the --topic-prefix that they were read with; if they were deleted, start")
    assert gauges.health.report().reason == books.reported["trouble"] == f"topic_deleted: {gone}"
    log.topics[gone] = id
    made.step(8.0)
    assert "topic_deleted" not in books.reported.get("trouble", "")


def test_what_was_read_before_its_topic_was_deleted_is_committed(log: Log, books: Books) -> None:
    made = worker(log, books)
    log.next = [(PLACE, trips(0, 3))]
    made.step(1.0)
    log.topics = {}
    made.drain()
    assert spans(books) == [(0, 3)]
