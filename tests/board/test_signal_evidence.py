"""The evidence of single signals, measured by a calibration as a monitor writes it."""

from __future__ import annotations

import msgspec
import pytest

from board.signal_evidence import SignalCurves
from storage.alarms import WatchTerms
from tests.monitor.watched import MONDAY, SIZES, calibrator


@pytest.mark.parametrize(("role", "signal"), [("events", "weight"), ("labels", "coverage")])
@pytest.mark.parametrize("size", SIZES)
def test_a_calibration_of_the_monitor_gives_each_signal_its_evidence(role: str, signal: str, size: int) -> None:
    known = calibrator()
    terms = WatchTerms(layout=known.layout.hash, sizes=SIZES, promise=1.0)
    row = known.calibrate(MONDAY, range(0), lambda _: {}, terms=terms, excluded=()).row(b"")
    stored = {name: msgspec.to_builtins(getattr(row, name)) for name in ("season", "signals", "lines")}
    curves = SignalCurves([stored], [])
    names = row.signals[role]
    for number in range(6):
        start = MONDAY + number * size
        curves.add((role, size // 1_000, MONDAY, start, [3.0 if name == signal else 0.0 for name in names]))
    values = curves.of(role, size // 1_000, signal)["value"]
    assert values == sorted(values)
    assert values[-1] > 0


def test_evidence_of_a_signal_stays_what_it_was_over_windows_without_scores() -> None:
    known = calibrator()
    terms = WatchTerms(layout=known.layout.hash, sizes=SIZES, promise=1.0)
    row = known.calibrate(MONDAY, range(0), lambda _: {}, terms=terms, excluded=()).row(b"")
    stored = {name: msgspec.to_builtins(getattr(row, name)) for name in ("season", "signals", "lines")}
    curves, names = SignalCurves([stored], []), row.signals["events"]
    for number in range(4):
        z = [] if number in (1, 2) else [3.0] * len(names)
        curves.add(("events", 3_600, MONDAY, MONDAY + number * SIZES[0], z))
    first, *held, last = curves.of("events", 3_600, "weight")["value"]
    assert held == [first, first]
    assert last > first > 0
