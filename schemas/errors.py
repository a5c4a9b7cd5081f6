"""Errors that an operator can mend: each says what happened and what to do."""

from __future__ import annotations


class DriftlineError(Exception):
    """Something outside the program is wrong. Printed as one line, exit code 1, no traceback.

    what: the observation ("Kafka did not answer at 127.0.0.1:9092").
    do: what mends it ("run `driftline stack up`, or set KAFKA_BOOTSTRAP_SERVERS").
    """

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what}: {do}")
        self.what = what
        self.do = do


class UsageError(DriftlineError):
    """The command was called with options that make no sense together. Exit code 2."""


class BrokerUnreachable(DriftlineError):
    """Kafka does not answer, or refuses these credentials."""


class DatabaseUnreachable(DriftlineError):
    """Postgres does not answer, or refuses these credentials."""


class LogUnreadable(DriftlineError):
    """The topic no longer holds what was to be read next: retention, or the topic was made anew."""


class LogUnwritable(DriftlineError):
    """Kafka answers, but refuses a record for good. Nothing after it was sent: the run can be resumed."""


class SourceUnusable(DriftlineError):
    """A file of trips, or a scenario, cannot be used as it stands."""


class ModelUnusable(DriftlineError):
    """The model is missing, damaged, or not of this stream."""


class RunConflict(DriftlineError):
    """A run of this name exists with another pane, lateness or model."""


class StackBroken(DriftlineError):
    """The embedded Kafka or Postgres could not be installed or started."""


class GrafanaMissing(DriftlineError):
    """There is no Grafana on this machine, or not where it was said to be."""


class PortUnusable(DriftlineError):
    """Something else listens at the port that we are to serve at, or it is not ours to open."""
