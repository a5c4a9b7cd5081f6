"""A fold that writes nothing: what evidence, calibrations and alarms should be, beside what they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.alarms import AlarmRecord
from schemas.durations import moment
from storage.alarms import (
    ALARM_COLUMNS,
    CALIBRATION_COLUMNS,
    CalibrationRow,
    EvidenceRow,
    FoldTransaction,
    StoredScore,
    StoredWatch,
    Unfolded,
    alarm_params,
    calibration_params,
)
from storage.connect import Connection
from storage.windows import WindowKey

EVIDENCE_COLUMNS = ("season", "due", "calibration_id", "rows", "value", "signal", "z", "errors", "shares")

Row = dict[str, Any]
"""By name of a column; times as text."""


class FoldRehearsal(FoldTransaction):
    """Folds the season of a window again, and those after it, as if the window had just been written.

    Only what is stored of windows, and the state before the season, is taken as it is.

    Attributes:
        season: Start of that season, ms.
        evidence: (role, segment, size in s, start as text) → what it would write.
        calibrations: Start of the season, as text → what it would write.
        alarms: Id → what it would write.
    """

    def __init__(self, reader: Connection, watch: StoredWatch, window: WindowKey, season: int) -> None:
        """reader: In a transaction that is one snapshot."""
        super().__init__(reader, reader, window.run_id, watch)
        self._window = window
        self.season = season
        self.evidence: dict[tuple[str, str, int, str], Row] = {}
        self.calibrations: dict[str, Row] = {}
        self.alarms: dict[str, Row] = {}

    def written_since(self) -> list[Unfolded]:
        """What was written, and is not evidence yet."""
        return super().unfolded()

    def stored_evidence(self) -> dict[tuple[str, str, int, str], Row]:
        """What there is, as `evidence`."""
        return {
            (role, segment, size_s, _text(start)): _row(EVIDENCE_COLUMNS, [*values, json.loads(shares)])
            for role, segment, size_s, start, *values, shares in self._rows("evidence_since", **self._since)
        }

    def stored_calibrations(self) -> dict[str, Row]:
        """What there is, as `calibrations`."""
        return {
            _text(season): _row(CALIBRATION_COLUMNS, [*values, *map(json.loads, documents)])
            for season, *values, documents in self._rows("calibrations_since", **self._since)
        }

    def stored_alarms(self) -> dict[str, Row]:
        """What there is, as `alarms`, and of the same alarms; those that were withdrawn are left out."""
        found = self._rows("stored_alarms", **self._since | {"alarm_ids": [*self.alarms]})
        return {
            alarm_id: _row(ALARM_COLUMNS, [*values, json.loads(members)]) for alarm_id, *values, members in found
        }

    @property
    def _since(self) -> dict[str, Any]:
        return {"from": moment(self.season)}

    def unfolded(self) -> list[Unfolded]:
        window = self._window
        return [Unfolded(id=0, role=window.records.role, size=window.size, start=window.start)]

    def excluded(self, stream: str) -> tuple[int, ...]:
        return self.watch.excluded

    def scores(self, season: int) -> dict[Any, StoredScore]:
        return {}

    def calibration_id(self, season: int) -> str | None:
        return None

    def forget(self, season: int) -> None:
        pass

    def write_calibration(self, row: CalibrationRow) -> None:
        params = calibration_params(row)
        self.calibrations[_text(moment(row.season))] = _row(
            CALIBRATION_COLUMNS, [params[name] for name in CALIBRATION_COLUMNS]
        )

    def write_evidence(self, rows: Sequence[EvidenceRow]) -> None:
        for row in rows:
            times = moment(row.season), moment(row.due)
            values = (getattr(row, name) for name in EVIDENCE_COLUMNS[2:])
            key = row.role, row.segment, row.size // 1_000, _text(moment(row.start))
            self.evidence[key] = _row(EVIDENCE_COLUMNS, [*times, *values])

    def write_alarm(self, alarm: AlarmRecord) -> None:
        params = alarm_params(alarm)
        self.alarms[alarm.alarm_id] = _row(ALARM_COLUMNS, [params[name] for name in ALARM_COLUMNS])

    def drop_suspicions(self, alarm_ids: Sequence[str]) -> None:
        pass

    def withdraw(self, alarm_ids: Sequence[str]) -> list[AlarmRecord]:
        return []

    def write_changes(self, changes: Iterable[AlarmRecord]) -> list[AlarmRecord]:
        return []

    def finish(self, **_: Any) -> None:
        pass


def _row(names: Sequence[str], values: Iterable[Any]) -> Row:
    return dict(zip(names, map(_comparable, values), strict=True))


def _comparable(value: Any) -> Any:
    """As JSON has it: lists for tuples, text for times."""
    if isinstance(value, datetime):
        return _text(value)
    if isinstance(value, list | tuple):
        return [*map(_comparable, value)]
    if isinstance(value, Mapping):
        return {name: _comparable(one) for name, one in value.items()}
    return value


def _text(at: datetime) -> str:
    return f"{at:%FT%T}"
