"""docker-compose.yml and its TLS override, as compose reads them: variables filled in, files put together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from runtime.connections import ROOT

BASE, TLS = "docker-compose.yml", "docker-compose.tls.yml"
FILES = (BASE, TLS)

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<operator>:?[-?])(?P<rest>[^}]*))?\}")
"""`${NAME:-default}`, `${NAME:?complaint}` and so on."""

_REPLACED = {"command", "entrypoint", "test"}
"""Lists that an override replaces; others it adds to."""


def text(name: str) -> str:
    return (ROOT / name).read_text()


def variables(name: str) -> Iterator[re.Match[str]]:
    """Every use of a variable in the file, comments aside."""
    lines = [re.sub(r"(^|\s)#.*", "", line) for line in text(name).splitlines()]
    return VARIABLE.finditer("\n".join(lines))


def load(name: str, environ: Mapping[str, str] = {}) -> dict[str, Any]:
    """One file. A variable that has neither value nor default is its own name in small letters."""

    def value(match: re.Match[str]) -> str:
        default = match["rest"] if (match["operator"] or "").endswith("-") else match["name"].lower()
        return environ.get(match["name"]) or default

    found: dict[str, Any] = yaml.safe_load(VARIABLE.sub(value, text(name)))
    return found


def merged(*names: str) -> dict[str, Any]:
    """Files laid over one another as compose does it."""
    whole: dict[str, Any] = {}
    for name in names:
        whole = _over(whole, load(name))
    return whole


def _over(below: Any, above: Any, key: str = "") -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {name: _over(below.get(name), each, name) for name, each in above.items()}
    if isinstance(below, list) and isinstance(above, list) and key not in _REPLACED:
        return below + above
    return above
