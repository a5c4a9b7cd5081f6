"""Tells one target of alarms: a thread of its own, so that a target that is down delays nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress

import structlog

from notifier.gauges import NotifierGauges
from notifier.messages import Message, message
from notifier.planning import Notice, plan
from notifier.settings import Settings
from notifier.targets import Target, Undelivered
from runtime.backoff import Backoff
from runtime.failpoint import failpoint
from storage.connect import Connection, connect
from storage.decisions import silences
from storage.errors import Error
from storage.health import report_health
from storage.notifications import Ledger
from storage.retry import run_sessions

log = structlog.get_logger()

FIRST_S = 0.5
"""Seconds between the first two attempts."""

ROUND_S = 5.0
"""Sent at a stretch, of a long queue."""

HEALTH_S = 5.0
PATIENCE_S = 30.0
"""For an answer of Postgres."""


class Courier:
    """Sends what there is for one target, again and again, until it is stopped."""

    def __init__(
        self,
        target: Target,
        settings: Settings,
        gauges: NotifierGauges,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.error: Exception | None = None
        """Why it has ended by itself, and stopped the others."""
        self._target, self._settings, self._gauges, self._stop = target, settings, gauges, stop
        self._clock = clock
        self._backoff = Backoff(FIRST_S, settings.longest_s)
        self._unmarked: tuple[int, int] | None = None
        """What was sent, and could not be marked, since Postgres was lost."""
        self._retry_at = self._reported = 0.0
        self._thread = threading.Thread(target=self._run, name=target.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        name = self._target.name
        try:
            run_sessions(
                self._session,
                self._settings.database_url,
                self._stop,
                on_trouble=lambda reason: self._gauges.trouble(name, reason),
            )
        except Exception as error:
            self.error = error
            self._stop.set()

    def _session(self) -> None:
        """One connection to Postgres, to its end."""
        chosen, held = self._target.selection, self._settings
        with closing(connect(held.database_url, "driftline-notifier")) as connection:
            connection.patience = PATIENCE_S
            ledger = Ledger(
                connection, self._target.name, stream=chosen.stream, tracks=chosen.tracks, holder=held.instance
            )
            ledger.add()
            try:
                while not self._stop.is_set():
                    self.round(connection, ledger)
                    self._stop.wait(held.poll_s)
            finally:
                with suppress(Error):
                    ledger.release()

    def round(self, connection: Connection, ledger: Ledger) -> None:
        """Send what there is for the target, unless another notifier holds it.

        1. Claim the target for a while. Whoever is killed or stopped loses it then.
        2. Read what it is to be told, and drop what nobody needs to be told any more.
        3. Send a message, then mark it. Whoever is killed between the two leaves it to the next one, which sends it
           once more, with the same id.
        """
        if not ledger.claim(self._settings.lease_s):
            self._gauges.served(self._target.name, 0)
            return
        made = plan(ledger.changes(), silences(connection), self._settings.remind_s)
        if made.silenced:
            ledger.mark(made.silenced, "silenced")
        waiting = len(made.send)
        if self._clock() >= self._retry_at:
            waiting = self._serve(ledger, made.send, [self._message(Notice(change)) for change in made.live])
        if self._clock() > self._reported + HEALTH_S:
            self._reported = self._clock()
            measures = {"target": self._target.name, "waiting": waiting, "failing": not self._backoff.is_fresh}
            report_health(connection, "notifier", f"{self._settings.instance} {self._target.name}", None, measures)

    def _serve(self, ledger: Ledger, notices: Sequence[Notice], live: Sequence[Message]) -> int:
        """Send in order, until one fails or it is time to look at silences again. Returns how many are left."""
        name, left = self._target.name, len(notices)
        ends = self._clock() + ROUND_S
        try:
            for notice in notices:
                over = self._stop.is_set() or self._clock() > ends
                if over or not ledger.claim(self._settings.lease_s):
                    break
                self._send(ledger, notice)
                left -= 1
            if not notices:  # else `live` lacks what has just been sent
                self._target.keep(live)
        except Undelivered as error:
            self._failed(ledger, str(error), left)
            return left
        if not self._backoff.is_fresh:
            log.info("notifications_resumed", target=name)
            self._backoff.reset()
        ledger.report(None)
        self._gauges.served(name, left)
        return left

    def _send(self, ledger: Ledger, notice: Notice) -> None:
        told = self._message(notice)
        key = notice.change.change_id, notice.reminder
        if self._unmarked != key:
            failpoint("notifier.before_send")
            self._target.send(told)
            self._unmarked = key
            failpoint("notifier.sent")
        ledger.mark([notice.change.change_id], reminders=notice.reminder)
        self._unmarked = None
        failpoint("notifier.marked")
        self._gauges.sent(self._target.name, told.alarm.state)
        log.info("notified", target=self._target.name, id=told.id, state=told.alarm.state)

    def _failed(self, ledger: Ledger, reason: str, waiting: int) -> None:
        pause_s = self._backoff.next_s()
        self._retry_at = self._clock() + pause_s
        self._gauges.failed(self._target.name, reason, waiting)
        log.warning(
            "notification_failed",
            target=self._target.name,
            error=reason,
            waiting=waiting,
            do="`driftline notify --test` tries it; each message is sent when the target takes it",
            retry_s=pause_s,
        )
        ledger.report(reason)

    def _message(self, notice: Notice) -> Message:
        return message(notice, self._settings.board_url)
