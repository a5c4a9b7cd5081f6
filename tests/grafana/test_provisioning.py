"""What Grafana reads at its start fits together, and holds no secret."""

from __future__ import annotations

import re
from typing import Any

import pytest

from grafana.model import SOURCE
from tests.grafana.provisioned import FOLDER, RULES, read

VARIABLES = {
    *("DRIFTLINE_PG_ADDRESS", "DRIFTLINE_PG_DATABASE", "DRIFTLINE_PG_SSLMODE", "DRIFTLINE_READER_PASSWORD"),
    *("DRIFTLINE_PG_SSLROOTCERT", "DRIFTLINE_ALERT_WEBHOOK", "DRIFTLINE_BOARD_URL"),
}
TEXTS = {path: path.read_text() for path in FOLDER.rglob("*.yaml")}


def test_the_data_source_reads_as_the_reader_and_never_changes_its_name() -> None:
    (source,) = read("datasources")["datasources"]
    assert (source["uid"], source["name"], source["type"]) == ("driftline-pg", "Driftline", SOURCE["type"])
    assert (source["user"], source["editable"]) == ("driftline_reader", False)
    assert source["jsonData"]["database"] == "${DRIFTLINE_PG_DATABASE}"
    assert source["secureJsonData"] == {"password": "${DRIFTLINE_READER_PASSWORD}"}


def test_variables_are_plain_since_grafana_knows_no_defaults() -> None:
    used = {name for text in TEXTS.values() for name in re.findall(r"\$\{([^}]*)\}", _without_comments(text))}
    assert used == VARIABLES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["uid"])
def test_the_environment_is_named_where_grafana_expands_it(rule: dict[str, Any]) -> None:
    """In labels it expands whatever has one dollar, in annotations nothing: `{{ $labels.x }}` must outlive both."""
    assert "${" not in str(rule["annotations"])
    label = rule["labels"]["board"].replace("$$", "")
    assert label.startswith("${DRIFTLINE_BOARD_URL}/")
    assert "$" not in label.removeprefix("$")
    assert "{{ labels.run_id }}" in label


def test_dashboards_come_from_one_folder_and_are_changed_in_the_code_alone() -> None:
    (provider,) = read("dashboards")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    assert (provider["allowUiUpdates"], provider["options"]["foldersFromFilesStructure"]) == (False, False)


def test_rules_and_dashboards_share_one_folder() -> None:
    """Grafana loads rules first, into a folder of that title: one with a uid of its own would be another."""
    (provider,), (group,) = read("dashboards")["providers"], read("alerting")["groups"]
    assert provider["folder"] == group["folder"]
    assert "folderUid" not in provider


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["uid"])
def test_a_rule_names_its_receiver_itself(rule: dict[str, Any]) -> None:
    """A tree of policies would replace whatever the organisation has."""
    receivers = {point["name"] for point in read("alerting")["contactPoints"]}
    assert rule["notification_settings"]["receiver"] in receivers
    assert "policies" not in read("alerting")
    assert [part["refId"] for part in rule["data"]] == ["A", "B", "C"]
    assert {part["refId"]: part["model"]["refId"] for part in rule["data"]} == {"A": "A", "B": "B", "C": "C"}
    assert (rule["noDataState"], rule["execErrState"]) == ("OK", "Error")


def test_there_is_a_rule_for_alarms_drift_error_silence_and_dead_letters() -> None:
    assert [rule["title"] for rule in RULES] == [
        *("Alarm", "Dataset drift", "Error above threshold", "No rows for too long", "Dead letters")
    ]


def _without_comments(text: str) -> str:
    """Without comments."""
    return "\n".join(line.partition(" #")[0] for line in text.splitlines() if not line.startswith("#"))
