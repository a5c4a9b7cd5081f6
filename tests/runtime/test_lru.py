from __future__ import annotations

from threading import Thread

from runtime.lru import LruCache


def test_what_was_not_used_for_longest_is_dropped_first() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]


def test_sizes_add_up_also_when_a_value_is_replaced_or_removed() -> None:
    cache: LruCache[str, bytes] = LruCache(10, len)
    for _ in range(5):
        cache.put("a", b"12345")
    cache.put("b", b"12345")
    assert len(cache) == 2
    assert cache.pop("a") == b"12345"
    assert cache.pop("a") is None
    cache.put("c", b"12345")
    assert [cache.get(key) is not None for key in "abc"] == [False, True, True]


def test_a_value_larger_than_the_limit_is_not_kept() -> None:
    cache: LruCache[str, bytes] = LruCache(3, len)
    cache.put("a", b"1234")
    assert (cache.get("a"), len(cache)) == (None, 0)
    cache.put("b", b"123")
    assert cache.get("b") == b"123"


def test_a_value_that_two_threads_put_at_once_counts_once() -> None:
    def size(value: str) -> int:
        if value == "first":
            other = Thread(target=cache.put, args=("a", "second"))
            other.start()
            other.join()
        return 1

    cache: LruCache[str, str] = LruCache(2, size)
    cache.put("a", "first")
    cache.put("b", "")
    assert (cache.get("a"), cache.get("b")) == ("first", "")
