"""From the records that were read to what the next flush writes. Pure.

Records are decoded as they come, some thousand at a time: by the time of the flush they would have left the
processor's caches, and cost twice as much.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consumer import chunking, dead_letters, windows
from consumer.chunking import Rows
from consumer.dead_letters import Message
from consumer.decode import Decoded, Decoder
from consumer.ledger import Claim, DeadLetter, Flush, Foreign, Loss, PartitionRun, Tally, Unscored
from consumer.scoring import NOTHING, PredictEach, Score
from consumer.windows import (
    ACCEPTED,
    DUPLICATE,
    FUTURE,
    HEARTBEAT,
    LATE,
    Classification,
    LatenessPolicy,
    RecordSequence,
    State,
)
from schemas.definition import Records
from schemas.records import LIVE, Heartbeat, Manifest

Ints = npt.NDArray[np.int64]

UNSCORED = HEARTBEAT + 1
"""The verdict on a record that would be a row, had the model a prediction for it."""

MODEL = "model"
"""The reason of its dead letter."""


@dataclass(frozen=True)
class Batch:
    """Consecutive records of one partition, decoded.

    Attributes:
        messages: As Kafka handed them out.
        offsets: Of each message, shape (messages,).
        decoded: What they hold.
        default_run: The run of records that name none.
    """

    messages: Sequence[Message]
    offsets: Ints
    decoded: Decoded
    default_run: str = LIVE

    @property
    def runs(self) -> tuple[str, ...]:
        """Every run that needs its policy: of data records and heartbeats, not of what was rejected."""
        return tuple(sorted(_run_ids(self)))

    @property
    def named_runs(self) -> set[str]:
        """The runs of all its records, those that were rejected included."""
        return _run_ids(self) | {found.run_id or self.default_run for found in self.decoded.rejected}


@dataclass(frozen=True)
class _Share:
    """One run's part of a batch. data: indices of its data records among all data records, ascending."""

    run_id: str
    data: Ints
    beats: tuple[tuple[int, Heartbeat], ...]


class _Data(NamedTuple):
    """Places in the batch, event times and `seq` of one run's data records."""

    places: Ints
    times: Ints
    seqs: Ints


@dataclass(frozen=True)
class _ClassifiedRun:
    """One run's part of a batch, with the verdict on each record.

    Attributes:
        share: Which records they are.
        places: Of its records in the batch, in offset order.
        sequence: The same records.
        classification: The verdicts on them.
        data_verdicts: Of its data records only, as `share.data`.
        data_max_times: M before each data record, ms.
        panes: The start of each data record's pane, ms.
        unscored: Row of the batch's table → why it is UNSCORED.
        reason: Of the dead letters of those rows.
    """

    share: _Share
    places: Ints
    sequence: RecordSequence
    classification: Classification
    data_verdicts: npt.NDArray[np.uint8]
    data_max_times: Ints
    panes: Ints
    unscored: Mapping[int, str] = field(default_factory=dict)
    reason: str = MODEL


def decode_batch(decoder: Decoder, messages: Sequence[Message], earlier: Mapping[str, Records] = {}) -> Batch:
    """Decode consecutive records of one partition, one or more.

    Args:
        decoder: Of the partition's topic.
        messages: In offset order; offsets jump where compaction or transactions leave holes.
        earlier: As for `Decoder.decode`.
    """
    first, last = messages[0].offset(), messages[-1].offset()
    if last - first + 1 == len(messages):
        offsets = np.arange(first, last + 1)
    else:
        offsets = np.array([m.offset() for m in messages], np.int64)
    decoded = decoder.decode([m.value() for m in messages], earlier)
    return Batch(messages, offsets, decoded, decoder.default_run)


