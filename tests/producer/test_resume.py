from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from producer.resume import check_manifest
from schemas.errors import RunConflict, UsageError
from schemas.records import Injected, Manifest
from tests.producer.log import settings

BEGUN = Manifest(source="TLC green-2022-02", period=(0, 10), speed=600.0, events=5, partitions=4)


@pytest.mark.parametrize("same", [{}, {"speed": None}, {"events": None}])
def test_a_run_goes_on_with_what_it_was_begun_with_at_any_speed(same: dict[str, Any]) -> None:
    check_manifest(BEGUN, msgspec.structs.replace(BEGUN, **same))


@pytest.mark.parametrize(
    "other",
    [
        {"source": "TLC green-2022-03"},
        {"period": (0, 11)},
        {"events": 6},
        {"partitions": 3},
        {"scenario": "miles-to-km"},
        {"injected": (Injected(starts_at=1, ends_at=2, label="x"),)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_run_does_not_go_on_with_something_else(other: dict[str, Any]) -> None:
    with pytest.raises(RunConflict, match=rf"begun with(out)? {next(iter(other))}\b"):
        check_manifest(BEGUN, msgspec.structs.replace(BEGUN, **other))


def test_a_run_that_an_earlier_version_began_goes_on_though_its_manifest_says_less() -> None:
    now = Injected(starts_at=1, ends_at=2, label="x", columns=("a",), kind="scale", segment="b 1", change="× 2")
    before = msgspec.structs.replace(now, kind="", segment="", change="")
    ours = msgspec.structs.replace(BEGUN, injected=(now,))
    check_manifest(msgspec.structs.replace(BEGUN, injected=(before,)), ours)
    for other in ({"label": "y"}, {"ends_at": 3}):
        begun = msgspec.structs.replace(BEGUN, injected=(msgspec.structs.replace(before, **other),))
        with pytest.raises(RunConflict, match="injected"):
            check_manifest(begun, ours)
    with pytest.raises(RunConflict, match="injected"):
        check_manifest(msgspec.structs.replace(ours, injected=(msgspec.structs.replace(now, change="× 3"),)), ours)


def test_a_run_whose_start_is_gone_goes_on_and_says_that_nobody_checked() -> None:
    with capture_logs() as logs:
        check_manifest(None, BEGUN)
    assert [entry["event"] for entry in logs] == ["manifest_gone"]


@pytest.mark.parametrize("wrong", [{"run_id": ""}, {"run_id": "a b"}, {"run_id": "live"}, {"partitions": 0}])
def test_what_no_run_may_be_is_a_wrong_use(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        settings({}, "", **wrong)
