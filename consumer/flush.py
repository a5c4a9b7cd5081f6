"""From the records that were read since the last flush to what the next one writes. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from consumer import chunking, letters, windows
from consumer.chunking import Chunk, Score
from consumer.decode import Decoded, Decoder
from consumer.ledger import Claim, DeadLetter, Flush, Loss, RunProgress, Tally
from consumer.letters import Message
from consumer.windows import ACCEPTED, DUPLICATE, FUTURE, HEARTBEAT, LATE, Judgement, Rules, State, Stretch
from schemas.definition import Stream
from schemas.records import LIVE, Heartbeat, Manifest

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Consecutive records of one partition, taken apart. offsets: shape (messages,)."""

    messages: Sequence[Message]
    offsets: Ints
    decoded: Decoded

    @property
    def runs(self) -> tuple[str, ...]:
        """Every run that needs its rules: of data records and heartbeats, not of what was rejected."""
        named = set(self.decoded.columns["run_id"]) | {beat.run_id for _, beat in self.decoded.beats}
        return tuple(sorted({name or LIVE for name in named}))


@dataclass(frozen=True)
class _Share:
    """One run's part of a batch. data: indices of its data records among all data records, ascending."""

    run_id: str
    data: Ints
    beats: tuple[tuple[int, Heartbeat], ...]


@dataclass(frozen=True)
class _Judged:
    """One run's part, judged. places: of its records in the batch, in offset order; verdicts likewise.

    data_verdicts, data_reach: of its data records only. reach: M before the record, ms.
    """

    share: _Share
    places: Ints
    stretch: Stretch
    judgement: Judgement
    data_verdicts: npt.NDArray[np.uint8]
    data_reach: Ints


def read(decoder: Decoder, messages: Sequence[Message]) -> Batch:
    """Decode consecutive records of one partition. Where compaction or transactions leave holes, offsets jump."""
    first, last = messages[0].offset(), messages[-1].offset()
    if last - first + 1 == len(messages):
        offsets = np.arange(first, last + 1)
    else:
        offsets = np.array([m.offset() for m in messages], np.int64)
    return Batch(messages, offsets, decoder.decode([m.value() for m in messages]))


def prepare(stream: Stream, claim: Claim, batch: Batch, rules: Mapping[str, Rules], score: Score | None) -> Flush:
    """What the records of a batch come to, from where the claim stands. rules: for each of `batch.runs`."""
    table = chunking.table(stream, batch.decoded.columns, batch.offsets[batch.decoded.places])
    judged = [
        _judged(claim.runs.get(share.run_id), rules[share.run_id], batch, table, share)
        for share in _shares(batch.decoded)
    ]
    return Flush(
        claim=claim,
        next_offset=int(batch.offsets[-1]) + 1,
        runs=_runs(claim, batch, judged),
        chunks=tuple(_chunks(stream, table, judged, rules, score)),
        dead=tuple(_dead(batch, table, judged)),
        losses=tuple(_losses(judged)),
        manifests=tuple(_manifests(batch.decoded)),
        finished=tuple(sorted({beat.run_id for _, beat in batch.decoded.beats if beat.final})),
    )


def _shares(decoded: Decoded) -> Iterator[_Share]:
    names, beats = decoded.columns["run_id"], decoded.beats
    found = set(names) | {beat.run_id for _, beat in beats}
    if len(found) == 1:  # as nearly always
        yield _Share(found.pop() or LIVE, np.arange(len(names)), beats)
        return
    data: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        data[name or LIVE].append(i)
    for run_id in sorted({name or LIVE for name in found}):
        own = tuple((place, beat) for place, beat in beats if beat.run_id == run_id)
        yield _Share(run_id, np.array(data[run_id], np.int64), own)


