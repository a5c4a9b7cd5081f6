"""The compose files, held to the specification and to what we promise of them. No engine is needed."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import jsonschema
import pytest

from runtime.connections import ROOT
from tests.composed import BASE, FILES, TLS, load, merged, variables

SCHEMA = json.loads((resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
WHOLE, SECURED = merged(BASE), merged(*FILES)
SERVICES = [
    pytest.param(service, id=f"{kind}-{name}")
    for kind, whole in (("plain", WHOLE), ("tls", SECURED))
    for name, service in whole["services"].items()
]
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN")
ALL = {
    *("kafka", "postgres", "migrate", "train", "producer", "consumer", "monitor", "notifier", "board", "grafana"),
    "adminer",
}


def seconds(text: str) -> int:
    assert text.endswith("s"), text
    return int(text.removesuffix("s"))


def complaints(composed: Any) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in jsonschema.Draft202012Validator(SCHEMA).iter_errors(composed)]


@pytest.mark.parametrize("composed", [load(BASE), load(TLS), SECURED], ids=["plain", "override", "both"])
def test_the_files_are_what_the_compose_specification_says(composed: dict[str, Any]) -> None:
    assert complaints(composed) == []


def test_the_specification_would_notice_a_mistake() -> None:
    assert complaints({"services": {"kafka": {"imagge": "apache/kafka:4.3.1"}}})


def test_all_services_are_there() -> None:
    assert set(WHOLE["services"]) == ALL
    assert set(SECURED["services"]) == ALL | {"certs"}
    assert WHOLE["services"]["adminer"]["profiles"] == ["tools"]
    assert WHOLE["services"]["notifier"]["profiles"] == ["notify"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_image_is_pinned(service: dict[str, Any]) -> None:
    """By tag; a digest, which the head of the file says how to look up, may follow."""
    assert re.fullmatch(r"[a-z/]+:\d[\w.-]*(@sha256:[0-9a-f]{64})?", service["image"])


def test_our_image_is_of_this_version_and_is_built_here() -> None:
    (version,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    ours = [service for service in WHOLE["services"].values() if service["image"].startswith("driftline:")]
    assert {service["image"] for service in ours} == {f"driftline:{version}"}
    assert [service["build"] for service in ours if "build" in service] == ["."]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_hardened(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] <= 512
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert seconds(service["stop_grace_period"]) >= 10
    assert "privileged" not in service
    assert "network_mode" not in service


def test_only_the_maker_of_certificates_keeps_a_right_of_root() -> None:
    kept = {name: service["cap_add"] for name, service in SECURED["services"].items() if "cap_add" in service}
    assert kept == {"certs": ["CHOWN"]}


@pytest.mark.parametrize("service", SERVICES)
def test_every_port_is_published_on_this_machine_alone(service: dict[str, Any]) -> None:
    for port in service.get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_every_published_port_can_be_moved() -> None:
    moved = load(BASE, {match["name"]: "54321" for match in variables(BASE) if match["name"].endswith("_PORT")})
    ports = [port for service in moved["services"].values() for port in service.get("ports", ())]
    assert len(ports) == 5
    assert all(port.startswith("127.0.0.1:54321:") for port in ports)


@pytest.mark.parametrize("composed", [WHOLE, SECURED], ids=["plain", "tls"])
def test_only_who_needs_a_server_has_a_way_to_it(composed: dict[str, Any]) -> None:
    networks = {name: {*service.get("networks", ["default"])} for name, service in composed["services"].items()}

    def beside(server: str) -> set[str]:
        return {name for name, those in networks.items() if name != server and those & networks[server]}

    assert beside("kafka") == {"producer", "consumer", "monitor"}
    assert beside("postgres") == {"migrate", "consumer", "monitor", "notifier", "board", "grafana", "adminer"}
    assert set().union(*networks.values()) == {*composed["networks"], "default"}
    for name, service in composed["services"].items():  # who is given an address has a way to it
        variables_text = str(service.get("environment", {}))
        assert "kafka:19092" not in variables_text or name in beside("kafka") | {"kafka"}, name
        assert "postgres:5432" not in variables_text or name in beside("postgres"), name


def test_stages_can_be_scaled() -> None:
    for name in ("consumer", "monitor", "notifier"):
        assert not {"container_name", "ports", "hostname"} & set(WHOLE["services"][name]), name


@pytest.mark.parametrize("composed", [WHOLE, SECURED], ids=["plain", "tls"])
def test_who_stays_has_a_health_check_and_who_ends_is_waited_for(composed: dict[str, Any]) -> None:
    services = composed["services"]
    for name, service in services.items():
        stays = service["restart"] == "unless-stopped"
        assert ("healthcheck" in service) == (stays or name == "producer"), name
        for other, how in service.get("depends_on", {}).items():
            healthy = services[other]["restart"] == "unless-stopped"
            assert how["condition"] == ("service_healthy" if healthy else "service_completed_successfully"), name


@pytest.mark.parametrize("name", FILES)
def test_no_secret_has_a_default_and_its_absence_says_what_to_do(name: str) -> None:
    used = [match for match in variables(name) if SECRET.search(match["name"])]
    assert used
    for match in used:
        assert (match["operator"], match["rest"]) == (":?", "run make env"), match[0]


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_secret_has_a_default(name: str) -> None:
    for match in variables(name):
        if not SECRET.search(match["name"]):
            assert (match["operator"] or "").endswith("-"), match[0]


@pytest.mark.parametrize("service", SERVICES)
def test_every_mounted_path_is_in_the_checkout(service: dict[str, Any]) -> None:
    for mount in service.get("volumes", ()):
        source, target, *mode = mount.split(":")
        if source.startswith("."):
            assert (ROOT / source).is_dir(), mount
            assert mode == ["ro"], mount
        else:
            assert source in SECURED["volumes"], mount
        assert target.startswith("/")


def test_no_role_has_more_rights_than_it_needs() -> None:
    def role(name: str) -> str:
        found = re.match(r"postgresql://(\w+):", WHOLE["services"][name]["environment"]["DATABASE_URL"])
        assert found, name
        return found[1]

    roles = {name: role(name) for name in ("migrate", "consumer", "monitor", "notifier", "board")}
    writers = dict.fromkeys(("consumer", "monitor", "notifier"), "driftline")
    assert roles == {"migrate": "postgres", "board": "driftline_board"} | writers
    superuser = [n for n, s in WHOLE["services"].items() if "postgres_password" in str(s.get("environment"))]
    assert superuser == ["postgres", "migrate"]


def test_with_tls_every_client_checks_whom_it_talks_to() -> None:
    for name, service in SECURED["services"].items():
        environment = service.get("environment", {})
        if "DATABASE_URL" in environment:
            assert environment["PGSSLMODE"] == "verify-full", name
        if "KAFKA_BOOTSTRAP_SERVERS" in environment:
            assert environment["KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL", name
    assert SECURED["services"]["grafana"]["environment"]["DRIFTLINE_PG_SSLMODE"] == "verify-full"


def test_with_tls_nobody_but_kafka_itself_speaks_in_the_clear() -> None:
    kafka = SECURED["services"]["kafka"]["environment"]
    security = dict(each.split(":") for each in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    addresses = dict(each.split("://") for each in kafka["KAFKA_LISTENERS"].split(","))
    clear = {name for name, protocol in security.items() if protocol == "PLAINTEXT"}
    assert {addresses[name].split(":")[0] for name in clear} == {"localhost"}
    rules = [line.split() for line in (ROOT / "compose/pg_hba.conf").read_text().splitlines() if line[0] != "#"]
    assert {rule[0] for rule in rules} == {"local", "hostssl"}
