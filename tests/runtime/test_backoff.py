from __future__ import annotations

import pytest

from runtime.backoff import Backoff, backoff_s


def test_pauses_double_up_to_the_limit() -> None:
    backoff = Backoff(0.2, 1.0)
    assert [backoff.next_s() for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_success_begins_them_anew() -> None:
    backoff = Backoff(0.25, 2.0)
    assert backoff.is_fresh
    backoff.next_s()
    backoff.next_s()
    assert not backoff.is_fresh
    backoff.reset()
    assert backoff.is_fresh
    assert backoff.next_s() == 0.25


@pytest.mark.parametrize("failures", [1_000, 10_000, 10**9])
def test_no_number_of_failures_exceeds_the_limit(failures: int) -> None:
    assert backoff_s(failures, 0.1, 30.0) == 30.0
