"""Distributions that are laid side by side: bins for a chart, and what each side has in them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.verdict.layout import CategoryLayout, NumberLayout
from monitor.verdict.shapes import shape


def test_whole_numbers_have_a_bin_each_and_a_side_without_values_has_no_shares() -> None:
    known = np.array([1.0, 2.0, 4.0])
    column = NumberLayout("n", tuple(np.unique([known, np.nextafter(known, np.inf)]).tolist()), 1.0)
    counts = np.zeros(column.bins)
    counts[[1, 3, 5]] = [2, 1, 1]  # what is exactly 1, 2 and 4
    found = shape(column, {"before": counts, "since": np.eye(column.bins)[-1]})
    assert found["edges"] == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert found["before"] == pytest.approx([0.5, 0.25, 0, 0.25])
    assert (found["since"], found["median"]["since"], found["missing"]["since"]) == (None, None, 1)


def test_tails_are_drawn_in_the_outermost_bins() -> None:
    column = NumberLayout("n", (0.0, 50.0, 100.0), 1.0)
    found = shape(column, {"since": np.array([1.0, 0, 0, 3, 0])})
    assert (found["since"][0], found["since"][-1]) == pytest.approx((0.25, 0.75))
    assert sum(found["since"]) == pytest.approx(1)


def test_categories_show_the_most_frequent_of_any_side() -> None:
    column = CategoryLayout("word", tuple("abcdefghijkl"))
    counts = {"before": np.array([*range(12, 0, -1), 0, 0, 0.0]), "since": np.eye(column.bins)[11] * 5}
    found = shape(column, counts)
    assert found["labels"] == ["l", *"abcdefg", "others", "new"]
    assert found["since"][0] == 1
    counts["since"] = np.eye(column.bins)[-2]
    assert shape(column, counts)["since"][-1] == 1
