"""DRIFTLINE_… variables that nothing reads: a misspelt one would be ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from cli.database import PASSWORDS
from runtime.connections import of_platform

PREFIX = "DRIFTLINE_"

ELSEWHERE = frozenset(
    {
        *PASSWORDS,
        *("DRIFTLINE_DATA", "DRIFTLINE_FAILPOINT", "DRIFTLINE_PICTURES", "DRIFTLINE_TEST_MODEL"),
        *("DRIFTLINE_TLC_ADDRESS", "DRIFTLINE_KAFKA_PASSWORD", "DRIFTLINE_TRAIN_MONTH"),
        *("DRIFTLINE_ALERT_WEBHOOK", "DRIFTLINE_PG_ADDRESS", "DRIFTLINE_PG_DATABASE"),
        *("DRIFTLINE_PG_SSLMODE", "DRIFTLINE_PG_SSLROOTCERT"),
    }
)
"""Those that are no option's: of roles, tests, the compose files and Grafana's provisioning."""


def of_options(command: Any) -> Iterator[str]:
    """The variables of all options of a click command and of those below it."""
    for parameter in command.params:
        if isinstance(parameter.envvar, str):
            yield parameter.envvar
    for below in getattr(command, "commands", {}).values():
        yield from of_options(below)


def unknown(environ: Mapping[str, str], command: Any) -> Iterator[str]:
    """What to say of each variable that nothing reads, with the closest one that something does."""
    names = [n for n, value in environ.items() if n.startswith(PREFIX) and not of_platform(n, value)]
    if not names:
        return
    known = {*ELSEWHERE, *of_options(command)}
    for name in sorted(set(names) - known):
        close = get_close_matches(name, known, 1, 0.8)
        yield f"{name} is ignored: nothing reads it" + (f"; did you mean {close[0]}?" if close else "")
