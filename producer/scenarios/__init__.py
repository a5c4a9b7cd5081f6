"""Scenarios that come with the program, each a TOML file of this folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from producer.drift import describe_where
from producer.scenario import Period, Scenario, parse
from schemas.definition import Stream
from schemas.errors import UsageError

_HERE = Path(__file__).parent


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A shipped scenario in brief.

    Attributes:
        name, description: Of the scenario.
        course: sudden, gradual or recurring.
        kinds: Of its drifts.
        columns: Whose values are changed; none if records are lost, repeated or sent at another time.
        segment: The records it is of, '' for all.
    """

    name: str
    description: str
    course: str
    kinds: tuple[str, ...]
    columns: tuple[str, ...]
    segment: str


def shipped() -> list[str]:
    """List the names of the scenarios in this folder."""
    return sorted(path.stem for path in _HERE.glob("*.toml"))


def summaries(stream: Stream) -> list[Summary]:
    """Describe the shipped scenarios, by name."""
    return [_summary(load(name, stream)) for name in shipped()]


def _summary(scenario: Scenario) -> Summary:
    drifts = scenario.drifts
    gradual = "gradual" if any(drift.ramp for drift in drifts) else "sudden"
    return Summary(
        name=scenario.name,
        description=scenario.description,
        course="recurring" if any(drift.every for drift in drifts) else gradual,
        kinds=tuple(dict.fromkeys(drift.kind for drift in drifts)),
        columns=tuple(dict.fromkeys(column for drift in drifts for column in drift.columns)),
        segment="; ".join(dict.fromkeys(filter(None, (describe_where(drift.where) for drift in drifts)))),
    )


def load(where: str, stream: Stream, period: Period | None = None) -> Scenario:
    """Read and parse a scenario.

    Args:
        where: A path, or the name of a shipped scenario.
        stream: The stream that it is for.
        period: The replayed period, as for `producer.scenario.parse`.

    Raises:
        UsageError: It cannot be read, or is not a scenario of this stream.
    """
    return parse(*read(where), stream, period)


def read(where: str) -> tuple[str, str]:
    """Read a scenario.

    Args:
        where: A path, or the name of a shipped scenario.

    Returns:
        Its name and TOML text.

    Raises:
        UsageError: It cannot be read.
    """
    path = _HERE / f"{where}.toml" if where in shipped() else Path(where)
    try:
        return path.stem, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        known = ", ".join(shipped())
        raise UsageError(f"no scenario at {where} ({reason})", f"give a TOML file, or one of: {known}") from error
