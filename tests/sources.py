"""The files of the checkout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from runtime.connections import ROOT


def files(suffix: str) -> list[Path]:
    """All with this suffix, sorted; not those below hidden folders, such as the 60,000 of `.venv`."""

    def found() -> Iterator[Path]:
        for folder, below, names in os.walk(ROOT):
            below[:] = [name for name in below if not name.startswith(".")]
            yield from (Path(folder, name) for name in names if name.endswith(suffix))

    return sorted(found())
