"""Random schedules of kills, freezes, cuts and zombies on real processes: the rows are always those of the log.

    python -m tests.chaos --seeds 1..300 --jobs 2      (or: make chaos ARGS="--seeds 1..300 --jobs 2")

Each seed draws what happens to producer, consumers, monitors, Kafka, Postgres and the ways between them. Afterwards
the rows must be the oracle's, and in every column those of an undisturbed replay of the same log. Prints a line for
each seed; exits with 1 where one differs, ends badly or hangs. What that one left is kept: its log, what the stages
printed, and what happened when.
"""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import sys
import tempfile
import time
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from tests.chaos.worker import Outcome, work
from tests.proof import small_model

SILENCE_S = 300.0
"""Without a word from any worker: longer than the longest seed may take."""


def main() -> int:
    arguments = _arguments()
    first, last = arguments.seeds
    with tempfile.TemporaryDirectory(prefix="driftline-chaos-") as folder:
        model = small_model(Path(folder, "model"))
        context = multiprocessing.get_context("spawn")
        seeds, outcomes = context.Queue(), context.Queue()
        for item in (*range(first, last + 1), *[None] * arguments.jobs):
            seeds.put(item)
        states = [Path(folder, f"stack-{number}") for number in range(arguments.jobs)]
        workers = [context.Process(target=work, args=(seeds, outcomes, state, model)) for state in states]
        for worker in workers:
            worker.start()
        try:
            wrong = _print_outcomes(outcomes, last + 1 - first)
        except (KeyboardInterrupt, queue.Empty):
            for worker in workers:
                worker.kill()
            raise
        for worker in workers:
            worker.join()
    return 1 if wrong else 0


def _print_outcomes(outcomes: Queue[Outcome], number: int) -> list[int]:
    """Print each outcome as it comes, and all of them in short; the seeds that failed."""
    began, wrong = time.monotonic(), []
    for _ in range(number):
        outcome = outcomes.get(timeout=SILENCE_S)
        verdict = "FAILED" if outcome.wrong else "ok"
        print(f"{verdict:6} {outcome.seed:5} {outcome.seconds:5.1f} s  {outcome.summary}", flush=True)
        wrong += [outcome.seed] if outcome.wrong else []
    print(f"{number} schedules in {time.monotonic() - began:.0f} s, {len(wrong)} failed: {sorted(wrong) or 'none'}")
    return wrong


def _arguments() -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=_range, default=(1, 20), help="A..B, both included; 1..20 by default")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time, each with servers of its own")
    return parser.parse_args()


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("..")
    return int(first), int(last or first)


if __name__ == "__main__":
    sys.exit(main())