class Pending:
    """The records of a partition since its last flush, classified.

    Attributes:
        claim: The partition at its last flush.
        expected: The offset to come next.
        records: How many were added.
        size: Of what is kept of them, in bytes.
    """

    def __init__(self, records: Records, claim: Claim, isolate: PredictEach | None = None) -> None:
        """Make one without records.

        Args:
            records: What records they are.
            claim: The partition.
            isolate: `predict_each`: scores each batch as it comes, while its messages are at hand, so that records
                without a prediction become dead letters. None: all rows are scored at once by `seal`, which is
                faster.
        """
        self.claim = claim
        self.expected = claim.next_offset
        self.records = self.size = 0
        self._definition = records
        self._isolate = isolate
        self._runs: dict[str, PartitionRun] = {}
        self._rows: dict[str, list[Rows]] = defaultdict(list)
        self._dead: list[DeadLetter] = []
        self._losses: list[Loss] = []
        self._unscored: dict[tuple[str, bool], Unscored] = {}
        self._manifests: dict[str, Manifest] = {}
        self._finished: set[str] = set()

    @property
    def runs(self) -> int:
        """How many runs the records belong to."""
        return len(self._runs)

    @property
    def ends_a_run(self) -> bool:
        """Whether a final heartbeat is among the records: there is nothing to wait for."""
        return bool(self._finished)

    def add(
        self, batch: Batch, policies: Mapping[str, LatenessPolicy], foreign: Mapping[str, Foreign] = {}
    ) -> None:
        """Add the records that come next.

        Args:
            batch: They begin at `expected`.
            policies: For each of `batch.runs`.
            foreign: Runs that belong to another model or stream.
        """
        table = chunking.table(self._definition, batch.decoded.columns, batch.offsets[batch.decoded.places])
        runs = ChainMap(self._runs, self.claim.runs)  # type: ignore[arg-type]  # of which only the first is written
        classified = _classify(runs, policies, batch, table)
        if foreign:
            classified = [_reject_foreign(j, foreign) for j in classified]
        if self._isolate:
            classified, table = _predict_each(self._definition, classified, table, self._isolate)
        for j in classified:
            accepted = j.data_verdicts == ACCEPTED
            if rows := chunking.choose(table, j.share.data[accepted], j.panes[accepted]):
                self._rows[j.share.run_id].append(rows)
                self.size += rows.batch.nbytes
        self._runs.update(_progress(runs, batch, classified))
        self._add_dead([*_dead(batch, table, classified)])
        self._losses += _losses(classified)
        for unscored in _unscored(classified, table, foreign):
            key = (unscored.run_id, unscored.foreign)
            self._unscored[key] = self._unscored[key] + unscored if key in self._unscored else unscored
        self._add_heartbeats(beat for _, beat in batch.decoded.beats)
        self.expected = int(batch.offsets[-1]) + 1
        self.records += len(batch.offsets)

    def _add_dead(self, dead: Sequence[DeadLetter]) -> None:
        self._dead += dead
        self.size += sum(len(d.raw or b"") + len(d.headers or "") for d in dead)

    def _add_heartbeats(self, beats: Iterable[Heartbeat]) -> None:
        for beat in beats:
            if beat.manifest is not None:
                self._manifests.setdefault(beat.run_id, beat.manifest)
            if beat.final:
                self._finished.add(beat.run_id)

    def seal(self, score: Score | None) -> Flush:
        """Make one flush of it all. Runs ascend by name, so that no two consumers wait for each other's locks.

        Args:
            score: Makes the predictions; None where the records bring them, or hold labels.

        Raises:
            Unscorable: Some rows have no prediction: add the records again, with `isolate`.
        """
        return Flush(
            claim=self.claim,
            next_offset=self.expected,
            runs=tuple(self._runs[run_id] for run_id in sorted(self._runs)),
            chunks=tuple(chunking.pack(self._definition, r, self._rows[r], score) for r in sorted(self._rows)),
            dead=tuple(self._dead),
            losses=tuple(self._losses),
            unscored=tuple(self._unscored[key] for key in sorted(self._unscored)),
            manifests=tuple(sorted(self._manifests.items())),
            finished=tuple(sorted(self._finished)),
        )


def _run_ids(batch: Batch) -> set[str]:
    data = {name or batch.default_run for name in batch.decoded.names}
    return data | {beat.run_id for _, beat in batch.decoded.beats}


