"""The compose files, brought up as a project of the tests' own, beside whatever else runs here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cli.env import filled
from runtime.connections import ROOT
from tests import fleet
from tests.composed import BASE, FILES, merged

PORTS = ("KAFKA_PORT", "POSTGRES_PORT", "BOARD_PORT", "GRAFANA_PORT", "ADMINER_PORT")
_OTHERS = ("DRIFTLINE_", "KAFKA_", "POSTGRES_", "GRAFANA_", "COMPOSE_", "DATABASE_URL")
"""What the operator has set for other purposes."""


def docker(*arguments: str, check: bool = True, **more: Any) -> str:
    """Its output. Raises AssertionError with what it complained of."""
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True, **more)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}\n{done.stderr[-3_000:]}"
    return done.stdout.strip()


def trouble() -> str:
    """Why there is no engine to be used; '' where one answers."""
    try:
        done = subprocess.run(["docker", "version"], check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no Docker engine answers ({error})"
    if done.returncode:
        return f"no Docker engine answers ({(done.stderr.splitlines() or ['no reason given'])[-1]})"
    return ""


def stands_in(image: str) -> bool:
    """Whether this is a substitute of that name, made on this machine."""
    label = '{{index .Config.Labels "driftline.stand-in"}}'
    return docker("image", "inspect", "--format", label, image, check=False) == "true"


def is_here(image: str) -> bool:
    return bool(docker("image", "inspect", "--format", "{{.Id}}", image, check=False))


def can_be_had(image: str) -> bool:
    """Whether it is here, or came when it was asked for."""
    pull = ["docker", "pull", "--quiet", image]
    return is_here(image) or subprocess.run(pull, check=False, capture_output=True).returncode == 0


def images(services: Mapping[str, Any]) -> set[str]:
    """Of others: all but our own."""
    return {service["image"] for service in services.values() if not service["image"].startswith("driftline:")}


def free_ports(names: Sequence[str]) -> dict[str, str]:
    with ExitStack() as held:
        sockets = {name: held.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        return {name: str(each.getsockname()[1]) for name, each in sockets.items()}


def eventually(condition: Callable[[], Any], complaint: Callable[[], str]) -> Any:
    """Asks twice a second: most answers take a process, which those who are waited for would have to wait for."""
    return fleet.eventually(condition, complaint, every_s=0.5)


class Project:
    """files: of compose, one over the other. variables: in the place of .env.example's; it has passwords."""

    def __init__(self, name: str, files: Sequence[str], folder: Path, variables: Mapping[str, str]) -> None:
        self.name, self._files = name, files
        self._env_file = folder / ".env"
        text = filled((ROOT / ".env.example").read_text())
        self.variables = dict(line.split("=", 1) for line in text.splitlines() if line and line[0] != "#")
        self.variables |= free_ports(PORTS) | dict(variables)
        services = merged(*files)["services"]
        self.missing = {image for image in images(services) if not can_be_had(image)}
        self.services = [
            name for name, s in services.items() if s["image"] not in self.missing and "profiles" not in s
        ]

    def compose(self, *arguments: str, check: bool = True, **more: Any) -> str:
        return docker(*self.command(*arguments)[1:], check=check, cwd=ROOT, env=_environ(), **more)

    def command(self, *arguments: str) -> list[str]:
        """For who wants to start it without waiting."""
        self._env_file.write_text("".join(f"{name}={value}\n" for name, value in self.variables.items()))
        files = [word for name in self._files for word in ("-f", str(ROOT / name))]
        return ["docker", "compose", "-p", self.name, "--env-file", str(self._env_file), *files, *arguments]

    def up(self, *options: str) -> None:
        """Until all that can be had is healthy."""
        arguments = ("up", "--detach", "--wait", "--wait-timeout", "420", "--pull", "never", *options)
        self.compose(*arguments, *self.services)

    def down(self) -> None:
        """With its volumes. Raises AssertionError when something is left."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20")
        mine = ("--quiet", "--filter", f"label=com.docker.compose.project={self.name}")
        left = [docker(kind, "ls", *mine) for kind in ("volume", "network")] + [docker("ps", "--all", *mine)]
        assert not any(left), left

    def states(self, *services: str) -> list[dict[str, Any]]:
        """Of every container, ended ones too."""
        lines = self.compose("ps", "--all", "--format", "json", *services).splitlines()
        return [json.loads(line) for line in lines]

    def healthy(self, *services: str) -> None:
        """Wait until these are."""
        eventually(
            lambda: all(state["Health"] == "healthy" for state in self.states(*services)),
            lambda: f"{self.states(*services)}\n{self.logs(*services)}",
        )

    def ended(self, service: str) -> bool:
        """Whether all its containers did, and well. Raises AssertionError when one failed."""
        states = self.states(service)
        over = [state["ExitCode"] for state in states if state["State"] == "exited"]
        assert not any(over), f"{service} ended with {over}\n{self.logs(service)}"
        return len(over) == len(states) > 0

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--tail", "30", "--no-color", *services, check=False)[-6_000:]

    def kafka(self) -> dict[str, str]:
        """librdkafka settings of a client on this machine."""
        return {"bootstrap.servers": f"127.0.0.1:{self.variables['KAFKA_PORT']}"}

    def database(self, role: str = "driftline", variable: str = "DRIFTLINE_WRITER_PASSWORD") -> str:
        """URL for a client on this machine."""
        password, port = self.variables[variable], self.variables["POSTGRES_PORT"]
        return f"postgresql://{role}:{password}@127.0.0.1:{port}/driftline"


@contextmanager
def running(name: str, files: Sequence[str], folder: Path, **variables: str) -> Iterator[Project]:
    """Built, up and healthy; taken down afterwards, whatever happened."""
    project = Project(f"{name}-{os.getpid()}", files, folder, variables)
    try:
        project.compose("build", "--quiet")
        project.up()
        yield project
    except BaseException:
        print(project.logs())
        raise
    finally:
        project.down()


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}


def report() -> Iterator[str]:
    """What was not the real thing."""
    named = sorted(images(merged(*FILES)["services"]))
    stand_ins = [image for image in named if stands_in(image)]
    missing = [image for image in named if not is_here(image)]
    if stand_ins:
        yield f"stand-ins of these names, made on this machine, not the published images: {', '.join(stand_ins)}"
    if missing:
        yield f"cannot be had here, so their services of {BASE} were left out: {', '.join(missing)}"
