"""What windows cost is measured, size by size."""

from __future__ import annotations

from monitor.verdict.season import DAY, HOUR
from tests.streams import flights
from tests.tuning.made import history, plan
from tuning.cost import cpu_of_day


def test_every_size_has_a_cost() -> None:
    found = history(flights.STREAM)
    assert found.model is not None
    made = cpu_of_day(found, plan((6 * HOUR, DAY)), found.model.reference())
    assert {*made} == {6 * HOUR, DAY}
    assert min(made.values()) > 0
