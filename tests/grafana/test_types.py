"""Panel options against the types that Grafana publishes for them. Needs node and npm; skipped aloud without."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from grafana.generate import DASHBOARDS, dashboards
from runtime.connections import STATE

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


def _misspelt(panel: dict[str, Any]) -> None:
    panel["options"]["mergeValue"] = panel["options"].pop("mergeValues")


def _unknown(panel: dict[str, Any]) -> None:
    panel["options"]["showValue"] = "sometimes"


def _custom(panel: dict[str, Any]) -> None:
    panel["fieldConfig"]["defaults"]["custom"]["fillOpaque"] = 80


def _override(panel: dict[str, Any]) -> None:
    """As columns were hidden before version 12."""
    panel["fieldConfig"]["overrides"][-1]["properties"] = [{"id": "custom.hidden", "value": True}]


PLANTED = {_misspelt: "state-timeline", _unknown: "state-timeline", _custom: "state-timeline", _override: "table"}
"""With the kind of panel that each is planted in."""


@pytest.fixture(scope="module")
def complaints(types: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """By file: of our dashboards, and of one with each planted fault; all of them checked at once."""
    where = tmp_path_factory.mktemp("dashboards")
    shutil.copytree(DASHBOARDS, where, dirs_exist_ok=True)
    for plant, kind in PLANTED.items():
        made = copy.deepcopy(dashboards()["driftline-live.json"])
        plant(next(panel for panel in made["panels"] if panel["type"] == kind))
        (where / f"{plant.__name__}.json").write_text(json.dumps(made))
    command = ["node", str(SCRIPT), str(where), str(types)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode, "no planted fault was found"
    errors = [line for line in found.stdout.splitlines() if "error TS" in line]
    assert errors, found.stdout + found.stderr
    by_file: dict[str, list[str]] = {path.stem: [] for path in where.glob("*.json")}
    for line in errors:
        by_file[line.partition(".ts(")[0]].append(line)
    return by_file


def test_panel_options_are_of_grafanas_types(complaints: dict[str, list[str]]) -> None:
    ours = {name.removesuffix(".json") for name in dashboards()}
    assert {name: complaints[name] for name in ours} == {name: [] for name in ours}


@pytest.mark.parametrize("name", [plant.__name__ for plant in PLANTED])
def test_a_wrong_option_is_found(name: str, complaints: dict[str, list[str]]) -> None:
    assert complaints[name]
