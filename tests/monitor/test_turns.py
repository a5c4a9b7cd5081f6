"""A flood of small runs waits for the large ones, and not the other way round; nobody waits for ever."""

from __future__ import annotations

from itertools import islice

from monitor.scheduling.turns import FIRST, Turns

HEAVY = [f"heavy-{n}" for n in range(FIRST)]
SMALL = [f"small-{n}" for n in range(10_000)]
KNOWN = [*HEAVY, *SMALL]


def a_round(turns: Turns, small: int) -> list[str]:
    """Who has a turn, if so many small runs fit in a round."""
    seen = []
    for run_id, can_wait in turns.round(KNOWN):
        seen.append(run_id)
        small -= can_wait
        if not small:
            break
    return seen


def test_the_runs_with_the_most_rows_come_first_in_every_round_however_many_others_wait() -> None:
    turns = Turns()
    for _ in range(3):
        turns.add(reversed(KNOWN))
        assert a_round(turns, 50)[:FIRST] == HEAVY


def test_every_small_run_has_its_turn_though_all_become_due_again_and_again() -> None:
    turns = Turns()
    seen: set[str] = set()
    for _ in range(len(SMALL) // 50 + 1):
        turns.add(KNOWN)
        seen |= set(a_round(turns, 50))
    assert seen == set(KNOWN)


def test_who_had_a_turn_is_due_no_more_and_who_had_none_still_is() -> None:
    turns = Turns()
    turns.add(["b", "a", "c"])
    assert [*islice(turns.round(["a", "b", "c"]), 2)] == [("a", False), ("b", False)]
    assert turns
    assert [*turns.round(["a", "b", "c"])] == [("c", False)]
    assert not turns


def test_a_run_that_is_over_is_forgotten() -> None:
    turns = Turns()
    turns.add(["a", "gone"])
    assert [*turns.round(["a"])] == [("a", False)]
    assert not turns
