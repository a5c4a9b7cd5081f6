"""`python -m runtime.health_check [PORT]`: exit code 0 where a stage is well, else 1, and why. For containers.

Of the standard library alone, since it is started every few seconds. PORT: else DRIFTLINE_METRICS_PORT.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Mapping, Sequence

ANSWER_S = 3.0
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where one calls who listens everywhere."""


def check(host: str, port: int) -> str:
    """Why the stage at this port is not well; '' where it is. Goes past any proxy."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return f"nobody answers at {host}:{port} ({error})"
    finally:
        connection.close()
    return "" if response.status == http.client.OK else _reason(response.status, body)


def _reason(status: int, body: bytes) -> str:
    try:
        answer = json.loads(body)
        if "error" in answer:  # the board's format
            return f"{answer['error']}: {answer['do']}"
        return f"{answer['stage']}: {answer['reason']} ({answer['seconds']} s)"
    except (ValueError, TypeError, KeyError):
        return f"HTTP {status}"


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Exit code; 2 where no port is given."""
    given = arguments[0] if arguments else environ.get("DRIFTLINE_METRICS_PORT", "")
    if not given.isdecimal():
        print("no port: call python -m runtime.health_check PORT, or set DRIFTLINE_METRICS_PORT")
        return 2
    host = environ.get("DRIFTLINE_METRICS_HOST", "")
    reason = check(_ANY.get(host, host), int(given))
    print(reason or "well")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
