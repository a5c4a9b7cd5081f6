"""Panel options against the types that Grafana publishes for them. Needs node and npm; skipped aloud without."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grafana.generate import DASHBOARDS, dashboards
from schemas.connections import STATE

PACKAGES = ("@grafana/schema@13.2.3", "typescript@5.9.3")
CACHE = STATE / "cache" / "npm"
SCRIPT = Path(__file__).with_name("typecheck.mjs")


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages installed."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not here: panel options were not checked against Grafana's types")
    folder = tmp_path_factory.mktemp("types")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    made = subprocess.run(
        [*install, f"--cache={CACHE}", *PACKAGES], cwd=folder, capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"npm could not install {' '.join(PACKAGES)}: {made.stderr.strip()[-300:]}")
    return folder


def check(folder: Path, where: Path) -> subprocess.CompletedProcess[str]:
    command = ["node", str(SCRIPT), str(where), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_panel_options_are_of_grafanas_types(types: Path) -> None:
    found = check(types, DASHBOARDS)
    assert found.returncode == 0, found.stdout + found.stderr


def _misspelt(panel: dict[str, Any]) -> None:
    panel["options"]["mergeValue"] = panel["options"].pop("mergeValues")


def _unknown(panel: dict[str, Any]) -> None:
    panel["options"]["showValue"] = "sometimes"


def _custom(panel: dict[str, Any]) -> None:
    panel["fieldConfig"]["defaults"]["custom"]["fillOpaque"] = 80


@pytest.mark.parametrize("plant", [_misspelt, _unknown, _custom])
def test_a_wrong_option_is_found(plant: Callable[[dict[str, Any]], None], types: Path, tmp_path: Path) -> None:
    made = copy.deepcopy(dashboards()["driftline-live.json"])
    plant(next(panel for panel in made["panels"] if panel["type"] == "state-timeline"))
    (tmp_path / "driftline-live.json").write_text(json.dumps(made))
    found = check(types, tmp_path)
    assert found.returncode, "not found"
    assert "error TS" in found.stdout
