"""Wall time, CPU time and memory of one process between its first and its last record.

Standard library only: the peers run it in an environment of their own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time


class Meter:
    """Started by the first record, stopped by the last; prints one JSON line for `benchmarks.stream`."""

    def __init__(self) -> None:
        self._wall = self._cpu = self.seconds = self.cpu_seconds = 0.0

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def stop(self) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter() - self._wall, _cpu_seconds() - self._cpu

    def report(self, records: int, expected: int) -> None:
        """records: how many this system accounts for in its results; anything but all of them voids the figure."""
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        measured = {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "peak_mb": peak_mb}
        print(json.dumps({"records": records, "expected": expected, **measured}))
        sys.stdout.flush()


def _cpu_seconds() -> float:
    """Of this process, all its threads, and its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
