"""What a dummy run tells, without a database."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter

import pytest

from consumer.meter import ConsumerMeter
from local.dummy.alarms import fold_dummy
from local.dummy.figures import CONFIG, written
from local.dummy.plan import DAY, HOUR, DummyPlan, DummyTraffic, windows
from local.dummy.surroundings import dead_letters, health
from local.settings import DummySettings
from monitor.drift.columns import monitored
from monitor.scheduling.close_times import WindowMeter
from monitor.verdict.fold import State
from schemas.alarms import AlarmRecord
from schemas.errors import UsageError
from schemas.figures import CATEGORY_METRICS, DRIFT, NUMBER_METRICS
from schemas.streams.taxi import OUTCOMES, TRIPS
from storage.alarms import EvidenceRow

NOW = 1_789_000_000_000
PLAN = DummyPlan("dummy", NOW)
TRAFFIC = DummyTraffic(PLAN, NOW)
WRITTEN = [written(PLAN, window) for window in windows(PLAN, TRAFFIC, PLAN.start, NOW)]
FOLDED = fold_dummy(PLAN, TRAFFIC, NOW, State())


def test_the_same_plan_gives_the_same_figures_and_another_seed_others() -> None:
    again = [written(PLAN, w) for w in windows(PLAN, DummyTraffic(PLAN, NOW), PLAN.start, NOW)]
    other = DummyPlan("dummy", NOW, seed=8)
    assert again == WRITTEN
    assert [written(other, w.window) for w in WRITTEN] != WRITTEN


@pytest.mark.parametrize("stream", [TRIPS, OUTCOMES], ids=lambda s: s.topic)
def test_columns_and_metrics_are_those_of_the_monitor_in_its_order(stream: object) -> None:
    assert isinstance(stream, type(TRIPS))
    expected = [
        (column.name, metric)
        for column in monitored(stream)
        for metric in (NUMBER_METRICS if column.numeric else CATEGORY_METRICS)
    ]
    for one in WRITTEN:
        if one.window.stream == stream.role:
            found = [(c.column, c.metric) for c in one.figures.columns]
            assert found == expected + ([("prediction", "mae")] if stream is OUTCOMES else [])


def test_every_status_of_windows_and_columns_is_there() -> None:
    assert set(Counter(w.status for w in WRITTEN)) == {"open", "provisional", "final", "insufficient"}
    assert {c.status for w in WRITTEN for c in w.figures.columns} == {"ok", "drift", "insufficient", "failed"}


def test_larger_windows_hold_the_rows_of_the_smaller_ones() -> None:
    closed = dict.fromkeys(PLAN.sizes, 0)
    for one in WRITTEN:
        if one.window.stream == TRIPS.role:
            closed[one.window.size] += one.window.rows
    assert len(set(closed.values())) == 1


def test_nothing_arrives_in_the_gap_and_too_little_after_it() -> None:
    start, end = PLAN.gap
    smallest = {w.window.start: w for w in WRITTEN if w.window.size == HOUR and w.window.stream == TRIPS.role}
    assert not [at for at in smallest if start <= at < end]
    assert smallest[end].status == "insufficient"


def test_injected_drift_is_seen_and_calm_windows_seldom_flag() -> None:
    gradual, sudden = PLAN.stretches
    days = [w for w in WRITTEN if w.window.size == 6 * HOUR and w.window.stream == TRIPS.role]
    inside = [w for w in days if sudden.starts_at <= w.window.start and w.window.end <= sudden.ends_at]
    calm = [w for w in days if w.window.end <= gradual.starts_at]
    assert inside
    assert all(w.figures.dataset_drift for w in inside)
    assert sum(bool(w.figures.columns_drifted) for w in calm) < 0.3 * len(calm)
    assert not any(w.figures.dataset_drift for w in calm)


def test_severity_is_score_by_threshold_and_totals_are_those_of_the_columns() -> None:
    for one in WRITTEN:
        scores = [c for c in one.figures.columns if c.metric == DRIFT and c.value is not None]
        for c in scores:
            assert c.value is not None
            assert c.threshold
            assert c.severity == pytest.approx(c.value / c.threshold)
            assert (c.status == "drift") == (c.severity is not None and c.severity >= 1)
        assert one.figures.columns_tested == len(scores)
        assert one.figures.columns_drifted == sum(c.status == "drift" for c in scores)
        assert one.figures.sufficient == (one.window.rows >= CONFIG.min_rows)


def test_health_says_what_the_stages_say() -> None:
    by_stage = {
        h["stage"]: set(h["measures"]) for h in health(PLAN, TRAFFIC, NOW, (NOW - HOUR, NOW), dead_letters=3)
    }
    assert by_stage["consumer"] == set(ConsumerMeter(0.0).measures(0.0, (), ()))
    assert by_stage["monitor"] == set(WindowMeter(0.0).measures(0.0, 0))


def test_no_dead_letter_is_ever_in_the_place_of_a_real_one() -> None:
    place, found = itemgetter("topic", "partition", "kafka_offset"), dead_letters(PLAN, TRAFFIC)
    places = {place(a) for a in found}
    others = {place(a) for a in dead_letters(DummyPlan("other", NOW), TRAFFIC)}
    assert {a["reason"] for a in found} == {"late", "future", "invalid", "undecodable"}
    assert all(offset < 0 for _, _, offset in places)
    assert len(places) == len(found)
    assert not places & others


@pytest.mark.parametrize(
    "options",
    [{"run": "a b"}, {"days": 0}, {"days": 401}, {"sizes": (HOUR, 2 * DAY), "days": 1}, {"seed": -1}],
    ids=str,
)
def test_what_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        DummySettings(**options)  # type: ignore[arg-type]


def test_a_live_run_drifts_as_the_other_does_and_then_once_more() -> None:
    live = DummyPlan("dummy", NOW, days=3, live=True)
    until = live.stretches[-1].ends_at
    found = [written(live, window) for window in windows(live, DummyTraffic(live, until), live.start, until)]
    hit = {
        number
        for number, stretch in enumerate(live.stretches)
        for w in found
        if stretch.starts_at <= w.window.start and w.window.end <= stretch.ends_at and w.figures.dataset_drift
    }
    assert {1, 2} <= hit
    assert live.stretches[0].label == "gradual drift of tip_amount, tolls_amount, total_amount"


def test_alarms_are_those_of_its_drifts_and_of_its_gap_each_soon_after_it_began() -> None:
    raised = sorted(FOLDED.alarms.values(), key=lambda alarm: alarm.pending_at)
    gradual, sudden = PLAN.stretches
    began = [gradual.starts_at, PLAN.gap[0], sudden.starts_at, PLAN.unannounced.starts_at]
    assert [alarm.kind for alarm in raised] == ["drift", "gap", "drift", "drift"]
    assert [alarm.state for alarm in raised] == ["recovered", "recovered", "recovered", "firing"]
    for alarm, start in zip(raised, began, strict=True):
        assert start < (alarm.fired_at or 0) < start + (4 * DAY if start == gradual.starts_at else 12 * HOUR)
    for alarm, drift in zip([raised[0], *raised[2:]], [*PLAN.stretches, PLAN.unannounced], strict=True):
        inputs = {member.column for member in alarm.members if member.role == TRIPS.role}
        assert inputs & set(drift.columns)
        assert alarm.harm == "both"
    assert raised[1].columns == ["volume"]
    assert {change.state for change in FOLDED.changes} == {"firing", "recovered"}
    assert len(FOLDED.changes) == 7


def test_a_live_run_folds_step_by_step_what_is_folded_at_once() -> None:
    live = DummyPlan("dummy", NOW, days=3, live=True)
    end = NOW + 30 * HOUR
    whole = fold_dummy(live, DummyTraffic(live, end), end, State())
    state, evidence, alarms = State(), list[EvidenceRow](), dict[str, AlarmRecord]()
    for until in range(NOW, end + 1, HOUR):
        step = fold_dummy(live, DummyTraffic(live, until), until, state)
        state, evidence, alarms = step.state, evidence + step.evidence, alarms | step.alarms
        alarms = {name: alarm for name, alarm in alarms.items() if name not in step.dropped}
    assert (state, evidence, alarms) == (whole.state, whole.evidence, whole.alarms)
    assert len(alarms) >= 1


@pytest.mark.parametrize("hour", range(0, 24, 5))
@pytest.mark.parametrize("days", [1, 3])
def test_a_short_run_has_its_drift_and_its_gap_too(days: int, hour: int) -> None:
    plan = DummyPlan("dummy", NOW // DAY * DAY + hour * HOUR + 1_234_567, days)
    traffic = DummyTraffic(plan, plan.now)
    found = [written(plan, window) for window in windows(plan, traffic, plan.start, plan.now)]
    assert any(w.figures.dataset_drift for w in found)
    assert {"open", "final"} <= {w.status for w in found}
    assert plan.start < plan.gap[0] < plan.gap[1] < plan.now
