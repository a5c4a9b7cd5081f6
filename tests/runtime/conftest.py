from __future__ import annotations

import pytest

from tests.runtime.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
