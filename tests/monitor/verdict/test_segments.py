"""Segments: which there are, what they hold, and that it adds up."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from monitor.verdict import segments as layouts
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.segments import OTHER, Division, SegmentLayout
from monitor.verdict.summary import (
    Summary,
    decode_parts,
    divide_events,
    divide_labels,
    empty,
    encode_parts,
    merge,
    summarize_events,
    summarize_labels,
)
from schemas.definition import EVENTS, LABELS, Segment, Stream
from tests.monitor.verdict.streams import HOUR, START, STREAMS, cut, layout, stored
from tests.streams import flights

replace = msgspec.structs.replace


def drawn(stream: Stream) -> tuple[SegmentLayout, pa.Table, pa.Table | None]:
    """A stream divided by its first two categories, and whether the second is missing; its rows."""
    events, labels = stored(stream, 3_000, 24)
    first, last = stream.events.categories[0], stream.events.categories[-1]
    divided = replace(
        stream,
        segments=(Segment(column=first, name="some", top=1), last, Segment(column=last, name="has", present="yes")),
    )
    made = SegmentLayout.from_reference(events, divided)
    assert made is not None
    return made, events, labels


def same(one: Summary, other: Summary) -> bool:
    arrays = ((one.rows, other.rows), (one.counts, other.counts), (one.sums, other.sums))
    return (one.start, one.step) == (other.start, other.step) and all(np.array_equal(a, b) for a, b in arrays)


def split(made: SegmentLayout, parts: list[Summary]) -> list[list[Summary]]:
    """The parts of each division."""
    found, at = [], 0
    for division in made.divisions:
        found.append(parts[at : at + len(division.segments)])
        at += len(division.segments)
    assert at == len(parts)
    return found


@STREAMS
def test_the_whole_is_what_it_was_and_the_segments_of_each_division_add_up_to_it(stream: Stream) -> None:
    bins, (made, events, labels) = layout(stream), drawn(stream)
    where = {"start": START, "size": 24 * HOUR}
    whole, *parts = divide_events(events, bins, stream, made.groups(events), **where)
    assert same(whole, summarize_events(events, bins, stream, **where))
    for own in split(made, parts):
        assert same(merge(own), whole)
        assert all((part.counts.sum(1) == part.rows * len(bins.events)).all() for part in own)
    if labels is not None:
        whole, *parts = divide_labels(labels, events, bins, stream, made.groups(events), **where)
        assert same(whole, summarize_labels(labels, events, bins, stream, **where))
        for own in split(made, parts):
            assert same(merge(own), whole)


@STREAMS
def test_segments_of_hours_add_up_to_those_of_the_day(stream: Stream) -> None:
    bins, (made, events, _) = layout(stream), drawn(stream)
    _, *day = divide_events(events, bins, stream, made.groups(events), start=START, size=24 * HOUR)
    hours = [
        divide_events(part, bins, stream, made.groups(part), start=START + n * HOUR, size=HOUR)[1:]
        for n, part in enumerate(cut(events, stream.events.time, [START + n * HOUR for n in range(25)]))
    ]
    assert all(same(merge(of_one), whole) for of_one, whole in zip(zip(*hours, strict=True), day, strict=True))


@STREAMS
def test_a_label_without_its_event_is_in_the_whole_and_in_no_segment(stream: Stream) -> None:
    bins, (made, events, labels) = layout(stream), drawn(stream)
    if labels is None:
        pytest.skip("without labels")
    known = events.slice(0, events.num_rows // 2)
    whole, *parts = divide_labels(labels, known, bins, stream, made.groups(known), start=START, size=24 * HOUR)
    assert whole.rows.sum() == labels.num_rows
    for own in split(made, parts):
        together = merge(own)
        assert 0 < together.rows.sum() == together.sum("matched").sum() < labels.num_rows
        assert np.array_equal(together.sums, whole.sums)


@STREAMS
def test_parts_are_decoded_as_they_were_and_by_no_other_layout(stream: Stream) -> None:
    bins, (made, events, labels) = layout(stream), drawn(stream)
    _, *parts = divide_events(events, bins, stream, made.groups(events), start=START, size=24 * HOUR)
    cases = [parts, [empty(bins, EVENTS, START, HOUR)] * 3]
    if labels is not None:
        groups = made.groups(events)
        cases.append(divide_labels(labels, events, bins, stream, groups, start=START, size=24 * HOUR)[1:])
        cases.append([empty(bins, LABELS, START, HOUR)] * 3)
    for case in cases:
        payload = encode_parts(case, made.hash)
        found = decode_parts(payload, bins, made.hash)
        assert found is not None
        assert all(same(one, other) for one, other in zip(found, case, strict=True))
        assert decode_parts(payload, bins, "another") is None
        assert decode_parts(payload, SummaryLayout(bins.events[:1]), made.hash) is None


TABLE = pa.table(
    {
        "zone": pa.array([1] * 5 + [2] * 3 + [3, 9, None, None], pa.int64()),
        "kind": ["a"] * 4 + ["b"] * 4 + [None] * 4,
    }
)


@pytest.mark.parametrize(
    ("one", "segments", "places"),
    [
        (Segment(column="zone", top=2), ("1", "2", OTHER), [0] * 5 + [1] * 3 + [2] * 4),
        (Segment(column="zone"), ("1", "2", "missing", "3", OTHER), [0] * 5 + [1] * 3 + [3, 4, 2, 2]),
        (
            Segment(column="zone", groups=(("1", "north"), ("3", "north"), ("2", "south"), ("4", "east"))),
            ("north", "south", "missing", OTHER),
            [0] * 5 + [1] * 3 + [0, 3, 2, 2],
        ),
        (
            Segment(column="kind", present="metered", missing="dispatched"),
            ("metered", "dispatched"),
            [0] * 8 + [1] * 4,
        ),
        (Segment(column="zone", present="known"), ("known", "missing"), [0] * 10 + [1] * 2),
    ],
)
def test_segments_are_drawn_from_the_reference(one: Segment, segments: tuple[str, ...], places: list[int]) -> None:
    made = Division.from_reference(one, TABLE)
    assert made.segments == segments
    assert made.places(TABLE).tolist() == places


def test_what_the_reference_does_not_have_is_other_or_present() -> None:
    later = pa.table({"zone": pa.array([77, None], pa.int64()), "kind": ["z", None]})
    made = Division.from_reference(Segment(column="zone", top=1), TABLE)
    assert [made.segments[at] for at in made.places(later)] == [OTHER, OTHER]
    made = Division.from_reference(Segment(column="kind", present="yes"), TABLE)
    assert [made.segments[at] for at in made.places(later)] == ["yes", "missing"]
    assert made.places(later.select(["zone"])).tolist() == [1, 1]


def test_the_mixture_counts_the_rows_of_each_segment() -> None:
    stream = flights.STREAM
    bins, (made, events, _) = layout(stream), drawn(stream)
    _, *parts = divide_events(events, bins, stream, made.groups(events), start=START, size=24 * HOUR)
    for division, own in zip(made.divisions, split(made, parts), strict=True):
        found = made.mixture(division, parts)
        assert found.layout == division.mixture.hash
        assert np.array_equal(found.rows, merge(own).rows)
        assert found.counts[:, : len(own)].sum(0).tolist() == [int(part.rows.sum()) for part in own]
        assert not found.counts[:, len(own) :].any()


@STREAMS
def test_a_layout_of_segments_survives_json_and_an_undivided_stream_has_none(stream: Stream) -> None:
    made, events, _ = drawn(stream)
    assert layouts.decode(made.encode()) == made
    assert layouts.decode(made.encode()).hash == made.hash
    assert len(made.keys) == len({*made.keys}) == sum(len(one.segments) for one in made.divisions)
    assert SegmentLayout.from_reference(events, replace(stream, segments=())) is None
