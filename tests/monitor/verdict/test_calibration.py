"""The line is drawn from calm weeks, each unknown to itself, and nothing is promised that cannot be kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.verdict.calibration import Calibration, CalmSeason, calibrate, calibrate_each, decode
from monitor.verdict.evidence import allowances, cusum, scales
from monitor.verdict.fold import State, WindowScore, fold
from monitor.verdict.layout import NumberLayout
from monitor.verdict.season import DAY, HOUR, WEEK, Season, outside
from monitor.verdict.signals import Reference, Scores, SlotSums, jensen_shannon, scores, total, wasserstein
from monitor.verdict.standardize import Standard
from monitor.verdict.summary import SUMS, Summary, empty, merge
from monitor.verdict.trend import trend
from schemas.definition import EVENTS, LABELS, Role
from tests.monitor.verdict.weeks import HOURS, LAYOUT, MONDAY, Floats, apart, hours, without_rows

SEASON = Season(WEEK)
CALM = apart(hours(5, seed=1))
MADE = calibrate(LAYOUT, SEASON, CALM[:4])


def evidence(made: Calibration, week: CalmSeason) -> float:
    """The most evidence in a week, in units of the line."""
    return max(
        float((cusum(z, allowances(made.signals(role), size)) / made.lines[role, size]).max())
        for role, size in made.watched
        for z in [made.z(week.summaries[role], size)]
    )


def brute_force(weeks: list[CalmSeason], role: Role, size: int) -> list[Floats]:
    """Evidence of each week against the others, shape (windows that count, signals), one comparison at a time."""
    sums = [SlotSums.from_summary(week.summaries[role], SEASON, week.left_out) for week in weeks]
    counts = [outside(week.left_out, week.start + np.arange(0, WEEK, size), size) for week in weeks]

    def compared(at: int, *without: int) -> Scores:
        left = [n for n in range(len(weeks)) if n not in {at, *without}]
        before = [n for n in left if n < at]
        reference = Reference(SEASON, total(sums[n] for n in left), sums[before[-1] if before else left[0]])
        found = scores(LAYOUT, reference, weeks[at].summaries[role], size)
        return Scores(*(getattr(found, f)[counts[at]] for f in ("values", "rows", "expected", "found")))

    positions = [SEASON.positions(np.arange(0, WEEK, size) + MONDAY, size)[each] for each in counts]
    evidence = []
    for held in range(len(weeks)):
        others = [compared(at, held) for at in range(len(weeks)) if at != held]
        joined = Scores(
            *(np.concatenate([getattr(o, f) for o in others]) for f in ("values", "rows", "expected", "found"))
        )
        at = np.concatenate([each for n, each in enumerate(positions) if n != held])
        z = Standard.fit(joined, at).z(compared(held), positions[held])
        evidence.append(cusum(z, allowances(MADE.signals(role), size)))
    return evidence


@pytest.mark.parametrize("left_out", [False, True])
def test_the_line_is_the_largest_evidence_of_any_week_compared_with_the_others(left_out: bool) -> None:
    weeks = with_holiday(5) if left_out else CALM[:4]
    made, found = calibrate(LAYOUT, SEASON, weeks), []
    for role, size in made.watched:
        levels = brute_force(weeks, role, size)
        found.append([(each / made.lines[role, size]).max() for each in levels])
        every = np.concatenate(levels)
        means = every.sum(0) / np.maximum((every > 0).sum(0), 1)
        assert made.rates[role, size] == pytest.approx(1 / np.maximum(means, 0.1))
    assert np.max(found, axis=0) == pytest.approx(made.maxima)
    assert max(made.maxima) == pytest.approx(1.0)


def test_all_roles_and_sizes_are_watched_and_the_line_says_who_set_it() -> None:
    assert set(MADE.watched) == {(role, size) for role in (EVENTS, LABELS) for size in (HOUR, 6 * HOUR, DAY)}
    assert MADE.set_by is not None
    assert MADE.set_by.season in MADE.seasons
    assert MADE.set_by.signal in {signal.name for signal in MADE.signals(MADE.set_by.role)}
    assert "2022-01-" in str(MADE.set_by)


def test_calm_scores_are_about_zero_with_a_spread_of_about_one() -> None:
    for (role, size), week in zip(MADE.watched, [CALM[4]] * 6, strict=True):
        z = MADE.z(week.summaries[role], size)
        assert np.isfinite(z).all()
        assert abs(np.median(z)) < 0.6
        assert z.std() < 2.0


def test_a_week_that_repeats_the_others_is_as_calm_as_they() -> None:
    week = CALM[0].summaries[EVENTS]
    same = [CalmSeason(MONDAY + n * WEEK, {EVENTS: replace(week, start=MONDAY + n * WEEK)}) for n in range(5)]
    made = calibrate(LAYOUT, SEASON, same[:4])
    z = made.z(same[4].summaries[EVENTS], DAY)
    assert np.isfinite(z).all()
    assert z == pytest.approx(made.z(same[0].summaries[EVENTS], DAY))


def test_a_changed_column_is_what_moves_most() -> None:
    bent = hours(1, seed=9, bend=lambda name, shares: shares[::-1] if name == "word" else shares)
    week = bent.summaries[EVENTS]
    z = MADE.z(week, DAY)
    assert MADE.signals(EVENTS)[int(z.sum(0).argmax())].name == "word"
    assert evidence(MADE, bent) > 1


def test_rows_that_stay_away_are_evidence_and_say_nothing_of_columns() -> None:
    gone = without_rows(CALM[4].summaries[EVENTS], 0, 48)
    z = MADE.z(gone, 6 * HOUR)[:8]
    assert (z[:, -1] == 6.0).all()
    assert (z[:, :-1] == 0).all()
    start = MONDAY + 4 * WEEK
    assert MADE.score(empty(LAYOUT, EVENTS, start, 6 * HOUR))[1] == {"volume": 0.0}


def test_a_window_alone_scores_as_it_does_among_others() -> None:
    week = CALM[4]
    for role, size in MADE.watched:
        every = MADE.z(week.summaries[role], size)
        for number in (0, 3, WEEK // size - 1):
            start = week.start + number * size
            z, shares = MADE.score(week.summaries[role].between(start, start + size))
            assert z == pytest.approx(every[number].tolist())
            assert [*shares] == ["volume" if role == EVENTS else "coverage"]


def test_evidence_that_is_folded_window_by_window_is_that_of_the_calibration() -> None:
    week, key = hours(1, seed=5, bend=lambda name, s: s[::-1] if name == "word" else s), (EVENTS, 6 * HOUR)
    starts = range(week.start, week.start + WEEK, 6 * HOUR)
    points = fold(
        State(),
        [
            WindowScore(
                role=EVENTS, size=6 * HOUR, start=start, due=start, season=week.start, z=MADE.score(part)[0]
            )
            for start in starts
            for part in [week.summaries[EVENTS].between(start, start + 6 * HOUR)]
        ],
        MADE.watch(week.start),
    ).points
    levels = cusum(MADE.z(week.summaries[EVENTS], 6 * HOUR), allowances(MADE.signals(EVENTS), 6 * HOUR))
    assert [point.level for point in points] == pytest.approx((levels / MADE.lines[key]).max(1).tolist())


def test_the_same_weeks_give_the_same_calibration_and_it_survives_storage() -> None:
    again = calibrate(LAYOUT, SEASON, apart(hours(5, seed=1))[:4])
    assert again.encode() == MADE.encode()
    read = decode(MADE.encode(), LAYOUT)
    assert (read.id, read.refused, read.set_by, read.sentence()) == (MADE.id, None, MADE.set_by, MADE.sentence())
    for role, size in MADE.watched:
        assert np.array_equal(read.z(CALM[4].summaries[role], size), MADE.z(CALM[4].summaries[role], size))
    others = calibrate(LAYOUT, SEASON, CALM[:4], promise=2.0), calibrate(LAYOUT, SEASON, CALM[1:], sizes=(DAY,))
    assert len({MADE.id, *(other.id for other in others)}) == 3


HOLIDAY = {MONDAY + WEEK + 2 * DAY: "a holiday"}
"""Wednesday of the second week."""


def with_holiday(seed: int, weeks: int = 4, number: int = 1, day: int = 2) -> list[CalmSeason]:
    """Calm weeks, in which one day is bent, with other rows for each seed, and left out."""
    bent = hours(1, seed=seed, rate=20.0 * seed, bend=lambda _, shares: shares[::-1]).summaries
    calm, start = CALM[:weeks], MONDAY + number * WEEK + day * DAY
    parts = {
        role: merge([s.between(s.start, start), moved, s.between(start + DAY, s.end)])
        for role, s in calm[number].summaries.items()
        for moved in [replace(bent[role].between(MONDAY, MONDAY + DAY), start=start)]
    }
    calm[number] = CalmSeason(calm[number].start, parts)
    return [week.without({start: "a holiday"}) for week in calm]


@pytest.mark.parametrize("weeks", [4, 2])
def test_what_a_day_held_that_is_left_out_does_not_matter(weeks: int) -> None:
    one, other = (calibrate(LAYOUT, SEASON, with_holiday(seed, weeks)) for seed in (5, 6))
    assert one.left_out == HOLIDAY
    assert one.maxima == other.maxima
    assert one.refused == other.refused
    for key in one.watched:
        assert np.array_equal(one.lines[key], other.lines[key])
        assert np.array_equal(one.rates[key], other.rates[key])
        assert np.array_equal(one.z(CALM[4].summaries[key[0]], key[1]), other.z(CALM[4].summaries[key[0]], key[1]))
    counted = calibrate(LAYOUT, SEASON, [replace(week, left_out={}) for week in with_holiday(5, weeks)])
    assert max(abs(counted.lines[key] / one.lines[key] - 1).max() for key in one.watched) > 0.01


def test_calm_weeks_that_move_away_only_on_days_left_out_are_not_refused() -> None:
    def tilted(week: int, shares: Floats) -> Floats:
        return shares * np.linspace(1, 1 + 4.0 * week, len(shares))

    calm = []
    for n, week in enumerate(CALM[:4]):
        bent = hours(1, seed=n, rate=600.0, bend=lambda _, s, n=n: tilted(n, s)).summaries  # type: ignore[misc]
        parts = {
            role: merge(
                [
                    s.between(s.start, s.end - DAY),
                    replace(bent[role].between(MONDAY, MONDAY + DAY), start=s.end - DAY),
                ]
            )
            for role, s in week.summaries.items()
        }
        calm.append(CalmSeason(week.start, parts))
    assert calibrate(LAYOUT, SEASON, calm, sizes=(DAY,)).refused is not None
    days = {week.start + 6 * DAY: "a holiday" for week in calm}
    assert calibrate(LAYOUT, SEASON, [week.without(days) for week in calm], sizes=(DAY,)).refused is None


def test_evidence_stays_what_it_was_over_a_day_that_is_left_out() -> None:
    random = np.random.default_rng(0)
    z, k, counts = random.normal(1, 1, (28, 3)), np.full(3, 0.7), np.ones(28, np.bool_)
    counts[8:12] = False
    found = cusum(z, k, counts)
    assert (found[8:12] == found[7]).all()
    assert np.array_equal(found[counts], cusum(z[counts], k))


def test_days_left_out_of_the_watched_season_are_kept_and_named() -> None:
    made = calibrate(LAYOUT, SEASON, with_holiday(5)).leaving_out({MONDAY + 4 * WEEK: "another"})
    read = decode(made.encode(), LAYOUT)
    assert read.left_out == {**HOLIDAY, MONDAY + 4 * WEEK: "another"}
    assert "no calm week counts them: 2022-01-12 (a holiday), 2022-01-31 (another)." in read.sentence()
    assert read.counts(MONDAY + 4 * WEEK + DAY * np.arange(2), DAY).tolist() == [False, True]
    assert "oliday" not in MADE.sentence()
    alone = calibrate(LAYOUT, SEASON, CALM[:4])
    assert len({made.id, alone.id, alone.leaving_out(HOLIDAY).id, alone.leaving_out({}).id}) == 3


def test_a_higher_rate_lowers_the_line() -> None:
    often = calibrate(LAYOUT, SEASON, CALM, sizes=(DAY,), promise=3.0)
    rarely = calibrate(LAYOUT, SEASON, CALM, sizes=(DAY,), promise=1.0)
    assert (often.promise.rank, rarely.promise.rank) == (4, 1)
    assert (often.lines[EVENTS, DAY] < rarely.lines[EVENTS, DAY]).all()


@pytest.mark.parametrize(
    ("weeks", "price"), [(1, "3 more calm weeks"), (2, "2 more calm weeks"), (3, "1 more calm week ")]
)
def test_with_too_few_weeks_alarms_come_without_a_promise_and_its_price_is_told(weeks: int, price: str) -> None:
    made = calibrate(LAYOUT, SEASON, CALM[:weeks])
    assert made.refused is not None
    assert price in made.refused
    assert made.watch(0).promise is None
    assert made.watched
    bent = hours(1, seed=9, bend=lambda name, shares: shares[::-1] if name == "word" else shares)
    assert evidence(made, bent) > 1


def weekends(bent: int, seed: int = 1) -> CalmSeason:
    """A calm week in which words are others at the weekend. bent: how much."""
    week, other = (
        hours(1, seed=seed, bend=lambda name, s, by=by: s * (np.arange(len(s)) + 1) ** by if name == "word" else s)  # type: ignore[misc]
        for by in (0, bent)
    )
    parts = {
        role: merge([s.between(s.start, s.end - 2 * DAY), other.summaries[role].between(s.end - 2 * DAY, s.end)])
        for role, s in week.summaries.items()
    }
    return CalmSeason(week.start, parts)


def test_with_few_weeks_the_numbers_of_rows_and_labels_have_lines_of_their_own() -> None:
    alike, apart_ = (calibrate(LAYOUT, SEASON, [weekends(bent)]) for bent in (0, 3))
    for key in apart_.watched:
        signals = apart_.signals(key[0])
        lines, before = (made.lines[key] / scales(signals, key[1]) for made in (apart_, alike))
        assert len({*np.round(lines[:-1], 9)}) == 1
        assert lines[0] > 1.5 * before[0]
        assert lines[-1] == pytest.approx(before[-1])
        assert np.ptp(MADE.lines[key] / scales(signals, key[1])) == pytest.approx(0)
    assert max(apart_.maxima) == pytest.approx(1)


def test_with_two_calm_weeks_not_nearly_all_others_like_them_are_alarms() -> None:
    made = calibrate(LAYOUT, SEASON, apart(hours(2, seed=51)))
    assert sum(evidence(made, hours(1, seed=seed)) > 1 for seed in range(12)) <= 7


def test_days_are_not_watched_that_are_too_few_to_tell_how_much_they_differ() -> None:
    made = calibrate(LAYOUT, SEASON, CALM[:2])
    assert {size for _, size in made.watched} == {HOUR, 6 * HOUR}
    assert made.unwatched[EVENTS, DAY] == "fewer than 20 of its windows are known"
    assert DAY in {size for _, size in MADE.watched}


def test_with_enough_weeks_the_promise_is_made() -> None:
    assert MADE.refused is None
    assert MADE.watch(0).promise == pytest.approx(0.87, abs=0.01)
    assert "at most 0.9 false alarms a month" in MADE.sentence()


def test_nothing_is_watched_without_calm_days() -> None:
    made = calibrate(LAYOUT, SEASON, [])
    assert not made.watched
    assert made.sentence().startswith("Nothing is watched yet")
    assert decode(made.encode(), LAYOUT).unwatched == made.unwatched
    days = CalmSeason(MONDAY, {role: s.between(MONDAY, MONDAY + 2 * DAY) for role, s in CALM[0].summaries.items()})
    assert "fewer than 3 calm days" in calibrate(LAYOUT, SEASON, [days]).unwatched[EVENTS, HOUR]


def test_sizes_with_few_rows_or_across_a_border_are_not_watched() -> None:
    made = calibrate(LAYOUT, SEASON, apart(hours(4, seed=2, rate=6.0)), sizes=(HOUR, 6 * HOUR, 5 * HOUR, DAY))
    assert {size for _, size in made.watched} == {6 * HOUR, DAY}
    assert "fewer than 20 rows" in made.unwatched[EVENTS, HOUR]
    assert "cross the border" in made.unwatched[EVENTS, 5 * HOUR]


@pytest.mark.parametrize("weeks", [4, 7])
def test_weeks_that_move_away_from_one_another_are_refused(weeks: int) -> None:
    def tilt(week: int, shares: Floats) -> Floats:
        return shares * np.linspace(1, 1 + 0.4 * week, len(shares))

    drifting = [hours(1, seed=n, bend=lambda _, s, n=n: tilt(n, s)) for n in range(weeks)]  # type: ignore[misc]
    moved = [
        CalmSeason(MONDAY + n * WEEK, {r: replace(s, start=MONDAY + n * WEEK) for r, s in week.summaries.items()})
        for n, week in enumerate(drifting)
    ]
    made = calibrate(LAYOUT, SEASON, moved, sizes=(DAY,))
    assert made.refused is not None
    assert "away from one another" in made.refused


def test_weeks_that_are_alike_are_hardly_ever_refused() -> None:
    found = [
        trend(LAYOUT, [{r: s.counts.sum(0) for r, s in one.summaries.items()} for one in apart(hours(4, seed=n))])
        for n in range(12)
    ]
    assert sum(found) <= 1


def test_a_level_that_grows_is_taken_from_the_week_before() -> None:
    growing = apart(hours(5, seed=4, growth=0.15))
    made = calibrate(LAYOUT, SEASON, growing[:4])
    assert evidence(made, growing[4]) < 1.5
    expected = made.scores(growing[4].summaries[EVENTS], DAY).expected.sum()
    assert expected == pytest.approx(growing[3].summaries[EVENTS].rows.sum(), rel=0.02)


def test_hours_with_few_rows_are_compared_with_the_same_hour_of_any_day() -> None:
    thin = calibrate(LAYOUT, SEASON, apart(hours(4, seed=2, rate=4.0)), sizes=(DAY,))
    summary = hours(1, seed=3).summaries[EVENTS]
    night, noon = (
        thin.level(summary.between(MONDAY + 5 * DAY + h * HOUR, MONDAY + 5 * DAY + (h + 1) * HOUR)) for h in (18, 6)
    )
    assert (night, noon) == ("hour", "hour")
    assert MADE.level(summary) == "slot"


def covered(share: float, usual: float = 1.0) -> tuple[float, float]:
    """Score of a day of which this share of labels came, beyond that of a day with all, and its tolerance.

    usual: share that comes in the weeks before.
    """
    known, day = (_with_labels(hours(1, seed=s).summaries[LABELS], by) for s, by in ((1, usual), (2, share)))
    sums = SlotSums.from_summary(known, SEASON)
    found = scores(LAYOUT, Reference(SEASON, sums, sums), day.between(MONDAY, MONDAY + DAY), DAY)
    events = float(day.between(MONDAY, MONDAY + DAY).sum("events").sum())
    return float(found.values[0, -1]) - 1 / (events + 1), 0.02 + 2 * (0.02 / (events + 1)) ** 0.5


def _with_labels(summary: Summary, share: float) -> Summary:
    sums = summary.sums.copy()
    sums[:, SUMS.index("matched")] = np.round(share * sums[:, SUMS.index("events")])
    return replace(summary, sums=sums)


@pytest.mark.parametrize("share", [1.0, 0.99, 0.98])
def test_two_of_a_hundred_labels_may_be_missing(share: float) -> None:
    assert covered(share)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.0])
def test_what_is_missing_beyond_that_is_the_score(share: float) -> None:
    score, tolerance = covered(share)
    assert score == pytest.approx(1 - share - tolerance, abs=0.002)


def test_labels_that_are_always_missing_are_not_missed_and_more_than_usual_are_no_fault() -> None:
    assert covered(0.9, usual=0.9)[0] == covered(1.0, usual=0.9)[0] == pytest.approx(0, abs=1e-12)
    assert covered(0.7, usual=0.9)[0] == pytest.approx(0.2 - covered(0.7)[1], abs=0.002)


def test_windows_are_put_together_to_a_week_and_time_without_one_has_no_rows() -> None:
    week = CALM[0]
    parts = {
        role: [s.between(MONDAY + n * DAY, MONDAY + (n + 1) * DAY) for n in (0, 2)]
        for role, s in week.summaries.items()
    }
    made = CalmSeason.from_windows(LAYOUT, MONDAY, MONDAY + WEEK, parts)
    assert len(made.summaries[EVENTS].rows) == HOURS
    assert made.summaries[EVENTS].rows[24:48].sum() == 0
    assert merge(parts[EVENTS]).rows.sum() == made.summaries[EVENTS].rows.sum()
    assert CalmSeason.from_windows(LAYOUT, MONDAY, MONDAY + WEEK, {LABELS: []}).summaries[LABELS].rows.sum() == 0


@pytest.mark.parametrize("role", [EVENTS, LABELS])
def test_columns_score_together_as_each_does_alone_even_if_one_has_no_values(role: Role) -> None:
    known, week = SlotSums.from_summary(CALM[0].summaries[role], SEASON), CALM[1].summaries[role]
    _, place = LAYOUT.slices(role)[0]
    counts = week.counts.copy()
    counts[:30, place], counts[:30, place.stop - 1] = 0, week.rows[:30]
    part = replace(week, counts=counts).between(week.start, week.start + 48 * HOUR)
    reference = Reference(SEASON, known, known)
    found = scores(LAYOUT, reference, part, HOUR).values
    starts = part.start + HOUR * np.arange(48)
    usual = reference.counts[SEASON.slots(starts)[0]]
    for at, (column, place) in enumerate(LAYOUT.slices(role)):
        now, before = part.counts[:, place], usual[:, place]
        if isinstance(column, NumberLayout):
            shares = [each / each.sum(1, keepdims=True) for each in (now, before)]
            outside = np.abs(shares[0] - shares[1])[:, [0, -1]].sum(1)
            assert found[:, at] == pytest.approx(wasserstein(column, now, before) + outside, abs=1e-12)
        else:
            assert found[:, at] == pytest.approx(jensen_shannon(now, before), abs=1e-7)


def test_sets_of_sizes_that_are_calibrated_together_are_as_each_alone() -> None:
    sets = ((HOUR,), (6 * HOUR, DAY), (HOUR, 6 * HOUR, DAY))
    for sizes, made in zip(sets, calibrate_each(LAYOUT, SEASON, CALM[:4], sets=sets, promise=2.0), strict=True):
        alone = replace(calibrate(LAYOUT, SEASON, CALM[:4], sizes=sizes, promise=2.0), harm=None)
        assert made.encode() == alone.encode()


def test_windows_that_calm_time_cannot_be_cut_into_are_not_watched() -> None:
    made = calibrate(LAYOUT, SEASON, CALM[:4], sizes=(HOUR // 4, 3 * HOUR // 2, HOUR))
    assert {size for _, size in made.watched} == {HOUR}
    assert "no whole number of 1h" in made.unwatched[EVENTS, HOUR // 4]
    assert (EVENTS, 3 * HOUR // 2) in made.unwatched
