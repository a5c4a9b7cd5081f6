from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("monitor", deadline=None)  # never a timed assertion
settings.load_profile("monitor")


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """One line an event, as in production: the default paints every local variable of a traceback."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer()])
    yield
    structlog.reset_defaults()
