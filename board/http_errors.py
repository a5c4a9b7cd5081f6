"""Why a request gets no answer: each is told as JSON, what is wrong and what to do."""

from __future__ import annotations

from schemas.errors import DriftlineError


class Problem(DriftlineError):
    """status: of the HTTP answer."""

    status = 500


class Wrong(Problem):
    """A parameter makes no sense."""

    status = 400


class Unknown(Problem):
    """There is no such run, window, report or page."""

    status = 404


class Conflict(Problem):
    """It is there, but what it takes to answer is not."""

    status = 409


class Busy(Problem):
    """Enough is being done: ask again later."""

    status = 503


class Away(Problem):
    """The database does not answer, or holds no tables."""

    status = 503