def _judged(run: RunProgress | None, rules: Rules, batch: Batch, table: pa.RecordBatch, share: _Share) -> _Judged:
    """Data records and heartbeats of a run, brought into offset order and judged."""
    data, beats = len(share.data), [beat for _, beat in share.beats]
    places = np.concatenate([batch.decoded.places[share.data], np.array([p for p, _ in share.beats], np.int64)])
    order = np.argsort(places, kind="stable")
    is_beat = np.arange(len(places)) >= data
    finals = np.zeros(len(places), bool)
    finals[data:] = [beat.final for beat in beats]
    times = np.concatenate([_times(table)[share.data], np.array([beat.at for beat in beats], np.int64)])
    seqs = np.concatenate([_seqs(batch.decoded)[share.data], np.array([beat.seq for beat in beats], np.int64)])
    stretch = Stretch(times[order], seqs[order], is_beat[order], finals[order])
    judgement = windows.judge(run.state if run else State(), rules, stretch)
    verdicts, reach = np.empty_like(judgement.verdicts), np.empty_like(judgement.reach)
    verdicts[order], reach[order] = judgement.verdicts, judgement.reach
    return _Judged(share, places[order], stretch, judgement, verdicts[:data], reach[:data])


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
    if None in set(decoded.columns["run_id"]):
        numbers = np.where([name is None for name in decoded.columns["run_id"]], windows.UNNUMBERED, numbers)
    return numbers


def _runs(claim: Claim, batch: Batch, judged: Sequence[_Judged]) -> tuple[RunProgress, ...]:
    """Where each run stands after the batch; ascending by name, so that no two consumers lock them crosswise."""
    changed: dict[str, RunProgress] = {}
    for j in judged:
        before = claim.runs.get(j.share.run_id)
        first = before.first_offset if before else int(batch.offsets[j.places[0]])
        tally = (before.tally if before else Tally()) + _tally(j.judgement)
        changed[j.share.run_id] = RunProgress(j.share.run_id, first, j.judgement.state, tally)
    rejected = batch.decoded.rejected
    first_rejected = {r.run_id: int(batch.offsets[r.place]) for r in reversed(rejected)}
    for run_id, invalid in Counter(r.run_id for r in rejected).items():
        first = first_rejected[run_id]
        run = changed.get(run_id) or claim.runs.get(run_id) or RunProgress(run_id, first)
        earliest = run.first_offset if run_id in claim.runs else min(run.first_offset, first)
        changed[run_id] = RunProgress(run_id, earliest, run.state, run.tally + Tally(invalid=invalid))
    return tuple(changed[run_id] for run_id in sorted(changed))


def _tally(judgement: Judgement) -> Tally:
    counts = np.bincount(judgement.verdicts, minlength=HEARTBEAT + 1).tolist()
    return Tally(
        accepted=counts[ACCEPTED],
        duplicates=counts[DUPLICATE],
        late=counts[LATE],
        future=counts[FUTURE],
        heartbeats=counts[HEARTBEAT],
        missing=sum(gap.last - gap.first + 1 for gap in judgement.gaps),
    )


def _chunks(
    stream: Stream,
    table: pa.RecordBatch,
    judged: Sequence[_Judged],
    rules: Mapping[str, Rules],
    score: Score | None,
) -> Iterator[Chunk]:
    for j in judged:
        run_id = j.share.run_id
        chosen = j.share.data[j.data_verdicts == ACCEPTED]
        panes = windows.pane_starts(_times(table), rules[run_id].pane)
        if packed := chunking.pack(stream, table, chosen, run_id=run_id, panes=panes, score=score):
            yield packed


def _dead(batch: Batch, table: pa.RecordBatch, judged: Sequence[_Judged]) -> Iterator[DeadLetter]:
    for found in batch.decoded.rejected:
        yield letters.rejected(batch.messages[found.place], found)
    times, places = _times(table), batch.decoded.places
    for j in judged:
        for reason, verdict in (("late", LATE), ("future", FUTURE)):
            for i in np.flatnonzero(j.data_verdicts == verdict).tolist():
                row = int(j.share.data[i])
                message = batch.messages[int(places[row])]
                yield letters.mistimed(message, j.share.run_id, reason, int(times[row]), int(j.data_reach[i]))


def _losses(judged: Sequence[_Judged]) -> Iterator[Loss]:
    for j in judged:
        for gap in j.judgement.gaps:
            yield Loss(j.share.run_id, gap.first, gap.last, int(j.stretch.times[gap.index]))


def _manifests(decoded: Decoded) -> Iterator[tuple[str, Manifest]]:
    """The first of each run: a restarted producer repeats its own."""
    told: dict[str, Manifest] = {}
    for _, beat in decoded.beats:
        if beat.manifest is not None:
            told.setdefault(beat.run_id, beat.manifest)
    yield from sorted(told.items())
