"""Evidence and alarms as they are stored and published. Pure."""

from __future__ import annotations

import msgspec

from monitor.verdict.fold import Point
from monitor.verdict.lifecycle import Alarm
from schemas.alarm_text import alarm_text
from schemas.alarms import AlarmMember, AlarmRecord
from schemas.definition import Stream
from storage.alarms import ALL_SEGMENTS, EvidenceRow


def segment_row(point: Point, calibration_id: str, rows: int) -> EvidenceRow:
    """Describe the evidence of all segments after a window: how much there is, and which has most.

    Args:
        point: Of the window.
        calibration_id: What it was measured against.
        rows: That the window held.
    """
    signal = point.signal and " of ".join(filter(None, (point.signal, point.segment)))
    score = msgspec.structs.replace(point.score, z=(), shares={}, errors=None)
    row = evidence_row(Point(score=score, level=point.level, signal=signal), calibration_id, rows)
    return msgspec.structs.replace(row, segment=ALL_SEGMENTS)


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


def record(alarm: Alarm, run_id: str, stream: Stream, unit: float) -> AlarmRecord:
    """Describe an alarm of a run for those who do not fold.

    Args:
        alarm: As it is now.
        run_id: The run.
        stream: Its stream.
        unit: In which its summaries add errors up, as `error_unit` says.
    """
    usual = None if alarm.usual_error is None else alarm.usual_error * unit
    made = AlarmRecord(
        alarm_id=alarm.name(run_id),
        run_id=run_id,
        stream=stream.name,
        track=alarm.track,
        state=alarm.state,
        kind=alarm.kind,
        harm=alarm.harm,
        message="",
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
                change=m.change,
                segment=m.segment,
            )
            for m in (*alarm.members, *alarm.segments)
        ),
        error_usual=_digits(usual),
        error_now=_digits(None if usual is None or alarm.excess is None else usual * (1 + alarm.excess)),
        estimated=alarm.estimated,
        unestimated=alarm.unestimated,
    )
    return msgspec.structs.replace(made, message=alarm_text(made, stream))


def _digits(value: float | None) -> float | None:
    """Four of them: as many as the bins are good for."""
    return None if value is None else float(f"{value:.4g}")
