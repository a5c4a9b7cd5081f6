"""Servers that may be killed, and wires to them that may be cut: made once, for one schedule after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from local.stack import embedded as servers
from local.stack.kafka import Kafka
from local.stack.part import Command, Say, chosen_ports, ports
from tests import embedded
from tests.chaos.schedule import SESSION_S, WIRES
from tests.databases import fresh_database, no_fsync
from tests.faults.proxy import Wire


@dataclass(frozen=True)
class Proxied(Kafka):
    """A broker with a listener more for each wire, which sends its clients back over that wire."""

    wires: tuple[Wire, ...] = ()

    def prepare(self, home: Path, environ: Mapping[str, str], say: Say) -> Command:
        command = super().prepare(home, environ, say)
        (beside := home / "wires").mkdir(exist_ok=True)
        broker, controller = chosen_ports(home)
        names = [f"WIRE{number}" for number in range(len(self.wires))]
        listens = [("PLAINTEXT", broker), ("CONTROLLER", controller)]
        listens += zip(names, ports(beside, len(names)), strict=True)
        for wire, (_, port) in zip(self.wires, listens[2:], strict=True):
            wire.server = ("127.0.0.1", port)
        sent_to = [("PLAINTEXT", broker), *zip(names, [wire.port for wire in self.wires], strict=True)]
        changes = {
            "listeners": _joined(listens),
            "advertised.listeners": _joined(sent_to),
            "inter.broker.listener.name": "PLAINTEXT",
            "group.min.session.timeout.ms": f"{SESSION_S * 1_000:.0f}",
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name, _ in listens),
        }
        overrides = [part for name, value in changes.items() for part in ("--override", f"{name}={value}")]
        return msgspec.structs.replace(command, argv=[*command.argv, *overrides])


@dataclass(frozen=True)
class Arena:
    """state: folder of the stack. kafka, server: the direct way there. wires: by name. template: a database."""

    state: Path
    kafka: Mapping[str, str]
    server: str
    wires: Mapping[str, Wire]
    template: str
    model: Path

    def kafka_over(self, number: int) -> dict[str, str]:
        return {**self.kafka, "bootstrap.servers": f"127.0.0.1:{self.wires[f'kafka-{number % 2}'].port}"}

    def database_over(self, number: int, database: str) -> str:
        return self.wires[f"postgres-{number % 2}"].url(database)

    def kill(self, name: str) -> None:
        embedded.kill(name, self.state)

    def coordinator_failures(self) -> int:
        """How often Kafka has given up to load its consumer groups.

        A broker that was killed may do so at its next start (Kafka 4.3.1: "the state machine of the coordinator is
        out of sync with the underlying log"), and then has no group any more until it is started once more.
        """
        log = (self.state / "kafka" / "server.log").read_text(encoding="utf-8", errors="replace")
        return log.count("Failed to load metadata from __consumer_offsets")

    def server_pid(self, name: str) -> int:
        return embedded.pids(self.state)[name]

    def mend(self) -> None:
        """Serve everybody again."""
        for wire in self.wires.values():
            wire.mend()
        embedded.wait(self.state)


@contextmanager
def opened(state: Path, model: Path) -> Iterator[Arena]:
    """Start the servers, and stop them."""
    with ExitStack() as stack:
        wires = {name: stack.enter_context(closing(Wire())) for name in WIRES}
        over_kafka = tuple(wire for name, wire in wires.items() if name.startswith("kafka"))
        vars(servers)["PARTS"] = tuple(
            Proxied(servers.CACHE, wires=over_kafka) if isinstance(part, Kafka) else part for part in servers.PARTS
        )
        environ = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("KAFKA_")}
        addresses = stack.enter_context(servers.running(state, environ))
        parts = urlsplit(addresses.database_url)
        for name in ("postgres-0", "postgres-1"):
            wires[name].server = (parts.hostname or "", parts.port or 5432)
        no_fsync(addresses.database_url)
        template = stack.enter_context(fresh_database(addresses.database_url))
        kafka = {"bootstrap.servers": addresses.bootstrap_servers, "log_level": "2"}
        yield Arena(state, kafka, addresses.database_url, wires, template, model)


def _joined(listeners: list[tuple[str, int]]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners)
