"""Summaries add up exactly, survive storage, and keep what a distance needs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from monitor.drift.category import CategoryReference
from monitor.drift.figures import Config
from monitor.drift.number import NumberReference
from monitor.verdict import layout as layouts
from monitor.verdict.layout import ERROR, CategoryLayout, Grid, NumberLayout, SummaryLayout
from monitor.verdict.signals import jensen_shannon, wasserstein
from monitor.verdict.summary import (
    Summary,
    decode,
    empty,
    encode,
    error_unit,
    merge,
    step_of,
    summarize_events,
    summarize_labels,
)
from schemas.definition import EVENTS, LABELS, Stream
from schemas.errors import UsageError
from tests.monitor.verdict.streams import HOUR, SMALL, START, STREAMS, cut, layout, small, stored


def same(one: Summary, other: Summary) -> bool:
    """Equal in all that is stored."""
    arrays = ((one.rows, other.rows), (one.counts, other.counts), (one.sums, other.sums))
    return one.start == other.start and one.step == other.step and all(np.array_equal(a, b) for a, b in arrays)


def of_small(table: pa.Table, made: SummaryLayout) -> Summary:
    return summarize_events(table, made, SMALL, start=0, size=HOUR)


def bins(summary: Summary, made: SummaryLayout, name: str) -> list[int]:
    """The counts of a column."""
    place = next(place for column, place in made.slices(summary.role) if column.name == name)
    return summary.counts[0, place].tolist()


@STREAMS
def test_summaries_of_parts_add_up_to_that_of_the_whole(stream: Stream) -> None:
    made, (events, labels) = layout(stream), stored(stream, 3_000, 24)
    whole = summarize_events(events, made, stream, start=START, size=24 * HOUR)
    assert whole.rows.sum() == events.num_rows
    assert (whole.counts.sum(1) == whole.rows * len(made.events)).all()
    hours = cut(events, stream.events.time, [START + n * HOUR for n in range(25)])
    apart = [
        summarize_events(part, made, stream, start=START + n * HOUR, size=HOUR) for n, part in enumerate(hours)
    ]
    assert same(merge(apart), whole)
    halves = [events.take(np.arange(first, events.num_rows, 2)) for first in (0, 1)]
    assert same(merge(summarize_events(half, made, stream, start=START, size=24 * HOUR) for half in halves), whole)
    if labels is not None:
        rest = cut(labels, stream.records(LABELS).time, [START + n * HOUR for n in range(25)])
        whole = summarize_labels(labels, events, made, stream, start=START, size=24 * HOUR)
        assert whole.sum("events").sum() == events.num_rows
        assert whole.sum("matched").sum() == labels.num_rows == whole.sum("errors").sum()
        apart = [
            summarize_labels(part, hours[n], made, stream, start=START + n * HOUR, size=HOUR)
            for n, part in enumerate(rest)
        ]
        assert same(merge(apart), whole)


@STREAMS
def test_what_is_encoded_is_decoded_and_an_hour_takes_little_room(stream: Stream) -> None:
    made, (events, labels) = layout(stream), stored(stream, 2_400, 24)
    summaries = [
        summarize_events(events, made, stream, start=START, size=24 * HOUR),
        empty(made, EVENTS, START, HOUR),
    ]
    if labels is not None:
        summaries.append(summarize_labels(labels, events, made, stream, start=START, size=24 * HOUR))
    for summary in summaries:
        payload = encode(summary)
        assert same(decode(payload, made), summary)
        assert encode(decode(payload, made)) == payload
        assert len(payload) < 2_000 * len(summary.rows)


def test_the_layout_survives_storage_as_bytes_and_as_a_dict() -> None:
    made = SummaryLayout.from_reference(small(amount=[1.0, 2.0]), SMALL)
    assert layouts.decode(made.encode()) == made
    assert layouts.decode(made.encode()).hash == made.hash


def test_summaries_of_another_layout_are_refused() -> None:
    one, other = (SummaryLayout.from_reference(small(amount=values), SMALL) for values in ([1.0, 2.0], [1.0, 3.0]))
    with pytest.raises(UsageError, match="another layout"):
        decode(encode(empty(one, EVENTS, 0, HOUR)), other)
    with pytest.raises(UsageError, match="cannot be added up"):
        merge([empty(one, EVENTS, 0, HOUR), empty(other, EVENTS, 0, HOUR)])
    with pytest.raises(UsageError, match="cannot be added up"):
        merge([])


@pytest.mark.parametrize(("size", "steps"), [(300_000, 1), (HOUR, 1), (24 * HOUR, 24), (HOUR * 3 // 2, 3)])
def test_windows_are_summarised_by_the_hour_or_in_the_largest_steps_that_fit(size: int, steps: int) -> None:
    made = SummaryLayout.from_reference(small(amount=[1.0, 2.0]), SMALL)
    assert len(empty(made, EVENTS, 0, size).rows) == steps == size // step_of(size)


def test_time_without_a_summary_has_no_rows() -> None:
    made = SummaryLayout.from_reference(small(amount=[1.0, 2.0]), SMALL)
    at = [
        summarize_events(small(amount=[1.0]), made, SMALL, start=0, size=HOUR),
        empty(made, EVENTS, 3 * HOUR, HOUR),
    ]
    assert merge(at).rows.tolist() == [1, 0, 0, 0]
    assert merge(at).between(0, 2 * HOUR).rows.tolist() == [1, 0]
    assert merge(at).by_step(2 * HOUR).rows.tolist() == [1, 0]


def test_missing_new_and_outlying_values_are_counted_apart() -> None:
    reference = small(amount=[*range(100)], word=["a"] * 60 + ["b"] * 40, code=[1] * 99 + [None])
    made = SummaryLayout.from_reference(reference, SMALL)
    summary = of_small(
        small(amount=[-5.0, 50.0, 1e9, None, np.inf], word=["a", "b", "c", None, "b"], code=[1, 1, 7, None, 1]),
        made,
    )
    amount = bins(summary, made, "amount")
    assert (amount[0], amount[-2], amount[-1]) == (1, 1, 2)
    assert bins(summary, made, "word") == [1, 2, 0, 1, 1]
    assert bins(summary, made, "code") == [3, 0, 1, 1]


def test_a_category_is_known_however_it_is_spelt() -> None:
    made = SummaryLayout.from_reference(small(code=[1, 1, 2]), SMALL)
    table = small(code=[1, 2, 2])
    for type_ in (pa.int64(), pa.float64(), pa.string(), pa.dictionary(pa.int32(), pa.string())):
        text = table["code"].cast(pa.string()) if not pa.types.is_floating(type_) else table["code"]
        other = table.set_column(table.column_names.index("code"), "code", text.cast(type_))
        assert bins(of_small(other, made), made, "code") == [1, 2, 0, 0, 0]


def test_rare_values_of_the_reference_are_other_and_not_new() -> None:
    values = [str(n) for n in range(30) for _ in range(60 - n)]
    made = SummaryLayout.from_reference(small(word=values), SMALL)
    assert bins(of_small(small(word=["0", "29", "30"]), made), made, "word") == [1, *[0] * 19, 1, 1, 0]


def test_columns_that_are_missing_constant_or_absent_are_summarised_too() -> None:
    reference = small(amount=[None] * 5, word=[None] * 5, code=[3] * 5)
    made = SummaryLayout.from_reference(reference, SMALL)
    summary = of_small(small(amount=[None, 2.0], word=["x", None], code=[3, 4]), made)
    assert bins(summary, made, "amount") == [0, 1, 1]
    assert bins(summary, made, "word") == [0, 1, 1]
    assert bins(summary, made, "code") == [1, 0, 1, 0]
    absent = of_small(small(amount=[1.0]).drop_columns(["word"]), made)
    assert bins(absent, made, "word") == [0, 0, 1]


def test_errors_are_of_labels_inside_their_range_that_have_a_prediction() -> None:
    made = SummaryLayout.from_reference(small(took=np.linspace(2, 30, 50)), SMALL)
    assert [column.name for column in made.labels] == ["took", ERROR]
    events = small(prediction=[10.0, 10.0, 10.0])
    labels = small(took=[12.5, 500.0, 9.0, 7.0]).set_column(0, "id", pa.array(["0", "1", "2", "elsewhere"]))
    summary = summarize_labels(labels, events, made, SMALL, start=0, size=HOUR)
    assert summary.sums[0, :3].tolist() == [3, 3, 2]
    assert summary.sum("error")[0] * error_unit(made) == pytest.approx(-1.5, abs=1e-4)
    assert summary.sum("absolute_error")[0] * error_unit(made) == pytest.approx(3.5, abs=1e-4)
    assert bins(summary, made, "took")[-1] == 1
    assert bins(summary, made, ERROR)[-1] == 2


@pytest.mark.parametrize(
    "edges",
    [
        [0.0],
        [5e-324],
        [0.0, 5e-324, 1e-300],
        [-1.7e308, -1.0, 0.0, 1.7e308],
        [1.0, *(np.nextafter(1.0, 2.0) + k * 2.0**-52 for k in range(6)), 1e9],
        [*(1.0 + k * 2.0**-52 for k in range(20)), 1e9],
        list(np.geomspace(1e-3, 1e6, 140)),
        list(np.sort(np.random.default_rng(3).normal(0, 1, 160))),
    ],
    ids=["zero", "tiny", "subnormal", "huge", "close", "too close", "skewed", "normal"],
)
def test_a_grid_finds_what_a_binary_search_does(edges: list[float]) -> None:
    bounds = np.array(edges)
    spread = np.random.default_rng(7).normal(0, 10, 600)
    ends = [np.nextafter(bounds, side) for side in (-np.inf, np.inf)]
    values = np.concatenate([bounds, *ends, spread, [1.79e308, -1.79e308, 0.0, -0.0]])
    assert len(values) > 500
    assert Grid(bounds).codes(values).tolist() == bounds.searchsorted(values, "right").tolist()
    usual = Grid(bounds).codes(np.concatenate([values, [np.nan, np.inf, -np.inf]]))
    assert usual[: len(values)].tolist() == bounds.searchsorted(values, "right").tolist()


@pytest.mark.parametrize(
    "column",
    [
        NumberLayout("n", (-2.5, 0.0, 5e-324, 3.0, 40.25), 1.0),
        NumberLayout("n", (0.0, 7.0), 1.0, 2.0, 60.5),
        NumberLayout("n", (0.0, 7.0), 1.0, -np.inf, 5.0),
        NumberLayout("n", (0.0, 5_000.0), 1.0),
        NumberLayout("n", (2.0**63, 2.0**63 + 2048), 1.0),
        CategoryLayout("n", ("1", "2.5", "-3", "x"), ("260", "7")),
        CategoryLayout("n", ("1", "9007199254740991"), ()),
        CategoryLayout("n", ("N", "Y"), ()),
    ],
    ids=["number", "limits", "one limit", "wide", "beyond exact", "category", "far apart", "texts"],
)
def test_whole_numbers_are_counted_where_the_same_floats_are(column: NumberLayout | CategoryLayout) -> None:
    layout = SummaryLayout((column,))
    ends = [-(2**63), -(2**53), 2**53, 2**63 - 1]
    values = np.array([*range(-50, 700), *range(4_990, 5_010), *ends])
    found = []
    for given in (values, values.astype(np.float64)):
        numbers = pa.array(given, mask=values % 100 == 7)
        table = small(amount=[0.0] * len(values)).append_column("n", numbers)
        parts = pa.concat_tables([table.slice(3, 300), table.slice(303)])
        found += [of_small(each, layout).counts.tolist() for each in (table.slice(3), parts)]
    assert found == [found[0]] * 4
    assert found[0][0][-1] >= 8


@pytest.mark.parametrize("seed", range(2))
def test_distances_from_bins_are_those_of_the_values(seed: int) -> None:
    random = np.random.default_rng(seed)
    draws = {
        "gamma": lambda n, by: random.gamma(4, 25 * by, n),
        "zeros": lambda n, by: np.where(random.random(n) < 0.6 / by, 0.0, random.gamma(4, 1, n)),
        "counts": lambda n, by: random.poisson(2 * by, n).astype(float),
        "heavy": lambda n, by: random.standard_t(2, n) * by,
        "rounded": lambda n, by: np.round(random.gamma(3, 3 * by, n) * 2) / 2,
    }
    for draw in draws.values():
        for by, count in ((1.0, 90), (1.1, 700), (1.61, 3_000)):
            known, current = draw(20_000, 1.0), draw(count, by)
            exact = NumberReference.from_column(small(amount=known)["amount"], Config().clip)
            made = SummaryLayout.from_reference(small(amount=known), SMALL)
            score = exact.distance(exact.summarize(small(amount=current)["amount"]))
            counts = [of_small(small(amount=values), made).counts for values in (known, current)]
            found = number_distance(made, *counts)
            assert found == pytest.approx(score, rel=0.03, abs=0.005)


def test_distances_of_categories_are_those_of_the_values() -> None:
    random = np.random.default_rng(1)
    known, current = (
        random.choice(["a", "b", "c"], n, p=p) for n, p in ((5_000, [0.7, 0.2, 0.1]), (80, [0.4, 0.5, 0.1]))
    )
    current[:5] = "new"
    exact = CategoryReference.from_column(small(word=known)["word"])
    made = SummaryLayout.from_reference(small(word=known), SMALL)
    place = made.slices(EVENTS)[1][1]
    counts = [of_small(small(word=values), made).counts[:, place] for values in (current, known)]
    score = exact.distance(exact.summarize(small(word=current)["word"]))
    assert jensen_shannon(counts[0], counts[1].astype(float))[0] == pytest.approx(score)


def number_distance(made: SummaryLayout, known: np.ndarray, current: np.ndarray) -> float:
    column, place = made.slices(EVENTS)[0]
    assert isinstance(column, NumberLayout)
    return float(wasserstein(column, current[:, place], known[:, place].astype(float))[0])


def test_a_reference_column_of_another_type_is_left_out() -> None:
    table = small(amount=[1.0, 2.0])
    text = table.set_column(table.column_names.index("amount"), "amount", pa.array(["x", "y"]))
    assert [c.name for c in SummaryLayout.from_reference(text, SMALL).events] == ["word", "code", "prediction"]
    assert isinstance(SummaryLayout.from_reference(table, SMALL).events[1], CategoryLayout)
