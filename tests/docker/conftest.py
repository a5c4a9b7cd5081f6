"""An engine for the tests of this folder, or a reason why they are skipped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.docker.project import report, trouble


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips where there is none."""
    if reason := trouble():
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What tests have to say, and what was not the real thing."""
    if passed := terminalreporter.getreports("passed"):
        for name, value in (found for each in passed for found in each.user_properties):
            terminalreporter.write_line(f"{name}: {value}")
        for line in report():
            terminalreporter.write_line(line, yellow=True)
