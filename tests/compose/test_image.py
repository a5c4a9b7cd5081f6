"""What goes into the image: the runtime's dependencies, by hash, and our code without its tests."""

from __future__ import annotations

import re
import tomllib

from runtime.connections import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LET_IN = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}


def locked(name: str) -> dict[str, str]:
    """Package and marker → the whole entry, with its hashes."""
    entries = re.split(r"\n(?=\w)", (ROOT / name).read_text().strip())
    return {entry.split(" \\")[0]: entry for entry in entries}


def plain(requirement: str) -> str:
    return re.split(r"[\[<>=; ]", requirement)[0].lower()


def names(entries: dict[str, str]) -> set[str]:
    return {plain(entry) for entry in entries}


def test_the_image_installs_what_the_checkout_does_with_the_same_hashes() -> None:
    ours, whole = locked("requirements-image.lock"), locked("requirements.lock")
    assert {name: entry for name, entry in ours.items() if whole.get(name) != entry} == {}
    assert all("--hash=sha256:" in entry for entry in ours.values())


def test_the_image_has_every_dependency_and_none_that_only_tests_or_the_embedded_stack_need() -> None:
    ours = names(locked("requirements-image.lock"))
    assert {plain(each) for each in PROJECT["project"]["dependencies"]} <= ours
    groups = {plain(each) for group in PROJECT["dependency-groups"].values() for each in group}
    # pyyaml comes with Evidently.
    assert groups & ours == {"pyyaml"}


def test_every_package_of_ours_is_in_the_image() -> None:
    packages = set(PROJECT["tool"]["importlinter"]["root_packages"])
    assert packages <= LET_IN
    assert "tests" not in LET_IN
    assert ".git" not in LET_IN


def test_nobody_in_the_image_is_root() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)[-1] == "10001:10001"
    assert DOCKERFILE.count("--require-hashes") == 1


def test_what_cannot_be_had_without_a_registry_is_not_asked_for() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"python:3.13-slim-trixie"}
    assert not re.search(r"# *syntax|@sha256:", DOCKERFILE)
