"""Other programs, run to their end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def output_of(argv: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program and take what it prints as UTF-8, whatever the locale and whatever it prints.

    Args:
        argv: The program and its arguments.
        options: More of `subprocess.run`.

    Returns:
        What it printed, and its exit code.

    Raises:
        OSError: It cannot be started.
        subprocess.TimeoutExpired: It took longer than `timeout`.
    """
    return subprocess.run(
        argv, capture_output=True, text=True, check=False, encoding="utf-8", errors="replace", **options
    )
