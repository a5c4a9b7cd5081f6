"""The partitions that this consumer owns: claimed in Postgres, fenced by epochs, of topics that still exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaException

from consumer.flush import Pending
from consumer.ledger import Claim, Partition
from consumer.source import KafkaSource, deleted, recreated, unreadable
from consumer.store import Store
from schemas.definition import Records

log = structlog.get_logger()

_TOPIC_ID_TIMEOUT_S = 1.0


@dataclass
class OwnedPartition:
    """A partition that this consumer has claimed.

    Attributes:
        pending: What was read since the last flush.
        since: Monotonic seconds at which the oldest of it was read.
        confirmed: Whether reading began at the offset that the claim names; a jump was confirmed by a second read.
    """

    pending: Pending
    since: float = 0.0
    confirmed: bool = False

    @property
    def claim(self) -> Claim:
        """Where the partition stood at its last flush."""
        return self.pending.claim

    @property
    def has_progress(self) -> bool:
        """Whether there is anything to commit: records, or offsets that hold none."""
        return self.pending.expected > self.claim.next_offset

    def start_waiting(self, now: float) -> None:
        """Start the timer of the next flush unless it runs already. Call it before anything is added."""
        if not self.has_progress:
            self.since = now


class Assignment:
    """What the group assigned to this consumer, from one rebalance to the next.

    Attributes:
        topics: Topics in which any consumer has a position.
    """

    def __init__(self, source: KafkaSource, store: Store, records: Mapping[str, Records]) -> None:
        self._source = source
        self._store = store
        self._records = records
        self._generation = source.generation
        self._owned: dict[Partition, OwnedPartition] = {}
        self._reported_missing: list[str] = []
        self.topics: set[str] = set()

    def __iter__(self) -> Iterator[OwnedPartition]:
        return iter(self._owned.values())

    def __len__(self) -> int:
        return len(self._owned)

    def get(self, partition: Partition) -> OwnedPartition | None:
        """The partition, if it is ours."""
        return self._owned.get(partition)

    @property
    def is_current(self) -> bool:
        """Whether there was no rebalance since `take_over`."""
        return self._source.generation == self._generation

    def take_over(self) -> None:
        """Drop what is not flushed, claim what is assigned now, and start reading where each claim says.

        Raises:
            LogUnreadable: A log does not hold the claimed offset, or its topic was recreated.
        """
        generation, assigned = self._source.generation, self._source.assigned
        if not assigned:
            self._owned, self._generation = {}, generation
            return
        self.topics = self._store.topics() & {*self._records} | {partition.topic for partition in assigned}
        ids = self._source.ids(self._records)()
        self._seed(ids)
        claims = [self._store.claim(partition, ids.get(partition.topic)) for partition in assigned]
        self._check_offsets(claims, ids)
        self._owned = {c.partition: OwnedPartition(Pending(self._records[c.partition.topic], c)) for c in claims}
        self._generation = generation
        self._source.start_at({claim.partition: claim.next_offset for claim in claims})
        log.info("assigned", partitions=[str(partition) for partition in assigned])

    def confirm(self, owned: OwnedPartition, offset: int) -> bool:
        """Whether reading may go on at this offset. A jump after the claim must be seen twice.

        A jump is either a hole in the log (compaction, transactions), or records that the client had fetched for an
        earlier assignment. Reading again from the claim tells the one from the other.
        """
        confirmed, owned.confirmed = owned.confirmed, True
        if confirmed or offset == owned.pending.expected:
            return True
        self._seek()
        return False

    def rewind(self, owned: OwnedPartition, pending: Pending) -> None:
        """Drop what is pending of a partition, and read on from its last flush.

        Args:
            owned: The partition.
            pending: Takes what is read from there.
        """
        owned.pending = pending
        for each in self:
            each.confirmed = False
        self._seek()

    def request_ids(self, claim: Claim) -> Callable[[], Mapping[str, str | None]]:
        """Request the id of the claim's topic from Kafka. Returns a function that waits for the answer."""
        return self._source.ids([claim.partition.topic], _TOPIC_ID_TIMEOUT_S)

    def is_same_topic(self, claim: Claim, answer: Callable[[], Mapping[str, str | None]]) -> bool:
        """Whether what was read before the request may be committed; False where Kafka does not answer in time.

        librdkafka reads on at its offset in a recreated topic, without an error. A topic that is gone has no
        successor yet, so that what was read is still of the one before.

        Args:
            claim: The partition, with the id of the topic that its offsets are of.
            answer: As `request_ids` returned it, after the last record was read.

        Raises:
            LogUnreadable: The topic was recreated.
        """
        try:
            _check_topic(claim, answer())
        except KafkaException as error:
            self._source.complain(error.args[0])
            return False
        return True

    def missing_topics(self) -> list[str]:
        """Topics that were read before and no longer exist, ascending; logged when they change.

        Raises:
            LogUnreadable: A topic was recreated.
        """
        try:
            ids = self._source.ids(self.topics, _TOPIC_ID_TIMEOUT_S)()
        except KafkaException as error:
            self._source.complain(error.args[0])
            return []
        for owned in self:
            _check_topic(owned.claim, ids)
        missing = sorted(self.topics - ids.keys())
        if missing and missing != self._reported_missing:
            log.error("topic_deleted", **deleted(missing))
        self._reported_missing = missing
        return missing

    def _seed(self, ids: Mapping[str, str | None]) -> None:
        """Give every partition of the topics its row: one that nobody has read yet holds the watermark back.

        Args:
            ids: Of the topics, requested before the offsets that are written together with them.
        """
        new = self._store.unseeded(self._source.partitions())
        starts, ends = self._source.starts(new), self._source.ends(new)
        for partition in new:
            self._store.seed(partition, starts[partition], ends[partition], ids.get(partition.topic))

    def _check_offsets(self, claims: Sequence[Claim], ids: Mapping[str, str | None]) -> None:
        partitions = [claim.partition for claim in claims]
        starts, ends = self._source.starts(partitions), self._source.ends(partitions)
        for claim in claims:
            _check_topic(claim, ids)
            first, end = starts[claim.partition], ends[claim.partition]
            if not first <= claim.next_offset <= end:
                raise unreadable(claim.partition, f"offset {claim.next_offset} of a log from {first} to {end}")

    def _seek(self) -> None:
        """Read each partition from the offset that it expects next."""
        self._source.start_at({partition: owned.pending.expected for partition, owned in self._owned.items()})


def _check_topic(claim: Claim, ids: Mapping[str, str | None]) -> None:
    """Raise LogUnreadable unless the claim's offsets are of the topic that exists now. ids: of what exists."""
    now = ids.get(claim.partition.topic)
    if now is not None and claim.topic_id is not None and now != claim.topic_id:
        raise recreated(claim.partition.topic, claim.topic_id, now)
