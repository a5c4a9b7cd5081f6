"""An engine for the tests of this folder, or a reason why they are skipped."""

from __future__ import annotations

from typing import Any

import pytest

from tests.docker.project import Project, report, trouble

PROJECTS: list[Project] = []


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips where there is none."""
    if reason := trouble():
        pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was not the real thing."""
    for line in report(PROJECTS):
        terminalreporter.write_line(line, yellow=True)
