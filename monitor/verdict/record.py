"""Evidence and alarms as they are stored and published. Pure."""

from __future__ import annotations

from monitor.verdict.fold import Point
from monitor.verdict.lifecycle import Alarm
from schemas.alarms import AlarmMember, AlarmRecord
from storage.alarms import EvidenceRow


def evidence_row(point: Point, calibration_id: str, rows: int) -> EvidenceRow:
    """Describe the evidence after a window.

    Args:
        point: Of the window.
        calibration_id: What it was measured against.
        rows: That the window held.
    """
    score = point.score
    return EvidenceRow(
        role=score.role,
        size=score.size,
        start=score.start,
        season=score.season,
        due=score.due,
        calibration_id=calibration_id,
        rows=rows,
        value=point.level,
        signal=point.signal,
        z=score.z,
        shares=score.shares,
        errors=None if score.errors is None else score.errors.sums,
    )


def record(alarm: Alarm, run_id: str, stream: str) -> AlarmRecord:
    """Describe an alarm of a run for those who do not fold.

    Args:
        alarm: As it is now.
        run_id: The run.
        stream: Name of its stream.
    """
    return AlarmRecord(
        alarm_id=alarm.name(run_id),
        run_id=run_id,
        stream=stream,
        track=alarm.track,
        state=alarm.state,
        kind=alarm.kind,
        harm=alarm.harm,
        message=alarm.describe(),
        role=alarm.role,
        size_s=alarm.size // 1_000,
        window_start=alarm.start,
        first_evidence=alarm.first_evidence,
        pending_at=alarm.pending_at,
        fired_at=alarm.fired_at,
        recovered_at=alarm.recovered_at,
        value=alarm.value,
        promise=alarm.promise,
        calibration_id=alarm.calibration_id,
        members=tuple(
            AlarmMember(
                role=m.role,
                name=m.name,
                kind=m.kind,
                column=m.column,
                size_s=m.size // 1_000,
                value=m.value,
                since=m.since,
                consequence=m.consequence,
            )
            for m in alarm.members
        ),
    )
