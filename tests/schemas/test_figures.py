"""How a severity is written."""

from __future__ import annotations

import pytest

from schemas.figures import severity_text


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
