"""A year in the browser: from the address to all of it drawn.

    python -m benchmarks.board_page                    median of 5
    python -m benchmarks.board_page --repeat 9

The run of `benchmarks.board`: 8,760 windows of 20 columns. Chromium, headless, at 1,400 x 1,000, asks a board
that runs as a process of its own. `new`: nothing of the page is in the browser's caches. `again`: opened once more
by the same browser. Drawn is when a frame with it has been handed over, as the page's own marks say; the parts are
marks and resource timings of the same page. Says the load of the machine, since browsers show it at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from playwright.sync_api import sync_playwright

from benchmarks.board import board, seed
from benchmarks.consumer_steps import fresh_database
from local import stack
from storage.prepare import prepare

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
TARGET_MS = 1_000
PARTS = {
    "script": "modules there and run",
    "answer": "/api/board answered",
    "parsed": "answer read",
    "drawn": "all drawn",
}
"""Marks of the page, in the order in which they come; each in ms since the navigation."""
READ = """() => new Promise((resolve) => {
    const read = (_, observer) => {
        if (!performance.getEntriesByName("drawn").length) return;
        observer.disconnect();
        const marks = performance.getEntriesByType("mark").map((mark) => [mark.name, mark.startTime]);
        const answer = performance.getEntriesByType("resource").find(({ name }) => name.includes("/api/board"));
        resolve({ ...Object.fromEntries(marks), answer: answer.responseEnd });
    };
    new PerformanceObserver(read).observe({ type: "mark", buffered: true });
})"""


@contextmanager
def browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield launched
        finally:
            launched.close()


def opened(context: Any, url: str) -> dict[str, float]:
    """Marks of the page by name, ms since the navigation."""
    page = context.new_page()
    try:
        page.goto(url, wait_until="commit")
        found: dict[str, float] = page.evaluate(READ)
        return found
    finally:
        page.close()


def measure(chromium: Any, url: str, repeat: int) -> dict[str, list[dict[str, float]]]:
    """Marks of every opening, with nothing in the caches and with what the one before left there."""
    found: dict[str, list[dict[str, float]]] = {"new": [], "again": []}
    for _ in range(repeat):
        context = chromium.new_context(viewport={"width": 1_400, "height": 1_000})
        found["new"].append(opened(context, url))
        found["again"].append(opened(context, url))
        context.close()
    return found


def report(found: dict[str, list[dict[str, float]]]) -> bool:
    """Whether the median of all drawn is within the target, both ways."""
    print(f"| opened | {' | '.join(PARTS.values())} | fastest | slowest |\n|---|{'---:|' * (len(PARTS) + 2)}")
    for name, marks in found.items():
        all_drawn = of(marks, "drawn")
        shown = [median(of(marks, part)) for part in PARTS]
        figures = " | ".join(f"{ms:.0f}" for ms in (*shown, min(all_drawn), max(all_drawn)))
        print(f"| {name} | {figures} |")
    print(f"\nms since the navigation, medians; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return all(median(of(marks, "drawn")) < TARGET_MS for marks in found.values())


def of(marks: Sequence[dict[str, float]], part: str) -> list[float]:
    return [each.get(part, float("nan")) for each in marks]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    if not CHROMIUM.exists():
        print(f"SKIPPED: there is no {CHROMIUM}; install chromium, or set CHROMIUM to the path of one")
        return 0
    with stack.running() as addresses, fresh_database(addresses.database_url) as database:
        prepare(database)
        with psycopg.connect(database, autocommit=True) as connection:
            seed(connection, "year", windows=8_760)
        with board(database) as client, browser() as chromium:
            url = f"{client.base_url}/?run=year&size=1h"
            client.get("/api/board", params={"run": "year", "size": "1h"}).raise_for_status()  # as after any visit
            found = measure(chromium, url, options.repeat)
    return 0 if report(found) else 1


if __name__ == "__main__":
    sys.exit(main())
