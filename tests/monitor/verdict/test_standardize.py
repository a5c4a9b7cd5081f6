"""What is usual for a window, learnt from few of them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.verdict.signals import Scores
from monitor.verdict.standardize import Standard


def test_the_effect_of_a_time_of_the_week_is_drawn_to_zero_where_windows_are_few() -> None:
    values = np.array([[1.0]] * 40 + [[5.0]])
    rows = np.full((41, 1), 100.0)
    fitted = Standard.fit(Scores(values, rows, rows[:, 0], rows[:, 0]), np.array([0] * 40 + [1]))
    usual, other = np.log(values[[0, 40], 0] + 0.03) - fitted.intercept
    assert fitted.effects[:, 0] == pytest.approx([usual * 40 / 43, other / 4])
