"""The figures of segments, from bins: what is exact is, and the rest is close to what the rows say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from monitor.verdict.segment_figures import SegmentMeter
from schemas.definition import EVENTS
from schemas.figures import DRIFT, MEDIAN, MISSING, NEW, ColumnFigure, SegmentFigures
from storage.windows import WindowKey
from tests.monitor.feed import HOUR
from tests.monitor.watched import DELIVERIES, DIVIDED, MONDAY, PARCELS, hours, summarizer

SIZE = 6 * HOUR


def figures_of(rows: pa.Table, *, labels: bool = False) -> dict[str, SegmentFigures]:
    window = WindowKey("r", DELIVERIES if labels else PARCELS, SIZE, MONDAY)
    parts, events = ([rows.select(["id", "at", "took"])], rows) if labels else ([rows], None)
    made = summarizer(DIVIDED)
    return {one.segment: one for one in made.figures(window, made.summarize(window, parts, events))}


def named(found: SegmentFigures, column: str, metric: str) -> ColumnFigure:
    (figure,) = [c for c in found.figures.columns if (c.column, c.metric) == (column, metric)]
    return figure


def test_every_segment_has_the_same_figures_and_all_of_its_rows() -> None:
    rows = hours(0, 6, seed=2)
    found = figures_of(rows)
    assert [*found] == ["depot=north", "depot=south", "depot=west", "depot=other"]
    assert sum(one.rows for one in found.values()) == rows.num_rows
    assert len({tuple((c.column, c.metric) for c in one.figures.columns) for one in found.values()}) == 1
    for segment, one in found.items():
        own = rows.filter(pc.equal(rows["depot"], segment.removeprefix("depot=")))
        assert one.rows == one.figures.sampled == own.num_rows
        if own.num_rows:
            assert named(one, "weight", MEDIAN).value == pytest.approx(
                pc.quantile(own["weight"])[0].as_py(), abs=0.2
            )
            assert named(one, "weight", MISSING).value == 0
            assert named(one, "depot", NEW).value == 0


def test_the_error_of_a_segment_is_that_of_its_rows() -> None:
    rows = hours(0, 6, seed=2, slower=1.0)
    for segment, one in figures_of(rows, labels=True).items():
        own = rows.filter(pc.equal(rows["depot"], segment.removeprefix("depot=")))
        apart = np.subtract(own["prediction"].to_numpy(), own["took"].to_numpy())
        if own.num_rows:
            assert one.figures.mae == pytest.approx(np.abs(apart).mean(), rel=1e-5)
            assert one.figures.bias == pytest.approx(apart.mean(), rel=1e-5)
            assert (one.figures.label_coverage, one.joined) == (1.0, own.num_rows)
        else:
            assert (one.figures.mae, one.figures.label_coverage, one.joined) == (None, None, 0)


def test_the_segment_that_moved_has_drifted_and_the_others_have_not() -> None:
    rows = pa.concat_tables([hours(0, 6, seed=2, shift=4.0, only="west")])
    found = figures_of(rows)
    assert [s for s, one in found.items() if one.figures.columns_drifted] == ["depot=west"]
    assert named(found["depot=west"], "weight", DRIFT).value == pytest.approx(2.0, rel=0.1)  # deviations


def test_a_segment_of_a_few_rows_says_nothing_of_drift() -> None:
    found = figures_of(hours(0, 6, seed=2, shift=4.0, shares=(0.9, 0.08, 0.02)))["depot=west"]
    assert named(found, "weight", DRIFT).reason == f"{found.rows} values, 30 needed"
    assert (found.figures.columns_tested, found.figures.sufficient) == (0, False)


def test_where_the_reference_has_too_few_windows_there_is_no_threshold() -> None:
    made = summarizer(DIVIDED)
    assert made.segments is not None
    known = made._meter
    assert known is not None
    short = SegmentMeter(
        made.layout,
        DIVIDED,
        made.segments,
        counted=known._counted,
        period=(MONDAY - 8 * SIZE, MONDAY - 1),
        config=known._config,
    )
    window = WindowKey("r", PARCELS, SIZE, MONDAY)
    _, *parts = made.summarize(window, [hours(0, 6, seed=2)], None)
    assert parts[0].role == EVENTS
    first = short.figures(SIZE, MONDAY, parts)[0]
    assert named(first, "weight", DRIFT).status == "insufficient"
    assert "too few windows" in str(named(first, "weight", DRIFT).reason)


def test_windows_that_are_too_small_are_not_divided() -> None:
    made = summarizer(DIVIDED)
    window = WindowKey("r", PARCELS, HOUR, MONDAY)
    counted = made.summarize(window, [hours(0, 1, seed=2)], None)
    assert len(counted) == 1
    assert made.figures(window, counted) == ()
    assert made.encoded(counted).segments is None
