"""What an alarm says of the error before its labels come, as windows are folded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from monitor.verdict.estimate import NO_ESTIMATOR, Expected, Trust
from monitor.verdict.fold import Folded, Series, State, Watch, WindowScore, decode_state, encode_state, fold
from monitor.verdict.harm import Errors
from monitor.verdict.lifecycle import Alarm
from monitor.verdict.members import Signal
from monitor.verdict.record import record
from monitor.verdict.season import DAY, HOUR
from schemas.definition import EVENTS, LABELS
from schemas.streams.taxi import TAXI
from tests.monitor.verdict.weeks import MONDAY

SERIES = {
    role: Series(signals=(Signal(name, kind, name),), drift=(0.7,), line=(10.0,), rates=(1.0,))
    for role, name, kind in ((EVENTS, "distance", "column"), (LABELS, "error", "error"))
}
TRUSTED = Trust(refused=None, strange=0.1)
USUAL = 3.0


def watch(estimates: Trust = TRUSTED) -> Watch:
    series = {(role, HOUR): one for role, one in SERIES.items()}
    return Watch(season=MONDAY, calibration_id="c", promise=0.9, series=series, estimates=estimates)


def events(hour: int, z: float, *, times: float = 1.0, strange: int = 0, rows: int = 100) -> WindowScore:
    start = MONDAY + hour * HOUR
    expected = Expected(start, start + HOUR, rows, strange, rows * USUAL * times, rows * USUAL)
    return WindowScore(
        role=EVENTS, size=HOUR, start=start, due=start + HOUR, season=MONDAY, z=(z,), errors=expected
    )


def labels(hour: int, times: float, late: int = 2) -> WindowScore:
    start = MONDAY + hour * HOUR
    errors = Errors(start, start + HOUR, 100, 100 * USUAL * times, 100 * USUAL)
    return WindowScore(
        role=LABELS, size=HOUR, start=start, due=start + (1 + late) * HOUR, season=MONDAY, z=(0.0,), errors=errors
    )


def folded(scores: Sequence[WindowScore], estimates: Trust = TRUSTED) -> Folded:
    return fold(State(), sorted(scores, key=lambda one: one.order), watch(estimates))


def alarm(scores: Sequence[WindowScore], estimates: Trust = TRUSTED) -> Alarm:
    (found,) = folded(scores, estimates).alarms.values()
    return found


def moved(times: float, *, strange: int = 0) -> list[WindowScore]:
    """Four calm days, then some hours in which inputs have moved to where the model errs so many times as much."""
    calm = [events(hour, 0.0) for hour in range(96)]
    return [*calm, *(events(hour, 6.0, times=times, strange=strange) for hour in range(96, 104))]


def test_while_no_labels_come_the_error_is_estimated_from_the_onset_on() -> None:
    found = alarm(moved(1.3))
    assert found.harm == "unlabelled"
    assert found.estimated == pytest.approx(0.3)
    assert found.unestimated is None
    sent = record(found, "r", TAXI, 1.0)
    assert "from the inputs alone, up to 1.3 × the usual is expected" in sent.message
    assert (sent.estimated, sent.unestimated) == (found.estimated, None)


def test_inputs_that_moved_to_where_the_model_errs_as_much_make_expect_no_other_error() -> None:
    assert alarm(moved(1.0)).estimated == pytest.approx(0.0)


def test_the_estimate_stands_beside_the_error_once_labels_have_come() -> None:
    found = alarm([*moved(1.3), *(labels(hour, 1.5 if hour >= 96 else 1.0) for hour in range(104))])
    assert found.harm == "both"
    assert found.excess == pytest.approx(0.5)
    assert found.estimated == pytest.approx(0.3)
    assert "from the inputs alone" not in record(found, "r", TAXI, 1.0).message


def test_on_a_stream_whose_labels_disagreed_nothing_is_estimated_and_it_says_so() -> None:
    found = alarm([*moved(1.3), *(labels(hour, 1.5) for hour in range(96))])
    assert found.estimated is None
    assert found.unestimated == "estimates of the error were 50% off on the newest days that have labels"
    agreed = alarm([*moved(1.3), *(labels(hour, 1.05) for hour in range(96))])
    assert agreed.estimated == pytest.approx(0.3)


def test_rows_unlike_the_training_are_not_estimated_and_it_says_so() -> None:
    found = alarm(moved(1.3, strange=25))
    assert found.estimated is None
    assert found.unestimated == "20% more values than usual are unlike the training"


def test_a_model_without_an_estimator_says_so() -> None:
    found = alarm(moved(1.3), NO_ESTIMATOR)
    assert (found.estimated, found.unestimated) == (None, "the model has nothing to estimate its errors with")


def test_of_few_rows_nothing_is_said_yet() -> None:
    scores = [events(hour, 6.0, times=2.0, rows=10) for hour in range(8)]
    assert (alarm(scores).estimated, alarm(scores).unestimated) == (None, None)


def test_an_alarm_that_is_of_no_input_is_given_no_estimate() -> None:
    volume = Series(signals=(Signal("volume", "volume"),), drift=(0.7,), line=(10.0,), rates=(1.0,))
    watched = msgspec.structs.replace(watch(), series={(EVENTS, HOUR): volume})
    (found,) = fold(State(), moved(1.3), watched).alarms.values()
    assert (found.harm, found.estimated, found.unestimated) == (None, None, None)


def test_folding_window_by_window_gives_the_same_as_all_at_once() -> None:
    scores = sorted([*moved(1.3), *(labels(hour, 1.1) for hour in range(100))], key=lambda one: one.order)
    state = State()
    for score in scores:
        state = fold(decode_state(encode_state(state)), [score], watch()).state
    assert encode_state(state) == encode_state(folded(scores).state)
    assert len(state.days) == 5
    assert state.days[0].start == MONDAY // DAY * DAY


def test_days_that_do_not_count_are_not_compared() -> None:
    scores = [msgspec.structs.replace(score, z=()) for score in moved(1.3)]
    assert folded(scores).state.days == []
