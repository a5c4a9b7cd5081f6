"""Two stretches of time: what differs comes first, and what differs by chance is called noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.verdict.comparison import Comparison, Difference, Held, compare
from monitor.verdict.layout import ERROR
from monitor.verdict.summary import SUMS, error_unit
from schemas.definition import EVENTS, LABELS
from tests.monitor.verdict.streams import SMALL
from tests.monitor.verdict.weeks import LAYOUT, Bend, Floats, hours


def week(seed: int, bend: Bend | None = None) -> Held:
    return hours(1, seed, rate=20.0, bend=bend).summaries


def larger(name: str, shares: Floats) -> Floats:
    if name == "amount":
        return shares * (np.arange(len(shares)) >= len(shares) // 2)
    if name == "code":  # as many missing as there were
        return shares + np.eye(len(shares))[-1] * shares.sum()
    return shares


def compared(a: Held, b: Held) -> Comparison:
    return compare(LAYOUT, SMALL, a, b)


def test_what_has_changed_comes_first_and_is_said_in_words() -> None:
    found = compared(week(1), week(2, larger))
    first, second, *others = found.columns
    assert {(first.name, first.ratio > 5), (second.name, second.ratio > 5)} == {("amount", True), ("code", True)}
    assert all(column.ratio < 2 for column in others)
    amount, code = sorted((first, second), key=lambda column: column.name)
    assert amount.q50 is not None
    assert amount.q50.b is not None
    assert amount.q50.a is not None
    assert amount.q50.b > 1.2 * amount.q50.a
    assert amount.change.startswith(f"median {amount.q50.a:.3g} → {amount.q50.b:.3g}; missing")
    assert code.change.endswith(f"missing {100 * code.missing.a:.1f} % → {100 * code.missing.b:.1f} %")  # type: ignore[operator]
    assert amount.shape["a"] is not None
    assert sum(amount.shape["b"]) == pytest.approx(1)


def test_calm_weeks_differ_by_more_than_the_noise_in_one_of_twenty() -> None:
    beyond = [
        column.ratio > 1
        for seed in range(40)
        for column in compared(week(2 * seed), week(2 * seed + 1)).columns
        if column.role == EVENTS
    ]
    assert 0.01 < np.mean(beyond) < 0.11


def test_noise_shrinks_with_the_rows() -> None:
    few, many = (compared(*(hours(1, seed, rate=rate).summaries for seed in (1, 2))) for rate in (4.0, 400.0))
    noise = [next(c.noise for c in found.columns if c.name == "amount") for found in (few, many)]
    assert noise[0] is not None
    assert noise[1] is not None
    assert noise[1] < noise[0] / 5


def test_errors_are_means_of_all_labels_with_their_noise() -> None:
    unit = error_unit(LAYOUT)
    sides = []
    for absolute, signed in ((2.0, -1.0), (3.0, 1.0)):
        labels = week(1)[LABELS]
        sums, count = labels.sums.copy(), labels.sum("errors")
        sums[:, SUMS.index("absolute_error")] = np.rint(count * absolute / unit)
        sums[:, SUMS.index("error")] = np.rint(count * signed / unit)
        sides.append({**week(1), LABELS: replace(labels, sums=sums)})
    found = compared(*sides)
    assert (found.mae.a, found.mae.b) == (pytest.approx(2), pytest.approx(3))
    assert (found.bias.a, found.bias.b) == (pytest.approx(-1), pytest.approx(1))
    assert found.mae.noise is not None
    assert 0 < found.mae.noise < 10
    assert found.coverage == Difference(1.0, 1.0, 0.0)


def test_a_side_without_labels_or_values_is_compared_as_far_as_it_goes() -> None:
    events = {EVENTS: week(1)[EVENTS]}
    found = compared(events, week(2))
    assert {column.role for column in found.columns} == {EVENTS}
    assert (found.labels.a, found.mae.a, found.mae.noise, found.coverage.a) == (None, None, None, None)
    nothing = replace(events[EVENTS], rows=events[EVENTS].rows * 0, counts=events[EVENTS].counts * 0)
    empty = compared(events, {EVENTS: nothing})
    assert all(c.distance is None and c.change == "no values to compare" for c in empty.columns)
    assert empty.rows.b == 0


def test_sides_can_be_swapped() -> None:
    a, b = week(1), week(2, larger)
    one, other = compared(a, b), compared(b, a)
    there, back = ({c.name: c.distance for c in found.columns} for found in (one, other))
    assert there == pytest.approx(back)
    assert (one.rows.a, one.rows.b) == (other.rows.b, other.rows.a)
    assert ERROR in there
