"""Apache's own Kafka image for testcontainers, whose KafkaContainer knows Confluent's alone."""

from __future__ import annotations

from typing import Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.composed import BASE, load

_ADDRESS = "/tmp/address"
_SETTINGS = {
    "KAFKA_LISTENERS": "OUTSIDE://:9092,LOCAL://localhost:9094,CONTROLLER://localhost:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "OUTSIDE:PLAINTEXT,LOCAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "3000",  # as embedded: the tests' consumers are missed soon
}


class ApacheKafka(DockerContainer):
    """One node, as docker-compose.yml has it.

    It must tell clients the port that Docker chose, which is known when the container runs: so it waits for a file
    with its address before it starts Kafka.
    """

    def __init__(self) -> None:
        service = load(BASE)["services"]["kafka"]
        super().__init__(service["image"])
        for name, value in (service["environment"] | _SETTINGS).items():
            self.with_env(name, value)
        self.with_exposed_ports(9092)
        wait = f"until [ -s {_ADDRESS} ]; do sleep 0.05; done"
        advertise = f"export KAFKA_ADVERTISED_LISTENERS=OUTSIDE://$(cat {_ADDRESS}),LOCAL://localhost:9094"
        self.with_command(["sh", "-c", f"{wait}; {advertise}; exec /etc/kafka/docker/run"])

    def start(self) -> Self:
        super().start()
        self.exec(["sh", "-c", f"echo {self.address} > {_ADDRESS}.new && mv {_ADDRESS}.new {_ADDRESS}"])
        LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(60).wait_until_ready(self)
        return self

    @property
    def address(self) -> str:
        """Where clients outside find it."""
        return f"{self.get_container_host_ip()}:{self.get_exposed_port(9092)}"
