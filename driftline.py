"""Driftline's command line."""

from __future__ import annotations

from runtime import interrupts  # noqa: F401 - first: Ctrl-C while the rest is imported

# isort: split
from cli.main import main

if __name__ == "__main__":
    main()