def _shares(batch: Batch) -> Iterator[_Share]:
    names, beats = batch.decoded.columns["run_id"], batch.decoded.beats
    found = _run_ids(batch)
    if len(found) == 1:  # as nearly always
        yield _Share(found.pop(), np.arange(len(names)), beats)
        return
    data: dict[str, list[int]] = defaultdict(list)
    own: dict[str, list[tuple[int, Heartbeat]]] = defaultdict(list)
    for i, name in enumerate(names):
        data[name or batch.default_run].append(i)
    for place, beat in beats:
        own[beat.run_id].append((place, beat))
    for run_id in sorted(found):
        yield _Share(run_id, np.array(data[run_id], np.int64), tuple(own[run_id]))


def _classify(
    runs: Mapping[str, PartitionRun], policies: Mapping[str, LatenessPolicy], batch: Batch, table: pa.RecordBatch
) -> list[_ClassifiedRun]:
    """Classify the records of each run. runs: their state before the batch."""
    times, seqs, classified = _times(table), _seqs(batch.decoded), []
    for share in _shares(batch):
        run = runs.get(share.run_id)
        places = batch.decoded.places[share.data]
        data = _Data(places, times[share.data], seqs[share.data])
        state = run.state if run else State()
        classified.append(_classify_run(state, policies[share.run_id], share, data, batch.messages))
    return classified


def _classify_run(
    state: State, policy: LatenessPolicy, share: _Share, rows: _Data, messages: Sequence[Message]
) -> _ClassifiedRun:
    """Merge the data records and heartbeats of a run in offset order, and classify them."""
    data, beats = len(share.data), [beat for _, beat in share.beats]
    places = np.concatenate([rows.places, np.array([p for p, _ in share.beats], np.int64)])
    order = np.argsort(places, kind="stable")
    is_beat = np.arange(len(places)) >= data
    finals = np.zeros(len(places), bool)
    finals[data:] = [beat.final for beat in beats]
    times = np.concatenate([rows.times, np.array([beat.at for beat in beats], np.int64)])
    seqs = np.concatenate([rows.seqs, np.array([beat.seq for beat in beats], np.int64)])
    ordered = places[order]
    sequence = RecordSequence(
        times=times[order],
        seqs=seqs[order],
        beats=is_beat[order],
        finals=finals[order],
        written_at=lambda index: dead_letters.written_at(messages[int(ordered[index])]),
    )
    classification = windows.classify(state, policy, sequence)
    verdicts, max_times = np.empty_like(classification.verdicts), np.empty_like(classification.max_times)
    verdicts[order], max_times[order] = classification.verdicts, classification.max_times
    panes = windows.pane_starts(rows.times, policy.pane)
    return _ClassifiedRun(share, ordered, sequence, classification, verdicts[:data], max_times[:data], panes)


def _reject_foreign(classified: _ClassifiedRun, foreign: Mapping[str, Foreign]) -> _ClassifiedRun:
    """Give the verdict UNSCORED to all rows of a foreign run."""
    found = foreign.get(classified.share.run_id)
    if found is None:
        return classified
    rejected = _unscore(classified, dict.fromkeys(classified.share.data.tolist(), found.detail))
    return replace(rejected, reason=found.reason)


def _predict_each(
    records: Records, classified: Sequence[_ClassifiedRun], table: pa.RecordBatch, predict_each: PredictEach
) -> tuple[list[_ClassifiedRun], pa.RecordBatch]:
    """Predict the accepted records of all runs at once. Those without a prediction become UNSCORED."""
    rows = np.concatenate([j.share.data[j.data_verdicts == ACCEPTED] for j in classified])
    found = predict_each(table.take(pa.array(rows))) if len(rows) else NOTHING
    values = np.full(table.num_rows, np.nan)
    values[rows] = found.values
    failures = {int(rows[i]): why for i, why in found.failures.items()}
    return [_unscore(j, failures) for j in classified], chunking.with_predictions(records, table, values)


