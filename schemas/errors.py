"""Errors that an operator can resolve: each says what happened and what to do."""

from __future__ import annotations


class DriftlineError(Exception):
    """Something outside the program is wrong. Printed as one line, exit code 1, no traceback.

    Args:
        what: The observation ("Kafka did not answer at 127.0.0.1:9092").
        do: How to resolve it ("run `driftline stack up`, or set KAFKA_BOOTSTRAP_SERVERS").
    """

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what}: {do}")
        self.what = what
        self.do = do


class UsageError(DriftlineError):
    """An option, argument or variable is invalid, or names what is not there; nothing was done. Exit code 2."""


class BrokerUnreachable(DriftlineError):
    """Kafka does not answer, or refuses these credentials."""


class DatabaseUnreachable(DriftlineError):
    """Postgres does not answer, or refuses these credentials."""


class LogUnreadable(DriftlineError):
    """The topic no longer holds the next offset: retention deleted it, or the topic was recreated."""


class LogUnwritable(DriftlineError):
    """Kafka answers, but refuses a record for good. Nothing after it was sent: the run can be resumed."""


class SourceUnusable(DriftlineError):
    """A file of trips cannot be used as it stands."""


class SourceMissing(SourceUnusable, UsageError):
    """What was named holds no trips, or there is no such month."""


class ModelUnusable(DriftlineError):
    """The model is missing, damaged, or not of this stream."""


class ModelMissing(ModelUnusable, UsageError):
    """There is no model where one was looked for."""


class RunConflict(DriftlineError):
    """A run of this name exists with another pane, lateness or model."""


class StackBroken(DriftlineError):
    """The embedded Kafka or Postgres could not be installed or started."""


class GrafanaMissing(DriftlineError):
    """No Grafana is installed on this machine, or not where GRAFANA_HOME says."""


class PortUnusable(DriftlineError):
    """The port is in use, or may not be opened by this user."""
