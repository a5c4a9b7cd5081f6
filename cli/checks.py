"""Checks of options while the command line is parsed, before anything slow is imported or a server is asked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any

import typer

from runtime.connections import make_folder
from schemas.durations import duration_ms, moment_ms, sizes_ms
from schemas.errors import DriftlineError, UsageError


def checked(convert: Callable[[Any], object]) -> Callable[[Any], Any]:
    """A callback for an option: its value as given, once `convert` takes it, else wrong usage.

    convert: raises a DriftlineError for what it does not take. Not called where the option was left out.
    """

    def check(value: Any) -> Any:
        if value is not None:
            try:
                convert(value)
            except DriftlineError as error:
                raise typer.BadParameter(f"{error.what}: {error.do}.") from None
        return value

    return check


def speed(text: str) -> None:
    """Raises UsageError as `producer.pace.parse_speed`."""
    from producer.pace import parse_speed  # noqa: PLC0415 - only where it is asked for, here and below

    parse_speed(text)


def demo_speed(text: str) -> None:
    """Accepts `auto`, too."""
    if text != "auto":
        speed(text)


def month(text: str) -> None:
    """Raises SourceUnusable for anything but a month."""
    from producer.sources.tlc import month_period  # noqa: PLC0415

    month_period(text)


def months(texts: Sequence[str]) -> None:
    """Raises SourceUnusable for anything but months."""
    for text in texts:
        month(text)


def sets(text: str) -> None:
    """Raises UsageError unless these are sets of window sizes."""
    from tuning.plan import sets_of  # noqa: PLC0415

    sets_of((1_000,), text)


def references(text: str) -> None:
    """Raises UsageError as `tuning.plan.references_of`."""
    from tuning.plan import references_of  # noqa: PLC0415

    references_of(text)


def strengths(text: str) -> None:
    """Raises UsageError as `tuning.plan.strengths_of`."""
    from tuning.plan import strengths_of  # noqa: PLC0415

    strengths_of(text)


def scenarios(texts: Sequence[str]) -> None:
    """Raises UsageError as `scenario` for the first of them, unless it is `all`."""
    for text in texts:
        if text != ALL:
            scenario(text)


def rate(text: str) -> None:
    """Raises UsageError as `monitor.verdict.promise.parse_rate`."""
    from monitor.verdict.promise import parse_rate  # noqa: PLC0415

    parse_rate(text)


def scenario(where: str) -> None:
    """Raises UsageError if there is no such scenario, or it is not one of the stream, moments aside."""
    from cli.streams import DEFAULT_STREAM  # noqa: PLC0415
    from producer import scenarios  # noqa: PLC0415

    scenarios.load(where, DEFAULT_STREAM)


def sizes(text: str) -> None:
    """Raises UsageError unless these are durations of whole seconds."""
    sizes_ms(text, 1_000)


def topic_prefix(prefix: str) -> None:
    """Raises UsageError if Kafka refuses the name of a topic of the stream with this prefix."""
    from cli.streams import DEFAULT_STREAM  # noqa: PLC0415
    from schemas.topics import check_topic  # noqa: PLC0415

    for records in DEFAULT_STREAM.topics:
        check_topic(prefix + records.topic, "choose another prefix")


ALL = "all"
"""Value of `tune --scenario` that names all that are shipped."""

NEVER = "never"
"""Value of `--remind-every` that asks for no reminders."""


def addresses(texts: Sequence[str]) -> None:
    """Raises UsageError as `notifier.addresses.parse` for the first text that is no address."""
    from notifier.addresses import parse  # noqa: PLC0415

    for text in texts:
        parse(text, os.environ)


def reminder(text: str) -> None:
    """Raises UsageError for anything but a duration, or `never`."""
    if text != NEVER:
        duration_ms(text)


def positive(value: float) -> None:
    """Raises UsageError unless the value is positive and finite."""
    if not 0 < value < inf:
        raise UsageError(f"{value:g} is not a positive number", "give one above 0")


def words(text: str) -> None:
    """Raises UsageError for an empty text."""
    if not text.strip():
        raise UsageError("it is empty", "say it in a few words")


def moments(texts: Sequence[str]) -> None:
    """Raises UsageError for the first text that is no day or moment since 1970."""
    for text in texts:
        if moment_ms(text) < 0:
            raise UsageError(f"{text!r} is before 1970", "event times count from there")


def at_most_a_year(text: str) -> None:
    """Raises UsageError for a longer duration, or none."""
    if duration_ms(text) > duration_ms("366d"):
        raise UsageError(f"{text!r} is longer than a year", "renew it then")


def input_files(paths: Sequence[Path]) -> None:
    """Raises UsageError for the first file that cannot be read."""
    for path in paths:
        input_file(path)


def input_file(path: Path) -> None:
    """Raises UsageError if there is no such file, or it cannot be read."""
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "name a file")
        with path.open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", "name another file") from None


def output_file(path: Path) -> None:
    """Raises UsageError if no file of this name can be written. Creates its parent folders."""
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "name a file")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file", "name another")
        _try_to_write(path.parent)
    except OSError as error:
        raise _refused(path, error) from None


def output_folder(path: Path) -> None:
    """Raises UsageError if no folder of this name can be created or replaced. Creates its parent folders."""
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file", "name a folder")
        _try_to_write(path.parent)
    except OSError as error:
        raise _refused(path, error) from None


def _try_to_write(folder: Path) -> None:
    """Write for a try: modes do not show read-only file systems, quotas and access lists."""
    make_folder(folder)
    handle, name = tempfile.mkstemp(prefix=".driftline-", dir=folder)
    os.close(handle)
    os.unlink(name)


def _refused(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write to {path} ({error.strerror})", "choose another path")


NO_PROMISE = "none"
"""Value of `--promise` that asks for no alarms."""


def promise(text: str) -> None:
    """Raises UsageError as `monitor.verdict.promise.parse_rate`."""
    from monitor.verdict.promise import parse_rate  # noqa: PLC0415

    if text != NO_PROMISE:
        parse_rate(text)


def holidays(region: str) -> None:
    """Raises UsageError if there is no calendar of that name."""
    from monitor.verdict.season import holidays_of  # noqa: PLC0415

    holidays_of(region, 0, 1)
