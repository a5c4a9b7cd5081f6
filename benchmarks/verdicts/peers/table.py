"""Ours and others on the same windows: calm weeks with an alarm, share of drift that is missed, hours until found.

A window counts as bent if the onset lies in it, which favours others: they may be alarmed by what came before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.verdicts.months import FOLDER, SEASON
from monitor.drift.columns import monitored
from monitor.verdict.layout import ERROR
from monitor.verdict.season import DAY, HOUR
from schemas.streams.taxi import OUTCOMES, TAXI
from storage.chunk import PREDICTION

HERE = Path(__file__).parent
PEERS = ("evidently", "nannyml", "popmon", "driftdep", "river")
WITHIN = 7 * DAY

QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
"""Evidently and NannyML would report that they are used."""


def python(peer: str) -> Path:
    """The Python of a peer's environment, which `make verdicts-setup` creates; Evidently is in our own."""
    return Path(sys.executable) if peer == "evidently" else HERE / f".venv-{peer}/bin/python"


def write(path: Path, table: pa.Table) -> None:
    """Write the monitored columns of scored trips, in order of time, for `methods`."""
    table = table.sort_by(TAXI.events.time)
    label = table[str(OUTCOMES.label)].to_numpy()
    low, high = OUTCOMES.label_range or (-np.inf, np.inf)
    inside = (label >= low) & (label <= high)
    arrays: dict[str, Any] = {"at": table[TAXI.events.time].to_numpy()}
    for name, is_number, _ in (*monitored(TAXI.events), *monitored(OUTCOMES)):
        column = pc.fill_null(pc.cast(table[name], pa.float64()), np.nan) if is_number else _texts(table[name])
        arrays[name] = column.to_numpy().astype(np.float64 if is_number else str)
    arrays[str(OUTCOMES.label)] = np.where(inside, label, np.nan)
    arrays[ERROR] = np.where(inside, arrays[PREDICTION] - label, np.nan)
    np.savez(path, **arrays)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.cast(column, pa.string()), "none")


def asked(folder: Path) -> tuple[dict[str, dict[str, list[int]]], dict[str, str]]:
    """Ask all peers, unless they have been asked about the same tables; and why one did not answer."""
    newest = max(path.stat().st_mtime for path in folder.glob("*.npz"))
    found: dict[str, dict[str, list[int]]] = {}
    failed = {}
    for peer in PEERS:
        answer = folder / f"{peer}.json"
        if not answer.exists() or answer.stat().st_mtime < newest:
            if not python(peer).exists():
                failed[peer] = "not measured: run make verdicts-setup"
                continue
            program = [str(each) for each in (python(peer), HERE / "methods.py", peer, folder)]
            done = subprocess.run(
                program,
                check=False,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=1_800,
                env=os.environ | QUIET,
            )
            if done.returncode:
                failed[peer] = f"not measured: {done.stderr.strip().splitlines()[-1]}"
                continue
        found |= json.loads(answer.read_text(encoding="utf-8"))
    return found, failed


def prepared(reference: pa.Table, variants: Mapping[str, pa.Table], onsets: Sequence[int]) -> Path:
    """Write what the peers read, unless it is there. onsets: ms."""
    folder = FOLDER / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "onsets.json").exists():
        for name, table in {"reference": reference, **variants}.items():
            write(folder / f"{name}.npz", table)
        (folder / "onsets.json").write_text(json.dumps([*onsets]), encoding="utf-8")
    return folder


def row(
    method: str, alarms: Mapping[str, Sequence[int]], onsets: Sequence[int], weeks: Iterable[int]
) -> dict[str, Any]:
    """What one method made of the calm weeks, and of each drift."""
    starts = {SEASON.start(at - 1) for at in alarms["calm"]}
    each = {}
    for name in sorted(alarms.keys() - {"calm"}):
        found = alarms[name] if method.startswith("river") else [_delay(alarms[name], at) for at in onsets]
        each[name] = [at / HOUR if at >= 0 else np.inf for at in found]
    return told_row(method, len(starts & {*weeks}), each)


def told_row(method: str, calm_weeks: int, hours: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """A row of the table. hours: until each drift was found, infinite where it was missed."""
    share = float(np.mean([np.isinf(each).mean() for each in hours.values()]))
    of_drifts = {name: _told(hours[name]) for name in sorted(hours)}
    return {"method": method, "calm weeks with an alarm": calm_weeks, "missed": round(share, 3), **of_drifts}


def _delay(ends: Sequence[int], onset: int) -> int:
    found = [end - onset for end in ends if 0 < end - onset <= WITHIN]
    return min(found, default=-1)


def _told(hours: Sequence[float]) -> str:
    """Share that is missed, and the median delay."""
    median = float(np.median(hours))
    return f"{np.isinf(hours).mean():.0%} missed, {'–' if np.isinf(median) else f'{median:.0f} h'}"
