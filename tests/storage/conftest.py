from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.results import ResultStore, open_store
from tests.board import conftest as board
from tests.monitor.feed import Feed

prepared, serve = board.prepared, board.serve


@pytest.fixture
def feed(database: str) -> Iterator[Feed]:
    with Feed(database) as made:
        yield made


@pytest.fixture
def store(feed: Feed) -> Iterator[ResultStore]:
    with open_store(feed.url) as made:
        yield made
