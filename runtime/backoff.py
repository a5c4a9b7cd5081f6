"""Growing pauses between attempts."""

from __future__ import annotations

_DOUBLINGS = 64
"""Beyond any limit in use; a float would overflow at 1,024."""


def backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Give the pause after so many failures in a row.

    Args:
        failures: 1 after the first one.
        first_s: The pause after the first failure, in seconds; it doubles with each further one.
        longest_s: The limit, in seconds.
    """
    return min(first_s * 2.0 ** min(failures - 1, _DOUBLINGS), longest_s)


class Backoff:
    """The pauses of one loop of attempts.

    The loop waits by itself, for an event that also stops it or in asyncio, with whichever clock it has: libraries
    for retries call the function and sleep, and know of neither.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        """Begin without failures. first_s, longest_s: as in `backoff_s`."""
        self._first_s, self._longest_s = first_s, longest_s
        self._failures = 0

    @property
    def is_fresh(self) -> bool:
        """Whether no attempt has failed since the beginning, or since `reset`."""
        return self._failures == 0

    def next_s(self) -> float:
        """Count a failure and give the pause after it, in seconds."""
        self._failures += 1
        return backoff_s(self._failures, self._first_s, self._longest_s)

    def reset(self) -> None:
        """Forget the failures: an attempt has succeeded."""
        self._failures = 0
