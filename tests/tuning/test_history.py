"""A drift is injected into rows, and what windows hold then is what they would have held."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.verdict.season import DAY, HOUR, WEEK
from producer.drift import Duration, Moment
from producer.drift_kinds import Clock, Delayed, Lost
from producer.scenario import Scenario
from schemas.definition import EVENTS, LABELS, Stream
from schemas.errors import UsageError
from tests.streams import flights, payments
from tests.tuning import made
from tests.tuning.made import MONDAY, UNTIL, history, scale, scenario
from tuning.evidence import spliced
from tuning.history import History, starts_at_once

AT = {"starts_at": Moment(0), "ends_at": Moment(1)}


def test_four_weeks_are_the_training_and_whole_weeks_follow() -> None:
    found = history()
    assert [week.start for week in found.known] == [MONDAY + n * WEEK for n in range(4)]
    assert [week.start for week in found.weeks] == [UNTIL + n * WEEK for n in range(3)]
    assert found.rows.num_rows == found.live[EVENTS].rows.sum()


@pytest.mark.parametrize("stream", [payments.STREAM, flights.STREAM], ids=lambda one: one.name)
def test_a_drift_that_is_all_there_at_once_may_be_spliced_in(stream: Stream) -> None:
    found, onset = history(stream), UNTIL + 3 * DAY + 5 * HOUR
    column = "amount" if stream is payments.STREAM else found.stream.label
    names = (column, found.stream.labels.known_at) if found.stream.labels else column
    drift = scenario(scale(1.5, column=names), stream)
    assert starts_at_once(drift)
    whole, direct = (found.bent(drift, at, found.period) for at in (UNTIL, onset))
    for role, calm in found.live.items():
        expected, one = spliced(calm, whole[role], onset), direct[role]
        assert (expected.counts == one.counts).all()
        assert (expected.sums == one.sums).all()
        assert (one.counts != calm.counts).any() or role == EVENTS
    assert {*direct} == ({EVENTS, LABELS} if stream.labels else {EVENTS})


def test_a_drift_that_grows_is_another_one_at_each_onset() -> None:
    assert not starts_at_once(scenario(scale(2.0, ramp=Duration(WEEK))))


@pytest.mark.parametrize(
    ("drift", "share"),
    [
        (Delayed(by=Duration(45 * 60_000), share=0.25, **AT), 0.75),
        (Delayed(by=Duration(4 * 60_000), **AT), 1.0),
        (Clock(offset=Duration(-HOUR), **AT), 0.0),
        (Lost(share=0.5, **AT), 0.5),
    ],
    ids=["late", "in time", "an hour behind", "lost"],
)
def test_what_comes_later_than_is_allowed_is_not_there(drift: Delayed, share: float) -> None:
    found = history().bent(scenario(drift), UNTIL, (UNTIL, UNTIL + WEEK))[EVENTS]
    usual = history().weeks[0].summaries[EVENTS]
    assert found.rows.sum() / usual.rows.sum() == pytest.approx(share, abs=0.02)


def test_a_stronger_drift_changes_more() -> None:
    found = history()
    usual = found.weeks[0].summaries[EVENTS].counts
    moved = [
        np.abs(
            found.bent(scenario(scale(1.3)).scaled(by), UNTIL, (UNTIL, UNTIL + WEEK))[EVENTS].counts - usual
        ).sum()
        for by in (0.5, 1.0, 2.0)
    ]
    assert moved == sorted(moved)
    assert len(set(moved)) == 3


def test_the_same_stream_has_the_same_id_and_another_one_has_not() -> None:
    assert history().id == history.__wrapped__().id
    assert history().id != history(step=HOUR // 2).id


def test_too_few_weeks_are_refused() -> None:
    rows, stream = history().rows, payments.STREAM
    with pytest.raises(UsageError, match="1 whole weeks follow"):
        History.from_rows(stream, None, rows, period=(made.PERIOD[0], UNTIL + WEEK), until=UNTIL, step=HOUR)


def test_scaling_a_scenario_keeps_when_and_where() -> None:
    one: Scenario = scenario(scale(1.21, where={"country": "AA"}))
    half = one.scaled(0.5)
    assert half.drifts[0] == scale(pytest.approx(1.1), where={"country": "AA"})
