"""What people read keeps its words whole, and what programs read keeps its lines."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from cli.main import FIRST_STEPS
from local.terminal import tell

TEXT = (
    "Watching 19 signals at 1h, 6h, 1d. From your last 4 calm weeks: at most 0.9 false alarms a month on average."
)


@pytest.mark.parametrize("terminal", [True, False])
def test_words_are_whole_in_a_terminal_and_lines_elsewhere(terminal: bool) -> None:
    out = Console(file=StringIO(), force_terminal=terminal, width=80, color_system=None)
    tell(out, TEXT)
    lines = out.file.getvalue().rstrip().split("\n")  # type: ignore[attr-defined]
    assert " ".join(lines) == TEXT
    assert len(lines) == (2 if terminal else 1)
    assert max(map(len, lines)) <= 80 or not terminal


def test_the_first_steps_fit_in_80_columns_of_a_fresh_checkout() -> None:
    out = Console(file=StringIO(), force_terminal=True, width=80, color_system=None)
    tell(out, FIRST_STEPS.format(program=".venv/bin/driftline"))
    assert max(map(len, out.file.getvalue().split("\n"))) <= 80  # type: ignore[attr-defined]
