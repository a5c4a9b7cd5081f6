from __future__ import annotations

from typing import get_args

from schemas.status import RANK, WindowStatus, above, below


def test_every_status_may_stay_become_a_higher_one_and_never_a_lower_one() -> None:
    assert set(RANK) == set(get_args(WindowStatus))
    for status, rank in RANK.items():
        same = [other for other, its in RANK.items() if its == rank]
        assert sorted([*below(status), *same, *above(status)]) == sorted(RANK)
    assert below("final") == below("insufficient") == ["open", "provisional"]
    assert above("provisional") == ["final", "insufficient"]
    assert above("final") == []
