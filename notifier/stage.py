"""The notifier: each target is told of each change of an alarm, whatever happens meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

import structlog

from notifier.alertmanager import Alertmanager
from notifier.courier import Courier
from notifier.gauges import NotifierGauges
from notifier.settings import Settings
from notifier.targets import Target, Undelivered
from runtime.invocation import exit_with_command
from runtime.metrics_server import serving
from schemas.errors import DriftlineError, UsageError
from storage.connect import connect
from storage.health import forget_health
from storage.migrations import migrate
from storage.retry import run_sessions
from storage.streams import newest

log = structlog.get_logger()

JUDGED_S = 1.0
ENDING_S = 6.0
"""For a message that is under way when the stage is stopped."""


def run(settings: Settings, stop: threading.Event, targets: Sequence[Target] | None = None) -> None:
    """Tell all targets of alarms until `stop` is set.

    1. Let ourselves be watched.
    2. Bring the tables up to date; again after every loss of the database.
    3. Let one thread per target send what there is.

    Args:
        settings: Whom to tell, and where the alarms are.
        stop: Ends it, from another thread or a signal handler.
        targets: In the place of those that the settings name.

    Raises:
        DriftlineError: Something that waiting cannot mend.
    """
    logging.getLogger().addHandler(logging.NullHandler())  # libraries that log URLs
    gauges = NotifierGauges()
    wanted = open_targets(settings) if targets is None else targets
    with serving(gauges.instruments, settings.metrics_host, settings.metrics_port):
        prepare = partial(_prepare, settings, wanted)
        run_sessions(prepare, settings.database_url, stop, on_trouble=gauges.health.trouble)
        couriers = [Courier(target, settings, gauges, stop) for target in wanted]
        for courier in couriers:
            courier.start()
        log.info("notifying", targets=[target.name for target in wanted])
        while not stop.wait(JUDGED_S):
            gauges.judge(len(couriers))
        for courier in couriers:
            courier.join(ENDING_S / len(couriers))
        for courier in couriers:
            if courier.error is not None:
                raise courier.error


def test(targets: Sequence[Target], say: Callable[[str], None]) -> None:
    """Send a test message to each target.

    Args:
        targets: Whom to send it to.
        say: Takes one line for each.

    Raises:
        DriftlineError: A target did not take it.
    """
    failed = []
    for target in targets:
        try:
            target.test()
            say(f"{target.name}: taken")
        except Undelivered as error:
            failed.append(target.name)
            say(f"{target.name}: {error}")
    if failed:
        raise DriftlineError(
            f"{len(failed)} of {len(targets)} did not take it", "correct the address, or its secret"
        )


def open_targets(settings: Settings, *, from_command_line: tuple[bool, bool] = (False, False)) -> list[Target]:
    """Find out how to reach each target, without trying it.

    Args:
        settings: Names them.
        from_command_line: Whether `notify` and `alertmanager` were options, in which no secret may be written out.

    Raises:
        UsageError: One cannot be used, or is there twice.
    """
    found: list[Target] = []
    if settings.notify:
        from notifier.apprise_target import AppriseTarget  # noqa: PLC0415 - takes a second

        found += [AppriseTarget(one, from_command_line=from_command_line[0]) for one in settings.notify]
    found += [Alertmanager(one, from_command_line=from_command_line[1]) for one in settings.alertmanager]
    names = [target.name for target in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"{twice[0]} is there twice", "name it once; several tracks may stand before it")
    return found


def _prepare(settings: Settings, targets: Sequence[Target]) -> None:
    with closing(connect(settings.database_url, "driftline-notifier")) as connection:
        migrate(connection)
        forget_health(connection, "notifier")
        known = {stream.name for stream, _ in newest(connection)}
        for target in targets:
            if target.selection.stream not in (None, *known):
                log.warning(
                    "stream_unknown", stream=target.selection.stream, target=target.name, known=sorted(known)
                )


if __name__ == "__main__":
    exit_with_command("notify")
