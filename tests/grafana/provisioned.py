"""What Grafana loads at its start."""

from __future__ import annotations

from typing import Any

import yaml

from grafana.generate import HERE

FOLDER = HERE / "provisioning"


def read(kind: str) -> dict[str, Any]:
    """Of `datasources`, `dashboards` or `alerting`."""
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / kind / "driftline.yaml").read_text())
    return loaded


SOURCES: dict[str, str] = {each["uid"]: each["type"] for each in read("datasources")["datasources"]}
RULES: list[dict[str, Any]] = [rule for group in read("alerting")["groups"] for rule in group["rules"]]
