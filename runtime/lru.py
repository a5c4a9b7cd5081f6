"""A cache that drops what has not been used for longest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """At most `limit` in size, each value counting 1 or what `size` says of it when put. Threads may share it."""

    def __init__(self, limit: int, size: Callable[[V], int] = lambda _: 1) -> None:
        """Begin empty. limit, size: in any unit, such as bytes."""
        self._limit, self._size = limit, size
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Give a value, which becomes the most recently used; None where it is not there."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V) -> None:
        """Add or replace a value and drop others beyond the limit; one that alone exceeds it is not kept."""
        size = self._size(value)
        with self._lock:
            self._remove(key)
            self._values[key] = value, size
            self._total += size
            while self._total > self._limit:
                _, (_, dropped) = self._values.popitem(last=False)
                self._total -= dropped

    def pop(self, key: K) -> V | None:
        """Remove a value and give it; None where it is not there."""
        with self._lock:
            return self._remove(key)

    def _remove(self, key: K) -> V | None:
        found = self._values.pop(key, None)
        if found is None:
            return None
        self._total -= found[1]
        return found[0]
