"""All measurements, one after the other, on one stack: what `make bench` runs.

python -m benchmarks                all but the long ones
python -m benchmarks --long         with those of up to 1e7 trips, too
"""

from __future__ import annotations

import os
import subprocess
import sys

from local import stack
from runtime.connections import ROOT

PARTS = {
    "Consumers, ours and others', on one log": ["stream"],
    "Two consumers": ["stream", "--two"],
    "The consumer, step by step": ["consumer_steps"],
    "The monitor per window": ["monitor_metrics"],
    "Fingers raised in a calm month": ["calm"],
    "From close to row": ["latency"],
    "Queries of the dashboards": ["dashboards"],
    "The board: a year at once, and from close to row visible": ["board"],
    "The board: a year in the browser": ["board_page"],
    "Models": ["models"],
    "Synthetic against real trips": ["synthetic_quality"],
}
LONG = {
    "Flat from 1e5 to 1e7 trips": ["stream", "--flat", "--repeat", "1"],
    "The producer's memory from 1e5 to 3e6 trips": ["producer_memory"],
}


def main() -> int:
    parts = PARTS | (LONG if "--long" in sys.argv[1:] else {})
    failed = []
    with stack.running() as addresses:
        environ = os.environ | {
            "KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers,
            "DATABASE_URL": addresses.database_url,
        }
        for title, (module, *options) in parts.items():
            print(f"\n## {title}\n\n`python -m benchmarks.{' '.join([module, *options])}`\n", flush=True)
            command = [sys.executable, "-m", f"benchmarks.{module}", *options]
            if subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode:
                failed.append(title)
    for title in failed:
        print(f"not measured, or out of its bounds: {title}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
