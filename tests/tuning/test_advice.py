"""One recommendation, which an operator can follow, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from monitor.verdict.season import DAY, HOUR
from tuning.advice import Standing, keeps, recommended, sentences, standings
from tuning.plan import Candidate, ReferenceKind
from tuning.scores import CalmScore, DriftScore, drift_score
from tuning.trials import Detection


def calm(
    *sizes: int,
    realised: float = 0.5,
    refused: str | None = None,
    reference: ReferenceKind = "rolling",
    weeks: int = 8,
) -> CalmScore:
    return CalmScore(
        candidate=Candidate(sizes, reference),
        weeks=weeks,
        alarms=1,
        promised=0.9,
        realised=realised,
        low=realised / 2,
        high=2 * realised,
        refused=refused,
        unwatched=(),
        rows=90.0,
        insufficient=0.0,
        cpu=None,
    )


def drift(of: CalmScore, hours: Sequence[float | None], name: str = "fares", strength: float = 1.0) -> DriftScore:
    return drift_score(of.candidate, name, strength, [Detection(at, each) for at, each in enumerate(hours)], seed=1)


QUICK, SLOW, NOISY = calm(HOUR), calm(DAY), calm(HOUR // 4, realised=4.0)
FOUND = [drift(QUICK, [5.0] * 20), drift(SLOW, [40.0] * 20), drift(NOISY, [1.0] * 20)]


def ranked(calm: Sequence[CalmScore], drifts: Sequence[DriftScore], worst: int = DAY) -> list[Standing]:
    return standings(calm, drifts, worst)


def test_whoever_is_beaten_in_everything_is_not_on_the_front() -> None:
    both = calm(HOUR, DAY)
    found = ranked([QUICK, SLOW, both], [*FOUND[:2], drift(both, [6.0] * 20)])
    assert [one.is_on_front for one in found] == [True, True, False]


def test_the_cheapest_of_those_that_find_as_much_in_time_is_recommended() -> None:
    assert recommended(ranked([QUICK, SLOW], FOUND[:2])).candidate == QUICK.candidate  # type: ignore[union-attr]
    assert recommended(ranked([QUICK, SLOW], FOUND[:2], 2 * DAY)).candidate == SLOW.candidate  # type: ignore[union-attr]


def test_who_does_not_keep_the_promise_is_not_recommended_however_quick() -> None:
    assert not keeps(NOISY)
    assert not keeps(calm(HOUR, refused="the calm weeks drift"))
    assert recommended(ranked([QUICK, NOISY], FOUND)).candidate == QUICK.candidate  # type: ignore[union-attr]
    only = ranked([NOISY], FOUND[2:])
    assert recommended(only) is None
    assert sentences(only, FOUND[2:], DAY, 1.0) == ["No candidate keeps 1 false alarms a month."]


def test_a_reference_that_the_monitor_does_not_have_is_not_recommended_beside_one_that_it_has() -> None:
    fixed = calm(HOUR, reference="training")
    found = ranked([SLOW, fixed], [FOUND[1], drift(fixed, [5.0] * 20)])
    assert recommended(found).candidate == SLOW.candidate  # type: ignore[union-attr]
    assert recommended(found[1:]).candidate == fixed.candidate  # type: ignore[union-attr]


def test_drifts_count_as_they_come_and_a_missed_one_as_a_week() -> None:
    drifts = [
        drift(QUICK, [10.0, None]),
        drift(QUICK, [1.0, 1.0], strength=2.0),
        drift(QUICK, [30.0], name="zones"),
    ]
    (one,) = ranked([QUICK], drifts)
    assert one.delay == pytest.approx(((10 + 168) / 2 + 30) / 2)
    assert one.missed == 0.25
    assert one.in_time == 0.25


def test_the_advice_names_rates_delays_and_what_is_not_known() -> None:
    few = calm(HOUR, weeks=3)
    said = " ".join(sentences(ranked([few], FOUND[:1]), FOUND[:1], DAY, 1.0))
    assert "1h, rolling reference: 0.5 false alarms a month in 3 calm weeks (0.2 to 1.0), 0.9 promised." in said
    assert "finds 100% of the drifts within 1d" in said
    assert "fares after 5h 00m" in said
    assert "Only 3 calm weeks" in said


def test_the_advice_says_what_others_would_buy_or_lose() -> None:
    drifts = [drift(QUICK, [5.0] * 20), drift(SLOW, [22.0] * 18 + [None] * 2)]
    said = sentences(ranked([QUICK, SLOW], drifts), drifts, DAY, 1.0)
    assert "1d, rolling reference, would miss 10%." in said
    drifts = [drift(QUICK, [5.0] * 20), drift(SLOW, [20.0] * 20)]
    said = sentences(ranked([QUICK, SLOW], drifts), drifts, DAY, 1.0)
    assert "1h, rolling reference is 15h 00m quicker on average, for 24.0 times as many windows." in said


def test_a_candidate_that_cannot_be_watched_does_not_stand() -> None:
    unwatched = msgspec.structs.replace(SLOW, unwatched=(DAY,))
    assert [one.candidate for one in ranked([QUICK, unwatched], FOUND[:2])] == [QUICK.candidate]
