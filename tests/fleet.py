"""Stages as processes of their own, to be killed, stopped and woken."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from consumer.settings import Settings as ConsumerSettings
from models.taxi import SCORERS
from monitor.settings import Settings as MonitorSettings
from schemas.streams.taxi import TAXI
from tests.logs import DAY, HOUR, RUN, START

PATIENCE_S = 240.0
"""Until a test gives up. Only a failure takes so long."""

SIZES = (HOUR, 6 * HOUR, DAY)

QUICK = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "300"}
"""Of consumers: who was killed is replaced after three seconds."""

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["tests.preloaded"])


class Stage:
    """One running stage."""

    def __init__(self, name: str, settings: Any, log: Path, failpoint: str) -> None:
        # Imported by name in the child: here it would load Evidently into pytest.
        self._process = ForkServerProcess(target=_run, args=(name, settings, str(log), failpoint), daemon=True)
        self._process.start()
        self._log = log
        self.name = name

    @property
    def text(self) -> str:
        """What it has printed."""
        return self._log.read_text() if self._log.exists() else ""

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end, as an operator does."""
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        if self._process.is_alive():
            self.signal(signal.SIGKILL)
        self._process.join()

    @property
    def sleeps(self) -> bool:
        """Whether it was stopped by SIGSTOP."""
        return state_of(self._process.pid) == "T"

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """None while it lives; -9: killed."""
        return self._process.exitcode

    def ends(self, code: int = 0, seconds: float = PATIENCE_S) -> None:
        """Wait until it has ended, and so; -9: killed."""
        self._process.join(seconds)
        ended = self._process.exitcode
        assert ended == code, f"{self.name}: {ended}, not {code}\n{self.text[-3_000:]}"

    def says(self, what: str) -> None:
        """Wait until it has printed this."""
        eventually(lambda: what in self.text, lambda: f"{self.name} does not say {what!r}\n{self.text[-3_000:]}")


class Fleet:
    """Starts stages on one log and one database, and leaves none behind."""

    def __init__(self, kafka: Mapping[str, str], prefix: str, database: str, model: Path, logs: Path) -> None:
        self.kafka, self.prefix, self.database = dict(kafka), prefix, database
        self._model, self._logs = model, logs
        self._stages: list[Stage] = []

    def consumer(self, failpoint: str = "", **changes: Any) -> Stage:
        """Flushes often, so that there is something to interrupt."""
        settings = {"until_done": RUN, "flush_ms": 100, "flush_rows": 300, "read_rows": 100, "beat_ms": 200}
        where = {"kafka": {**QUICK, **changes.pop("kafka", self.kafka)}, "topic_prefix": self.prefix}
        return self._start("consumer", self._settings(ConsumerSettings, where | settings | changes), failpoint)

    def monitor(self, failpoint: str = "", **changes: Any) -> Stage:
        settings = {"until_done": RUN, "sizes": SIZES, "poll_s": 0.1, "open_every_s": 0.1}
        settings["topic_prefix"] = self.prefix
        return self._start("monitor", self._settings(MonitorSettings, settings | changes), failpoint)

    def producer(self, failpoint: str = "", *, days: int = 2, volume: float = 0.5, **changes: Any) -> Stage:
        """Of synthetic trips: some 2,000 a day at volume 1."""
        trips = {"start_ms": START, "end_ms": START + days * DAY, "volume": volume}
        arguments = {"run_id": RUN, "kafka": self.kafka, "topic_prefix": self.prefix, "speed": None} | changes
        return self._start("producer", (trips, arguments), failpoint)

    def finish(self, *stages: Stage) -> None:
        """Wait for the good end of these."""
        for stage in stages:
            stage.ends(0)

    def close(self) -> None:
        """Leave nobody behind, not even who sleeps."""
        for stage in self._stages:
            stage.kill()

    def _settings(self, kind: Any, values: dict[str, Any]) -> Any:
        return kind(
            **{"stream": TAXI, "scorers": SCORERS, "database_url": self.database, "model": self._model, **values}
        )

    def _start(self, name: str, settings: Any, failpoint: str) -> Stage:
        log = self._logs / f"{len(self._stages)}-{name}.log"
        self._stages.append(Stage(name, settings, log, failpoint))
        return self._stages[-1]


def exitcode(failpoint: str, target: Callable[..., Any], *arguments: Any, **more: Any) -> int | None:
    """Call it in a process of its own that dies at the failpoint. -9: it did; None: it is not over."""
    process = ForkServerProcess(target=_armed, args=(failpoint, target, *arguments), kwargs=more, daemon=True)
    process.start()
    process.join(PATIENCE_S)
    ended = process.exitcode
    process.kill()
    return ended


def eventually(
    condition: Callable[[], Any], complaint: Callable[[], str], seconds: float = PATIENCE_S, every_s: float = 0.02
) -> Any:
    """Its first true value. Raises AssertionError when that takes too long. every_s: more where asking is dear."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, complaint()
        time.sleep(every_s)
    return value


def state_of(pid: int | None) -> str:
    """As proc(5) has it: R, S, T… '' where it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _armed(failpoint: str, target: Callable[..., Any], *arguments: Any, **more: Any) -> None:
    from tests import preloaded  # noqa: PLC0415 - in the child

    preloaded.arm(failpoint)
    target(*arguments, **more)


def _run(*arguments: Any) -> None:
    from tests import preloaded  # noqa: PLC0415 - in the child

    preloaded.run(*arguments)
