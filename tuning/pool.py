"""Does tasks in several processes and keeps each result in a file, so that what was done is not done again."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import lru_cache
from pathlib import Path

from runtime.connections import make_folder
from runtime.orphans import end_with
from tuning.history import History
from tuning.plan import Plan
from tuning.tasks import Task, key_of
from tuning.trials import Trials

_HISTORY = "history.pickle"


class Store:
    """The results of one plan for one history."""

    def __init__(self, folder: Path, history: History, plan: Plan) -> None:
        """Open it.

        Args:
            folder: Of all results.
            history: The stream.
            plan: What is tried.
        """
        self.folder = make_folder(folder / key_of(history.id, plan))
        self._of = history, plan

    def missing(self, tasks: Sequence[Task]) -> list[Task]:
        """Those of the tasks that have no result yet."""
        return [task for task in tasks if not self._file(task).exists()]

    def read(self, task: Task) -> bytes:
        """The result of a task."""
        return self._file(task).read_bytes()

    def keep_history(self) -> None:
        """Write what those need who do tasks."""
        write(self.folder / _HISTORY, pickle.dumps(self._of))

    def forget_history(self) -> None:
        """Remove it: it is large."""
        (self.folder / _HISTORY).unlink(missing_ok=True)

    def _file(self, task: Task) -> Path:
        return self.folder / f"{task.name}.json"


def run(store: Store, tasks: Sequence[Task], jobs: int, done: Callable[[Task], None]) -> None:
    """Do what is missing of some tasks.

    Args:
        store: Where results are kept.
        tasks: In the order in which they are begun.
        jobs: Processes; 1: this one.
        done: Called after each.
    """
    if missing := store.missing(tasks):
        store.keep_history()
        _run(store, missing, jobs, done)
        store.forget_history()


def _run(store: Store, missing: Sequence[Task], jobs: int, done: Callable[[Task], None]) -> None:
    if jobs == 1 or len(missing) < 2:
        for task in missing:
            _do(store.folder, task)
            done(task)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(missing)), context, _begin, (os.getpid(),)) as pool:
        waiting: dict[Future[None], Task] = {pool.submit(_do, store.folder, task): task for task in missing}
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    task = waiting.pop(future)
                    future.result()
                    done(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(parent: int) -> None:
    """End with the parent; it alone hears Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent, signal.SIGTERM)()


def _do(folder: Path, task: Task) -> None:
    write(folder / f"{task.name}.json", task.run(_trials(folder)))


@lru_cache(maxsize=1)
def _trials(folder: Path) -> Trials:
    history, plan = pickle.loads((folder / _HISTORY).read_bytes())
    return Trials(history, plan)


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)
