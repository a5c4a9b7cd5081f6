from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from runtime.connections import (
    ROOT,
    Addresses,
    database_advice,
    database_url,
    is_answer,
    is_platform_variable,
    kafka_advice,
    kafka_config,
    login_advice,
    make_folder,
    refused_setting,
)
from schemas.errors import UsageError
from tests.sources import files


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    addresses = Addresses(bootstrap_servers="127.0.0.1:1", database_url="postgresql://embedded")
    (tmp_path / "stack.json").write_bytes(msgspec.json.encode(addresses))
    return tmp_path


def test_the_environment_goes_before_the_embedded_stack_each_on_its_own(embedded: Path) -> None:
    assert kafka_config({"KAFKA_BOOTSTRAP_SERVERS": "mine:9092"}, embedded) == {"bootstrap.servers": "mine:9092"}
    assert database_url({"KAFKA_BOOTSTRAP_SERVERS": "mine:9092"}, embedded) == "postgresql://embedded"
    assert kafka_config({"DATABASE_URL": "x"}, embedded) == {"bootstrap.servers": "127.0.0.1:1"}
    assert database_url({"DATABASE_URL": "postgresql://mine"}, embedded) == "postgresql://mine"


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:9092", "a:1,http://b:2", "kafka+ssl://b:2"])
def test_an_address_that_is_none_of_kafkas_is_refused(embedded: Path, address: str) -> None:
    with pytest.raises(UsageError, match=r"KAFKA_BOOTSTRAP_SERVERS .*://.*HOST:PORT"):
        kafka_config({"KAFKA_BOOTSTRAP_SERVERS": address}, embedded)


@pytest.mark.parametrize("address", ["a:1,b:2", "SASL_SSL://a:1, plaintext://b:2", "[::1]:9092"])
def test_addresses_as_librdkafka_takes_them_are_left_as_they_are(embedded: Path, address: str) -> None:
    assert kafka_config({"KAFKA_BOOTSTRAP_SERVERS": address}, embedded) == {"bootstrap.servers": address}


def test_any_librdkafka_setting_can_come_from_the_environment(embedded: Path) -> None:
    config = kafka_config({"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SSL_CA_LOCATION": "ca.pem"}, embedded)
    assert config["sasl.mechanism"] == "PLAIN"
    assert config["ssl.ca.location"] == "ca.pem"


def test_variables_of_kafkas_own_scripts_are_no_settings(embedded: Path) -> None:
    environ = {"KAFKA_HOME": "/opt/kafka", "KAFKA_HEAP_OPTS": "-Xmx1g", "KAFKA_OPTS": "-D", "KAFKA_CLIENT_ID": "me"}
    assert kafka_config(environ, embedded) == {"client.id": "me", "bootstrap.servers": "127.0.0.1:1"}


@pytest.mark.parametrize("where", ["", "backups", "logs/demo", "tests/kafka"])
@pytest.mark.parametrize("earlier", [None, 0o755, 0o700])
def test_what_is_ours_is_closed_to_others_whoever_makes_it(tmp_path: Path, where: str, earlier: int | None) -> None:
    state = tmp_path / ".driftline"
    if earlier:
        state.mkdir(mode=earlier)
    assert make_folder(state / where, state).is_dir()
    assert state.stat().st_mode & 0o777 == 0o700
    assert make_folder(tmp_path / "elsewhere", state).stat().st_mode & 0o755 == 0o755


def test_nobody_else_makes_a_folder_below_it() -> None:
    code = [path for path in files(".py") if path.relative_to(ROOT).parts[0] not in ("tests", "benchmarks")]
    makers = {p.relative_to(ROOT).as_posix() for p in code if "mkdir(parents=True" in p.read_text(encoding="utf-8")}
    assert makers <= {"runtime/connections.py", *ELSEWHERE}


ELSEWHERE = {"models/artifact.py", "local/stack/jars.py"}
"""Who makes folders that are not below .driftline, with those above them."""

SERVICES = {
    "KAFKA_SERVICE_HOST": "10.0.0.1",
    "KAFKA_SERVICE_PORT": "9092",
    "KAFKA_SERVICE_PORT_TCP_CLIENT": "9092",
    "KAFKA_PORT": "tcp://10.0.0.1:9092",
    "KAFKA_PORT_9092_TCP": "tcp://10.0.0.1:9092",
    "KAFKA_PORT_9092_TCP_PROTO": "tcp",
    "KAFKA_PORT_9092_TCP_PORT": "9092",
    "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
    "KAFKA_UI_PORT": "tcp://10.0.0.2:80",
    "KAFKA_UI_SERVICE_PORT_HTTP": "80",
    "KAFKA_DNS_PORT_53_UDP_ADDR": "10.0.0.3",
}


