"""What kind of change the counts show, and that nothing is named where they show none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.verdict.fold import State, fold
from monitor.verdict.kinds import changes, of_column
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.members import Member, SignalKind, together
from monitor.verdict.season import DAY, HOUR, WEEK, Season
from monitor.verdict.signals import Reference, SlotSums
from monitor.verdict.summary import SUMS, Summary, summarize_events
from schemas.alarms import Change, leading
from schemas.definition import EVENTS, LABELS, Role
from tests.monitor.verdict.streams import SMALL, small
from tests.monitor.verdict.test_fold import MONDAY_2022, moved, places, scored, watch_of
from tests.monitor.verdict.weeks import LAYOUT, apart, hours, without_rows

Floats = Any

RNG = np.random.default_rng(5)
KNOWN: Floats = RNG.gamma(2.0, 3.0, 20_000)
WORDS = np.array(["a", "b", "c", "d"])
WORD = RNG.choice(WORDS, 20_000, p=[0.4, 0.3, 0.2, 0.1])
LAID = SummaryLayout.from_reference(small(amount=KNOWN, word=WORD, code=[1] * 20_000), SMALL)


def counts(name: str, values: Floats) -> tuple[Any, Floats]:
    """A column and the rows in its bins."""
    table = small(**{name: values})
    made = summarize_events(table, LAID, SMALL, start=0, size=HOUR)
    column, place = next((c, p) for c, p in LAID.slices(EVENTS) if c.name == name)
    return column, made.counts[0, place].astype(np.float64)


def said(name: str, values: Floats, unit: str | None = None) -> Change | None:
    column, found = counts(name, values)
    return of_column(column, found, counts(name, {"amount": KNOWN, "word": WORD}[name])[1], unit)


def drawn(rows: int, seed: int = 6) -> Floats:
    return np.random.default_rng(seed).gamma(2.0, 3.0, rows)


@pytest.mark.parametrize("rows", [80, 500, 3_000])
@pytest.mark.parametrize("seed", range(4))
def test_of_what_is_as_usual_nothing_is_said(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    assert said("amount", random.gamma(2.0, 3.0, rows)) is None
    assert said("word", random.choice(WORDS, rows, p=[0.4, 0.3, 0.2, 0.1])) is None


@pytest.mark.parametrize(
    ("factor", "unit", "name"),
    [
        (1.609344, "mi", "miles as kilometres"),
        (1 / 1.609344, "km", "kilometres as miles"),
        (0.45359237, "lb", "pounds as kilograms"),
        (60.0, "min", "hours as minutes, or minutes as seconds"),
        (100.0, "$", "dollars as cents, or something else as hundredths"),
    ],
)
def test_a_known_ratio_is_a_change_of_unit(factor: float, unit: str | None, name: str) -> None:
    change = said("amount", drawn(20_000) * factor, unit)
    assert change is not None
    assert (change.kind, change.value) == ("unit", name)
    assert change.sure > 0.8


@pytest.mark.parametrize("factor", [100.0, 1000.0, 0.001])
def test_a_ratio_so_large_that_the_bins_cannot_tell_it_from_another_is_not_named(factor: float) -> None:
    change = said("amount", drawn(500) * factor)
    assert change is None or change.kind != "unit" or change.factor == factor


def test_the_unit_of_the_definition_rules_others_out() -> None:
    change = said("amount", drawn(2_000) * 1.609344, "$")
    assert change is not None
    assert change.kind == "scale"
    assert change.factor == pytest.approx(1.61, rel=0.05)


def test_a_temperature_in_the_other_unit_is_a_ratio_and_a_shift() -> None:
    known = np.random.default_rng(1).normal(15.0, 8.0, 20_000)
    laid = SummaryLayout.from_reference(small(amount=known), SMALL)
    column, place = next((c, p) for c, p in laid.slices(EVENTS) if c.name == "amount")

    def held(values: Floats) -> Floats:
        made = summarize_events(small(amount=values), laid, SMALL, start=0, size=HOUR)
        return made.counts[0, place].astype(np.float64)

    warm = np.random.default_rng(2).normal(15.0, 8.0, 2_000) * 1.8 + 32
    change = of_column(column, held(warm), held(known), "°C")
    assert change is not None
    assert (change.kind, change.value) == ("unit", "Celsius as Fahrenheit")


def test_a_ratio_that_is_not_known_is_a_scale() -> None:
    change = said("amount", drawn(4_000) * 1.25, "$")
    assert change is not None
    assert change.kind == "scale"
    assert change.factor == pytest.approx(1.25, rel=0.05)
    assert change.before == pytest.approx(np.median(KNOWN), rel=0.05)


def test_a_constant_that_is_added_is_a_shift() -> None:
    change = said("amount", drawn(4_000) + 5.0, "$")
    assert change is not None
    assert change.kind == "shift"
    assert change.offset == pytest.approx(5.0, abs=0.3)


def test_values_that_scatter_around_the_same_middle_are_a_spread() -> None:
    noise = np.exp(0.8 * np.random.default_rng(9).standard_normal(4_000))
    change = said("amount", drawn(4_000) * noise)
    assert change is not None
    assert change.kind == "spread"
    assert change.factor is not None
    assert change.factor > 1.2


def test_values_of_two_populations_are_not_guessed_at() -> None:
    values = drawn(4_000)
    values[:1_200] = 40.0
    assert said("amount", values) is None


def test_missing_values_are_told_as_shares() -> None:
    values = drawn(1_000)
    values[:400] = np.nan
    change = said("amount", values)
    assert change is not None
    assert (change.kind, change.before, change.after) == ("missing", 0.0, 0.4)


def test_a_value_that_was_never_seen_is_new() -> None:
    words = np.random.default_rng(3).choice([*WORDS, "e"], 1_000, p=[0.36, 0.27, 0.18, 0.09, 0.1])
    change = said("word", words)
    assert change is not None
    assert change.kind == "new"
    assert change.after == pytest.approx(0.1, abs=0.03)


def test_a_value_that_hardly_comes_any_more_is_gone_and_the_one_that_took_its_place_is_named() -> None:
    words = np.random.default_rng(3).choice(WORDS, 1_000, p=[0.4, 0.02, 0.48, 0.1])
    change = said("word", words)
    assert change is not None
    assert (change.kind, change.value, change.other) == ("gone", "b", "c")
    assert change.before == pytest.approx(0.3, abs=0.02)


def test_shares_that_moved_are_told_by_the_value_that_moved_most() -> None:
    words = np.random.default_rng(3).choice(WORDS, 2_000, p=[0.2, 0.3, 0.2, 0.3])
    change = said("word", words)
    assert change is not None
    assert (change.kind, {change.value, change.other}) == ("shares", {"a", "d"})


WEEKS = apart(hours(5, seed=1, rate=120.0))
SEASON = Season(WEEK)


def with_ids(summary: Summary, events: Any, matched: Any) -> Summary:
    sums = summary.sums.copy()
    sums[:, SUMS.index("events")], sums[:, SUMS.index("matched")] = events, matched
    return replace(summary, sums=sums)


def reference(role: Role) -> Reference:
    known = [SlotSums.from_summary(week.summaries[role], SEASON) for week in WEEKS[:4]]
    return Reference(SEASON, known[0] + known[1] + known[2] + known[3], known[3])


REFERENCES: dict[Role, Reference] = {role: reference(role) for role in (EVENTS, LABELS)}
LIVE = WEEKS[4].summaries
ONSET = WEEKS[4].start + 2 * DAY


def member(name: str, kind: SignalKind, role: Role = EVENTS, value: float = 2.0) -> Member:
    column = name if kind in ("column", "label") else None
    return Member(role=role, name=name, kind=kind, column=column, size=HOUR, value=value, since=ONSET)


def of_live(events: Summary, labels: Summary, *members: Member) -> dict[str, Change]:
    made = changes(LAYOUT, REFERENCES, {EVENTS: events, LABELS: labels}, members, SMALL)
    return {name: change for (_, name), change in made.items()}


def scaled(summary: Summary, factor: float) -> Summary:
    """From the onset on so many times the rows."""
    first = (ONSET - summary.start) // HOUR
    rows = summary.rows.copy()
    rows[first:] = np.rint(rows[first:] * factor).astype(np.int64)
    return replace(summary, rows=rows)


def test_records_that_are_missing_or_too_many_are_told_as_a_factor() -> None:
    lost = of_live(scaled(LIVE[EVENTS], 0.6), LIVE[LABELS], member("volume", "volume"))
    more = of_live(scaled(LIVE[EVENTS], 1.5), LIVE[LABELS], member("volume", "volume"))
    assert (lost["volume"].kind, more["volume"].kind) == ("fewer", "more")
    assert lost["volume"].factor == pytest.approx(0.6, abs=0.05)


def test_without_a_record_it_is_a_gap() -> None:
    first = (ONSET - LIVE[EVENTS].start) // HOUR
    none = without_rows(LIVE[EVENTS], first, len(LIVE[EVENTS].rows))
    found = of_live(none, LIVE[LABELS], member("volume", "volume"))
    assert found["volume"].kind == "gap"


def test_records_with_the_same_ids_are_duplicates() -> None:
    events, labels = scaled(LIVE[EVENTS], 1.2), scaled(LIVE[LABELS], 1.2)
    doubled = with_ids(labels, events.rows, LIVE[LABELS].rows)
    found = of_live(events, doubled, member("coverage", "coverage", LABELS), member("volume", "volume"))
    assert {change.kind for change in found.values()} == {"duplicates"}
    assert found["volume"].factor == pytest.approx(1.2, abs=0.02)


def test_events_that_are_missing_though_their_labels_came_are_late() -> None:
    events = scaled(LIVE[EVENTS], 0.75)
    found = of_live(events, with_ids(LIVE[LABELS], events.rows, events.rows), member("volume", "volume"))
    assert found["volume"].kind == "late"
    assert found["volume"].factor == pytest.approx(0.75, abs=0.02)


def test_labels_that_stay_away_are_told_as_a_share() -> None:
    labels = scaled(LIVE[LABELS], 0.4)
    away = with_ids(labels, LIVE[LABELS].rows, labels.rows)
    found = of_live(LIVE[EVENTS], away, member("coverage", "coverage", LABELS))
    assert found["coverage"].kind == "labels"
    assert found["coverage"].after == pytest.approx(0.6, abs=0.03)


def test_an_error_that_moves_alone_is_the_concept() -> None:
    alone = of_live(LIVE[EVENTS], LIVE[LABELS], member("error", "error", LABELS))
    beside = of_live(LIVE[EVENTS], LIVE[LABELS], member("error", "error", LABELS), member("amount", "column"))
    assert alone["error"].kind == "concept"
    assert "error" not in beside


def bent(column: str, first: int) -> Summary:
    """From an hour on all values of a column are in one bin."""
    events = LIVE[EVENTS]
    counted = events.counts.copy()
    place = next(p for c, p in LAYOUT.slices(EVENTS) if c.name == column)
    counted[first:, place] = 0
    counted[first:, place.start] = events.rows[first:]
    return replace(events, counts=counted)


def test_the_onset_is_where_what_came_since_differs_most() -> None:
    first = (ONSET - LIVE[EVENTS].start) // HOUR + 9
    late = replace_since(member("word", "column"), ONSET)
    found = of_live(bent("word", first), LIVE[LABELS], late)
    assert abs(found["word"].since - (LIVE[EVENTS].start + first * HOUR)) <= HOUR


def replace_since(one: Member, since: int) -> Member:
    return msgspec.structs.replace(one, since=since)


def nightly(column: str, hours_of_day: range) -> Summary:
    """From the onset on, the values of a column are missing in some hours of each day."""
    events = LIVE[EVENTS]
    counted = events.counts.copy()
    place = next(p for c, p in LAYOUT.slices(EVENTS) if c.name == column)
    hour = np.arange(len(events.rows))
    chosen = np.isin(hour % 24, hours_of_day) & (hour >= (ONSET - events.start) // HOUR)
    counted[chosen, place] = 0
    counted[chosen, place.stop - 1] = events.rows[chosen]
    return replace(events, counts=counted)


@pytest.mark.parametrize("column", ["word", "amount"])
def test_what_is_missing_for_two_hours_of_each_day_is_told_with_these_hours(column: str) -> None:
    found = of_live(nightly(column, range(1, 3)), LIVE[LABELS], member(column, "column"))
    assert (found[column].kind, found[column].hours) == ("missing", (1, 3))
    assert found[column].after == pytest.approx(1.0, abs=0.01)


def test_what_happened_once_is_no_change_of_each_day() -> None:
    events = nightly("word", range(1, 3))
    first = (ONSET - events.start) // HOUR
    until = replace(
        events, rows=events.rows[: first + 24], counts=events.counts[: first + 24], sums=events.sums[: first + 24]
    )
    found = of_live(until, LIVE[LABELS], member("word", "column"))
    assert "word" not in found or found["word"].hours is None


def shaped(summary: Summary, behind: int = 0) -> Summary:
    """With a daily shape, as of a clock that is so many hours behind from the onset on."""
    hour = np.arange(len(summary.rows))
    first = (ONSET - WEEKS[4].start) // HOUR
    rows = np.rint(200 + 150 * np.sin((np.where(hour >= first, hour + behind, hour)) % 24 / 24 * 2 * np.pi))
    return replace(summary, rows=rows.astype(np.int64))


@pytest.mark.parametrize("behind", [3, -4, 5])
def test_records_that_come_at_other_hours_are_those_of_a_clock_that_is_off(behind: int) -> None:
    known = [SlotSums.from_summary(shaped(week.summaries[EVENTS]), SEASON) for week in WEEKS[:4]]
    references = REFERENCES | {EVENTS: Reference(SEASON, known[0] + known[1] + known[2] + known[3], known[3])}

    def kind(events: Summary) -> Change | None:
        made = changes(LAYOUT, references, {EVENTS: events}, [member("volume", "volume")], SMALL)
        return made.get((EVENTS, "volume"))

    found = kind(shaped(LIVE[EVENTS], behind))
    assert found is not None
    assert (found.kind, found.offset) == ("clock", behind)
    assert kind(shaped(LIVE[EVENTS])) is None
    fewer = kind(scaled(shaped(LIVE[EVENTS]), 0.6))
    assert fewer is not None
    assert fewer.kind == "fewer"


def test_of_columns_without_a_change_nothing_is_said() -> None:
    assert of_live(LIVE[EVENTS], LIVE[LABELS], member("amount", "column"), member("word", "column")) == {}


def test_what_leads_has_at_least_half_of_the_evidence_of_the_worst() -> None:
    worst, little, much = (
        member(name, "column", value=value) for name, value in (("a", 4.0), ("b", 1.0), ("c", 2.0))
    )
    change = Change(kind="scale", sure=0.9, factor=1.1)
    named = msgspec.structs.replace(little, change=change)
    assert leading([worst, named]) is None
    assert leading([worst, msgspec.structs.replace(much, change=change), named]) is not None


def test_a_member_that_moves_on_keeps_its_change() -> None:
    change = Change(kind="scale", sure=0.9, factor=1.1)
    before = msgspec.structs.replace(member("amount", "column"), change=change)
    (after,) = together([before], [member("amount", "column", value=3.0)])
    assert (after.value, after.change) == (3.0, change)


def test_the_records_are_looked_into_when_an_alarm_fires_and_a_few_times_later() -> None:
    looks: list[int] = []

    def look(alarm: Any, score: Any) -> Any:
        looks.append((score.end - (alarm.fired_at or 0)) // HOUR)
        return alarm

    found = fold_of(5 * 24, look)
    assert looks == [0, 6, 24, 72]
    (alarm,) = found.alarms.values()
    assert alarm.looked == 4


def fold_of(number: int, look: Any) -> Any:
    scores = scored(places(number), moved("distance", 10, number))
    return fold(State(), scores, watch_of(MONDAY_2022), look=look)


def test_an_hour_without_records_takes_nothing_back_that_an_alarm_names() -> None:
    def score(place: Any) -> tuple[float, ...]:
        hour = (place.start - MONDAY_2022) / HOUR
        away = 8.0 if hour == 40 and place.role == EVENTS and place.size == HOUR else 0.0
        return (*moved("distance", 10, 60)(place)[:-1], away) if place.role == EVENTS else (0.0, 0.0)

    scores = [
        msgspec.structs.replace(one, shares={"volume": 0.0 if one.start == MONDAY_2022 + 40 * HOUR else 1.0})
        for one in scored(places(60), score)
    ]
    (alarm,) = fold(State(), scores, watch_of(MONDAY_2022)).alarms.values()
    assert "distance" in alarm.columns
