"""The import contracts cover what they speak of: a module that is added later is in them, too."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator

from runtime.connections import ROOT

LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
GUESTS = ("cli", "local.demo", "local.dummy", "models.taxi", "producer.sources", "schemas.json", "schemas.streams")
"""Rooms that may know taxi."""


def modules() -> Iterator[tuple[str, str]]:
    """(name, docstring) of every module of ours that is no package."""
    for room in LINTER["root_packages"]:
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.name != "__init__.py":
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield name, ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def sources(beginning: str) -> list[str]:
    """The modules of the contract whose name begins so."""
    (found,) = (c["source_modules"] for c in LINTER["contracts"] if c["name"].startswith(beginning))
    return list(found)


def is_in(module: str, rooms: list[str] | tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def test_every_module_outside_of_the_guests_rooms_is_kept_from_them() -> None:
    kept = sources("Only the packages of the taxi stream")
    assert [name for name, _ in modules() if not is_in(name, GUESTS) and not is_in(name, kept)] == []


def test_every_module_that_calls_itself_pure_is_checked() -> None:
    pure = sources("Pure modules")
    assert [name for name, doc in modules() if re.search(r"\bPure\b", doc) and not is_in(name, pure)] == []
