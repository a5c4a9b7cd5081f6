"""What an operator should know of a flush that was committed, as events of the log."""

from __future__ import annotations

from collections import Counter

import structlog

from consumer.ledger import Flush
from schemas.durations import misread_unit, moment

log = structlog.get_logger()


class FlushLog:
    """Logs gaps, dead letters, records that were not scored, suspicious event times, and ends of runs."""

    def __init__(self) -> None:
        self._warned_of_unit: set[str] = set()
        self._rejected: set[tuple[str, str]] = set()

    def write(self, flush: Flush) -> None:
        """Log what an operator should know of a flush."""
        place = str(flush.claim.partition)
        if flush.losses:
            missing = sum(loss.last - loss.first + 1 for loss in flush.losses)
            log.warning(
                "gap", place=place, gaps=len(flush.losses), missing=missing, first_seq=flush.losses[0].first
            )
        self._log_dead(flush, place)
        self._check_unit(flush)
        for run_id in flush.finished:
            log.info("finished", run=run_id, place=place)

    def _log_dead(self, flush: Flush, place: str) -> None:
        """Log what was rejected and why, each reason in one line; that a whole run is rejected, only once."""
        for unscored in flush.unscored:
            if not unscored.foreign:
                log.error("model_fails", run=unscored.run_id, place=place, records=unscored.count, why=unscored.why)
            elif (key := (unscored.run_id, unscored.why)) not in self._rejected:
                self._rejected.add(key)
                log.error(f"run_of_another_{unscored.reason}", run=unscored.run_id, why=unscored.why)
        said = {(unscored.run_id, unscored.reason) for unscored in flush.unscored}
        if dead := [letter for letter in flush.dead if (letter.run_id, letter.reason) not in said]:
            reasons = dict(sorted(Counter(letter.reason for letter in dead).items()))
            log.warning("dead_letters", place=place, count=len(dead), reasons=reasons, first=dead[0].detail)

    def _check_unit(self, flush: Flush) -> None:
        """Warn once for each run whose event times look like seconds: its windows are exact, but lie in 1970."""
        for run in flush.runs:
            if run.state.max_time is None or run.run_id in self._warned_of_unit:
                continue
            if advice := misread_unit(run.state.max_time):
                self._warned_of_unit.add(run.run_id)
                newest = moment(run.state.max_time).isoformat(timespec="seconds")
                log.warning("event_times_in_another_unit", run=run.run_id, newest=newest, do=advice)