def _unscore(classified: _ClassifiedRun, failures: Mapping[int, str]) -> _ClassifiedRun:
    """Give the verdict UNSCORED to accepted rows without a prediction. failures: row of the table → why."""
    verdicts, unscored = classified.data_verdicts.copy(), dict(classified.unscored)
    for i, row in enumerate(classified.share.data.tolist()):
        if row in failures and verdicts[i] == ACCEPTED:
            verdicts[i], unscored[row] = UNSCORED, failures[row]
    return replace(classified, data_verdicts=verdicts, unscored=unscored)


def _times(table: pa.RecordBatch) -> Ints:
    """Event time of each data record: the third column of a chunk, ms."""
    times: Ints = table.column(2).to_numpy()
    return times


def _seqs(decoded: Decoded) -> Ints:
    """`seq` of each data record, UNNUMBERED where it has none, or no run to count in."""
    seqs = pa.array(decoded.columns["seq"], pa.int64())
    if seqs.null_count:
        seqs = seqs.fill_null(windows.UNNUMBERED)
    numbers: Ints = seqs.to_numpy()
    if None in decoded.names:
        numbers = np.where([name is None for name in decoded.columns["run_id"]], windows.UNNUMBERED, numbers)
    return numbers


def _progress(
    runs: Mapping[str, PartitionRun], batch: Batch, classified: Sequence[_ClassifiedRun]
) -> dict[str, PartitionRun]:
    """Return the state of each run of the batch after it. runs: the state of all before it."""
    changed: dict[str, PartitionRun] = {}
    for j in classified:
        run = runs.get(j.share.run_id) or PartitionRun(j.share.run_id, int(batch.offsets[j.places[0]]))
        changed[run.run_id] = replace(run, state=j.classification.state, tally=run.tally + _tally(j))
    for found in batch.decoded.rejected:
        offset = int(batch.offsets[found.place])
        run = changed.get(found.run_id) or runs.get(found.run_id) or PartitionRun(found.run_id, offset)
        first = min(run.first_offset, offset)
        changed[run.run_id] = replace(run, first_offset=first, tally=run.tally + Tally(invalid=1))
    return changed


def _tally(classified: _ClassifiedRun) -> Tally:
    counts = np.bincount(classified.data_verdicts, minlength=UNSCORED + 1).tolist()
    return Tally(
        accepted=counts[ACCEPTED],
        duplicates=counts[DUPLICATE],
        late=counts[LATE],
        future=counts[FUTURE],
        invalid=counts[UNSCORED],
        heartbeats=len(classified.share.beats),
        missing=sum(gap.last - gap.first + 1 for gap in classified.classification.gaps),
    )


def _dead(batch: Batch, table: pa.RecordBatch, classified: Sequence[_ClassifiedRun]) -> Iterator[DeadLetter]:
    for found in batch.decoded.rejected:
        yield dead_letters.from_rejected(batch.messages[found.place], found)
    times, places = _times(table), batch.decoded.places
    for j in classified:
        for reason, verdict in (("late", LATE), ("future", FUTURE)):
            for i in np.flatnonzero(j.data_verdicts == verdict).tolist():
                row = int(j.share.data[i])
                message, before = batch.messages[int(places[row])], int(j.data_max_times[i])
                max_time = None if before == windows.UNSET else before
                yield dead_letters.from_mistimed(message, j.share.run_id, reason, int(times[row]), max_time)
        for row, why in j.unscored.items():
            yield dead_letters.from_unscored(
                batch.messages[int(places[row])], j.share.run_id, j.reason, why, int(times[row])
            )


def _unscored(
    classified: Sequence[_ClassifiedRun], table: pa.RecordBatch, foreign: Mapping[str, Foreign]
) -> Iterator[Unscored]:
    for j in classified:
        if j.unscored:
            times = _times(table)[[*j.unscored]]
            run_id = j.share.run_id
            yield Unscored(
                run_id,
                j.reason,
                run_id in foreign,
                len(times),
                int(times.min()),
                int(times.max()),
                next(iter(j.unscored.values())),
            )


def _losses(classified: Sequence[_ClassifiedRun]) -> Iterator[Loss]:
    for j in classified:
        for gap in j.classification.gaps:
            yield Loss(j.share.run_id, gap.first, gap.last, int(j.sequence.times[gap.index]))
