"""What a running stage says at its port."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.fleet import Stage, eventually


def address(stage: Stage) -> str:
    """host:port, once it is served."""
    stage.says("metrics_at")
    found = re.search(r"metrics_at.*? url=http://(\S+)|url=http://(\S+).*?metrics_at", stage.text)
    assert found, stage.text
    return found[1] or found[2]


def sample(stage: Stage, name: str, **labels: str) -> float:
    """Sum of the samples with these labels, 0 where there is none."""
    with OPENER.open(f"http://{address(stage)}/metrics", timeout=60) as response:
        families = text_string_to_metric_families(response.read().decode())
        return sum(
            s.value
            for family in families
            for s in family.samples
            if s.name == f"driftline_{name}" and labels.items() <= s.labels.items()
        )


def health(stage: Stage) -> tuple[int, dict[str, Any]]:
    """Status and body of /healthz."""
    try:
        with OPENER.open(f"http://{address(stage)}/healthz", timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def until_healthy(stage: Stage, status: int = 200) -> dict[str, Any]:
    """What it says of itself once it answers with this status."""
    found: dict[str, Any] = eventually(
        lambda: (answer := health(stage))[0] == status and answer[1],
        lambda: f"{health(stage)}\n{stage.text[-3_000:]}",
    )
    return found


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
