"""Imported once by the process that the stages of the tests are forked from: they then start in milliseconds.

DRIFTLINE_TEST_MODEL: folder of the model whose reference the monitors share, since to prepare it takes seconds.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog

import consumer.stage
import monitor.evidently.engine
import monitor.stage
import producer.stage
import runtime.failpoint
from monitor.evidently.engine import DriftEngine
from monitor.settings import Settings as MonitorSettings
from producer.settings import Settings
from producer.sources.selection import from_generator
from runtime.stopping import stop_on_signals
from schemas.errors import DriftlineError
from schemas.streams.taxi import TAXI

_MODEL = os.environ.get("DRIFTLINE_TEST_MODEL")
_ENGINE = DriftEngine(MonitorSettings(stream=TAXI, database_url="", model=Path(_MODEL))) if _MODEL else None

_STAGES: dict[str, Any] = {"consumer": consumer.stage.run, "monitor": monitor.stage.run}


def run(stage: str, settings: Any, log: str, failpoint: str) -> None:
    """One stage, as its command would run it, until SIGTERM or its end; exit code 1 and a line if it can be mended.

    stage: `producer`, whose settings are then (period and volume of synthetic trips, arguments of its Settings).
    log: file for all that it prints. failpoint: `name:count`, or `name:count sleep` to stop there, as by SIGSTOP.
    """
    _print_to(log)
    arm(failpoint)
    stop = stop_on_signals()
    try:
        if stage == "producer":
            trips, arguments = settings
            producer.stage.run(Settings(stream=TAXI, source=from_generator(**trips), **arguments), stop)
        else:
            _share_engine(settings)
            _STAGES[stage](settings, stop)
    except DriftlineError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(1)


def arm(failpoint: str) -> None:
    """Die at `name:count`, or with `name:count sleep` stop there."""
    os.environ["DRIFTLINE_FAILPOINT"], _, what = failpoint.partition(" ")
    importlib.reload(runtime.failpoint)  # it reads the environment when imported
    if what == "sleep":
        vars(runtime.failpoint)["signal"] = SimpleNamespace(SIGKILL=signal.SIGSTOP)


def _share_engine(settings: Any) -> None:
    if _ENGINE and str(settings.model) == _MODEL:
        vars(monitor.evidently.engine)["DriftEngine"] = lambda _: _ENGINE


def _print_to(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer()])
