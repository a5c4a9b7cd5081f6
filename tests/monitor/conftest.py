from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.monitor.feed import Feed


@pytest.fixture
def feed(database: str) -> Iterator[Feed]:
    with Feed(database) as made:
        yield made


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """One line an event, as in production: the default paints every local variable of a traceback."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer()])
    yield
    structlog.reset_defaults()
