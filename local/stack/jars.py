"""Apache Kafka's published jars: pinned by `jars.txt`, fetched by jgo, refused when their sha256 differs.

They lie where Maven keeps them (`M2_REPO`, else `~/.m2/repository`), so that all checkouts share them. What was
checked once is remembered by size and time of change, and not read again at the next start.

`python -m local.stack.jars` resolves Kafka's dependencies anew and prints the list.
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.connections import make_folder
from schemas.errors import StackBroken

VERSION = "4.3.1"
LIST = Path(__file__).parent / "jars.txt"
ROOTS = (f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36")
"""Kafka, and a log backend, which it does not bring: without one it dies in silence."""
AT_ONCE = 8
SAID = 10
"""After so many jars it is said how many there are."""
_BUNDLE = "REQUESTS_CA_BUNDLE"


@dataclass(frozen=True)
class Jar:
    """One pinned artifact: its Maven coordinates and the sha256 of its file, in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Its path below a Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar")


def pinned(path: Path = LIST) -> tuple[Jar, ...]:
    """Read the list of jars, in class path order."""
    return tuple(
        map(_parse, (line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")))
    )


def _parse(line: str) -> Jar:
    sha256, coordinates = line.split()
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, sha256)


def repository(environ: Mapping[str, str]) -> Path:
    """Return Maven's local repository."""
    return Path(environ.get("M2_REPO") or Path.home() / ".m2" / "repository").absolute()


def install(
    jars: Iterable[Jar], repo: Path, cache: Path, say: Callable[[str], None] = lambda text: None
) -> tuple[Path, ...]:
    """Fetch missing jars, check each against its pinned sha256, and return all paths. Raises StackBroken."""
    jars = tuple(jars)
    if missing := [jar for jar in jars if not (repo / jar.path).is_file()]:
        say(f"fetching {len(missing)} jars of Apache Kafka {VERSION} (45 MB in all)")
        fetch(missing, repo, say)
    check(jars, repo, cache / "jars.json")
    return tuple(repo / jar.path for jar in jars)


def fetch(jars: Sequence[Jar], repo: Path, say: Callable[[str], None]) -> None:
    """Fetch jars, and say now and then how many are there. Raises StackBroken if that fails."""
    import requests  # noqa: PLC0415  (jgo's; with jgo it takes 0.5 s, and only the first start needs it)

    try:
        repo.mkdir(parents=True, exist_ok=True)
        try:
            _fetch_all(jars, repo, say)
        except requests.exceptions.SSLError:
            with _certificates_of_the_system():  # requests trusts its own list; an office's proxy is not on it
                _fetch_all(jars, repo, say)
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors, jgo's own RuntimeErrors
        raise StackBroken(
            f"could not fetch Apache Kafka's jars from Maven Central into {repo} ({_brief(error)})",
            "check the network and the disk and try again, or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours",
        ) from error


def _brief(error: Exception) -> str:
    """Without the chain of causes that requests puts into its texts."""
    text = str(error)
    return text if len(text) < 100 else f"{type(error).__name__}, …{text[-80:]}"  # the cause stands at the end


def _fetch_all(jars: Sequence[Jar], repo: Path, say: Callable[[str], None]) -> None:
    """Download beside the repository, then move whole files in: an interrupted download leaves nothing there."""
    import jgo.maven  # noqa: PLC0415

    with (
        tempfile.TemporaryDirectory(prefix=".driftline-", dir=repo) as staging,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        context = jgo.maven.MavenContext(repo_cache=Path(staging), timeout=20)
        try:
            for n, _ in enumerate(pool.map(lambda jar: _fetch_one(jar, context, repo), jars), 1):
                if n % SAID == 0 and n < len(jars):
                    say(f"fetched {n} of {len(jars)} jars")
        finally:
            pool.shutdown(cancel_futures=True)  # one failure is enough


@contextmanager
def _certificates_of_the_system() -> Iterator[None]:
    paths = ssl.get_default_verify_paths()
    before = os.environ.get(_BUNDLE)
    os.environ[_BUNDLE] = paths.cafile or paths.capath or ""
    try:
        yield
    finally:
        del os.environ[_BUNDLE]
        if before is not None:
            os.environ[_BUNDLE] = before


def _fetch_one(jar: Jar, context: Any, repo: Path) -> None:
    staged = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    _refuse_unless(jar, staged)
    (repo / jar.path).parent.mkdir(parents=True, exist_ok=True)
    os.replace(staged, repo / jar.path)


def check(jars: Iterable[Jar], repo: Path, memory: Path) -> None:
    """Check each jar against its sha256, unless the same file was checked before. Raises StackBroken."""
    known = _remembered(memory)
    now = {str(repo / jar.path): [jar.sha256, *_stamp(repo / jar.path)] for jar in jars}
    changed = [jar for jar in jars if known.get(path := str(repo / jar.path)) != now[path]]
    for jar in changed:
        _refuse_unless(jar, repo / jar.path)
    if changed:
        make_folder(memory.parent)
        memory.write_text(json.dumps(now), encoding="utf-8")


def _remembered(memory: Path) -> dict[str, Any]:
    try:
        found = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _refuse_unless(jar: Jar, path: Path) -> None:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != jar.sha256:
        raise StackBroken(
            f"{path} is not the {jar.artifact} {jar.version} that is pinned (its sha256 is {sha256})",
            "delete it and try again; if it comes back, ask who changes it on its way",
        )


def _resolved() -> Iterable[str]:
    """Resolve Kafka's dependencies, hash them, and return the lines of `jars.txt`."""
    import jgo  # noqa: PLC0415

    artifacts = {str(artifact): artifact for root in ROOTS for artifact in jgo.resolve(root)}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        paths = list(pool.map(lambda artifact: artifact.resolve(), artifacts.values()))
    for artifact, path in zip(artifacts.values(), paths, strict=True):
        yield f"{hashlib.sha256(path.read_bytes()).hexdigest()} {artifact.component}"


if __name__ == "__main__":
    print("# sha256 and coordinates of Apache Kafka's jars, written by `make lock`")
    print("\n".join(_resolved()))
