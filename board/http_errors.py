"""Errors that become HTTP answers: what is wrong and what to do, as JSON."""

from __future__ import annotations

from schemas.errors import DriftlineError


class Problem(DriftlineError):
    """status: of the HTTP answer."""

    status = 500


class BadParameter(Problem):
    """A parameter is not valid."""

    status = 400


class NotFound(Problem):
    """There is no such run, window, report or page."""

    status = 404


class Conflict(Problem):
    """It exists, but something that the answer needs does not."""

    status = 409


class Busy(Problem):
    """Too much is being done: try again later."""

    status = 503


class Unavailable(Problem):
    """The database does not answer, or holds no tables."""

    status = 503
