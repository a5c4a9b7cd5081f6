"""Every warning, error and reason for being unhealthy is explained to the operator."""

from __future__ import annotations

import re

from runtime.connections import ROOT

ROOMS = (
    "board",
    "cli",
    "consumer",
    "grafana",
    "local",
    "models",
    "monitor",
    "notifier",
    "producer",
    "runtime",
    "schemas",
    "storage",
)
RAISED = re.compile(
    r"""log\.(?:warning|error|exception)\(\s*"(\w+)"   # by name
    |trouble(?:\(|":\s)f?"(\w+):                            # the reason that /healthz gives
    |(?:Trouble|_Meaning)\(\s*"(\w+)" """,  # why a session begins anew, or ends
    re.VERBOSE,
)
COMPUTED = {"run_of_another_model", "run_of_another_stream", "model_fails"}
"""In `consumer/flush_log.py`."""


def raised() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
    return COMPUTED | {next(filter(None, found)) for text in texts for found in RAISED.findall(text)}


def explained(text: str) -> set[str]:
    """Names in the first column of a table."""
    return {name for cell in re.findall(r"^\| (.*?) \|", text, re.M) for name in re.findall(r"`(\w+)`", cell)}


def test_every_event_that_wants_attention_is_in_a_table_and_in_one_only() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Troubleshooting\n")[2]
    events = explained((ROOT / "docs" / "events.md").read_text(encoding="utf-8"))
    assert raised() - explained(readme) - events == set()
    assert events & explained(readme) == set()
    assert events - raised() == set(), "of nothing any more"
    assert len(raised()) > 40