@pytest.mark.parametrize(("name", "value"), SERVICES.items())
def test_what_kubernetes_says_of_its_services_is_no_setting(embedded: Path, name: str, value: str) -> None:
    assert kafka_config({name: value, "KAFKA_CLIENT_ID": "me"}, embedded) == {
        "client.id": "me",
        "bootstrap.servers": "127.0.0.1:1",
    }
    assert is_platform_variable(name.replace("KAFKA", "DRIFTLINE_BOARD"), value)


@pytest.mark.parametrize("name", ["DRIFTLINE_PORT", "DRIFTLINE_METRICS_PORT", "KAFKA_SASL_KERBEROS_SERVICE_NAME"])
def test_what_people_set_is_not_taken_for_kubernetes(name: str) -> None:
    assert not is_platform_variable(name, "8000")


@pytest.mark.parametrize("name", ["KAFKA_PORT", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_SASL_USERNAME"])
def test_the_port_of_the_compose_file_and_empty_variables_are_no_settings(embedded: Path, name: str) -> None:
    environ = {name: "9092" if name == "KAFKA_PORT" else ""}
    assert kafka_config(environ, embedded) == {"bootstrap.servers": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("KAFKA_NO_SUCH_THING", "1"), ("KAFKA_SECURITY_PROTOCOL", "TSL"), ("KAFKA_LINGER_MS", "soon")],
)
@pytest.mark.parametrize("client", [Producer, AdminClient])
def test_a_setting_that_librdkafka_refuses_is_named_as_the_variable(name: str, value: str, client: Any) -> None:
    config = kafka_config({"KAFKA_BOOTSTRAP_SERVERS": "x:1", name: value})
    with pytest.raises(KafkaException) as refused:
        client(config)
    assert str(refused_setting(refused.value.args[0].str(), config)).endswith(f"correct or unset {name}")


def test_without_either_the_operator_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="driftline stack up"):
        kafka_config({}, tmp_path)
    with pytest.raises(UsageError, match="DATABASE_URL"):
        database_url({}, tmp_path)


def test_who_named_a_kafka_is_not_told_to_start_ours() -> None:
    named = kafka_advice({"KAFKA_BOOTSTRAP_SERVERS": "somewhere"})
    assert named == "see that Kafka runs there, or correct KAFKA_BOOTSTRAP_SERVERS"
    for environ in ({}, {"KAFKA_BOOTSTRAP_SERVERS": ""}, {"KAFKA_BOOTSTRAP_SERVERS": " \n"}):
        assert kafka_advice(environ) == "run `driftline stack up`, or set KAFKA_BOOTSTRAP_SERVERS"


@pytest.fixture
def ours(tmp_path: Path) -> str:
    """URL of an embedded Postgres whose addresses are in the folder."""
    url = "postgresql://driftline:secret@127.0.0.1:5433/driftline"
    (tmp_path / "stack.json").write_bytes(msgspec.json.encode(Addresses("127.0.0.1:9092", url)))
    return url


def test_advice_on_postgres_depends_on_whose_it_is_however_its_address_came(ours: str, tmp_path: Path) -> None:
    """A stage of the demo has the embedded one's address in DATABASE_URL, too."""
    theirs = ours.replace("secret", "guess")
    assert login_advice(ours, tmp_path).startswith("restart the embedded Postgres with `driftline stack down`")
    assert login_advice(theirs, tmp_path) == "correct DATABASE_URL, or the password that Postgres has for its role"
    assert database_advice(theirs, tmp_path) == "see that Postgres runs there, or correct DATABASE_URL"
    for none_of_theirs in (ours, ""):
        assert database_advice(none_of_theirs, tmp_path) == "run `driftline stack up`, or set DATABASE_URL"
    assert login_advice(ours, tmp_path / "elsewhere").startswith("correct DATABASE_URL")


def test_the_codes_of_kafka_are_those_of_its_client() -> None:
    refused = (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
    )
    assert {kafka_advice(code=code) for code in refused} == {"correct KAFKA_… (user, password, rights)"}
    assert all(map(is_answer, (KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError._WAIT_COORD)))
    assert not any(map(is_answer, (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)))


def test_a_damaged_address_file_is_no_stack(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(UsageError):
        database_url({}, tmp_path)
