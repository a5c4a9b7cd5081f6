"""What the compose files tell our image exists in the command line."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest
import typer

from cli import main as command_line
from runtime.connections import ROOT, kafka_config
from storage.prepare import PASSWORDS
from tests.composed import BASE, FILES, merged

COMMANDS: dict[str, Any] = typer.main.get_command(command_line.app).commands  # type: ignore[attr-defined]
OURS = {
    name: service
    for name, service in merged(*FILES)["services"].items()
    if service["image"].startswith("driftline:")
}


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize("name", OURS)
def test_every_command_and_option_exists(name: str) -> None:
    command, *rest = OURS[name]["command"]
    assert command in COMMANDS
    assert {word for word in rest if word.startswith("--")} <= options(COMMANDS[command])


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_one_that_the_command_reads(name: str) -> None:
    command = COMMANDS[OURS[name]["command"][0]]
    read = {parameter.envvar for parameter in command.params} | (
        set(PASSWORDS) if command.name == "migrate" else set()
    )
    given = {variable for variable in OURS[name]["environment"] if variable.startswith("DRIFTLINE_")}
    assert given <= read


@pytest.mark.parametrize("name", OURS)
def test_every_required_option_is_given(name: str) -> None:
    service = OURS[name]
    for parameter in COMMANDS[service["command"][0]].params:
        given = parameter.envvar in service["environment"] or set(parameter.opts) & set(service["command"])
        assert given or not parameter.required, parameter.opts


def test_kafka_settings_are_librdkafkas() -> None:
    config = kafka_config({k: v for k, v in OURS["consumer"]["environment"].items() if k.startswith("KAFKA_")})
    assert config == {
        "bootstrap.servers": "kafka:19092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "driftline",
        "sasl.password": "driftline_kafka_password",
        "ssl.ca.location": "/certs/ca.crt",
    }


def test_every_health_check_of_ours_is_a_module_that_exists() -> None:
    for service in OURS.values():
        if "healthcheck" in service:
            program, flag, module, *_ = service["healthcheck"]["test"][1:]
            assert (program, flag) == ("python", "-m")
            assert importlib.util.find_spec(module)


def test_every_command_in_the_comments_names_a_service_and_a_command() -> None:
    named = re.findall(r"docker compose run --rm (\w+) (\w+)", (ROOT / BASE).read_text())
    assert named
    for service, command in named:
        assert service in OURS
        assert command in COMMANDS
