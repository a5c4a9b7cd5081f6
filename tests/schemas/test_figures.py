"""How a severity, and an error beside that of the reference, are written."""

from __future__ import annotations

import pytest

from schemas.figures import error_times, severity_text


@pytest.mark.parametrize(
    ("severity", "text"),
    [
        (0.0, "0.00"),
        (0.29, "0.29"),
        (0.783, "0.78"),
        (0.7499, "0.74"),
        (0.75, "0.75"),
        (0.9999999999, "0.99"),
        (1.0, "1.0"),
        (4.12, "4.1"),
        (9.96, "10"),
        (1234.0, "1,234"),
    ],
)
def test_a_severity_below_a_limit_never_reads_as_if_it_had_reached_it(severity: float, text: str) -> None:
    assert severity_text(severity) == text


@pytest.mark.parametrize(
    ("mae", "reference", "text"),
    [
        (6.54, 3.27, "2.0×"),
        (3.2, 3.27, "1.0×"),
        (65.4, 3.27, "20×"),
        (None, 3.27, ""),
        (6.54, None, ""),
        (1.0, 0.0, ""),
    ],
)
def test_an_error_is_so_many_times_that_of_the_reference(
    mae: float | None, reference: float | None, text: str
) -> None:
    assert error_times(mae, reference) == text
