from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from local.stack import jars
from local.stack.jars import Jar
from schemas.errors import StackBroken


@pytest.fixture
def jar() -> Jar:
    return Jar("org.example", "thing", "1.0", hashlib.sha256(b"genuine").hexdigest())


def put(repo: Path, jar: Jar, content: bytes) -> Path:
    path = repo / jar.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_every_pinned_jar_has_a_whole_sha256_and_comes_once():
    pinned = jars.pinned()
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in pinned)
    assert len({(jar.group, jar.artifact) for jar in pinned}) == len(pinned) > 40
    assert Jar("org.apache.kafka", "kafka_2.13", jars.VERSION, pinned[0].sha256) == pinned[0]


def test_a_jar_lies_where_maven_keeps_it(jar):
    assert jar.path == Path("org/example/thing/1.0/thing-1.0.jar")


def test_a_jar_as_pinned_is_taken(jar, tmp_path):
    path = put(tmp_path / "repo", jar, b"genuine")
    assert jars.install([jar], tmp_path / "repo", tmp_path / "cache") == (path,)


def test_a_jar_whose_sha256_differs_is_refused(jar, tmp_path):
    put(tmp_path / "repo", jar, b"changed")
    with pytest.raises(StackBroken, match=r"is not the thing 1\.0 that is pinned"):
        jars.install([jar], tmp_path / "repo", tmp_path / "cache")


def test_a_jar_that_changed_after_it_was_checked_is_refused(jar, tmp_path):
    path = put(tmp_path / "repo", jar, b"genuine")
    jars.install([jar], tmp_path / "repo", tmp_path / "cache")
    path.write_bytes(b"changed")  # same length
    with pytest.raises(StackBroken):
        jars.install([jar], tmp_path / "repo", tmp_path / "cache")


def test_a_jar_that_was_checked_is_not_read_again(jar, tmp_path, monkeypatch):
    put(tmp_path / "repo", jar, b"genuine")
    jars.install([jar], tmp_path / "repo", tmp_path / "cache")
    monkeypatch.setattr(jars, "_refuse_unless", lambda *_: pytest.fail("read again"))
    jars.install([jar], tmp_path / "repo", tmp_path / "cache")


def test_another_pin_for_the_same_file_is_checked_anew(jar, tmp_path):
    put(tmp_path / "repo", jar, b"genuine")
    jars.install([jar], tmp_path / "repo", tmp_path / "cache")
    other = Jar(jar.group, jar.artifact, jar.version, hashlib.sha256(b"other").hexdigest())
    with pytest.raises(StackBroken):
        jars.install([other], tmp_path / "repo", tmp_path / "cache")


def test_without_a_network_the_operator_is_told_what_to_do(jar, tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with pytest.raises(StackBroken, match=r"could not fetch .* check the network"):
        jars.install([jar], tmp_path / "repo", tmp_path / "cache")
    assert not list((tmp_path / "repo").iterdir())


def test_it_is_said_how_far_the_jars_are(tmp_path, monkeypatch):
    several = [Jar("org.example", f"thing{n}", "1.0", hashlib.sha256(b"genuine").hexdigest()) for n in range(23)]
    monkeypatch.setattr(jars, "_fetch_one", lambda jar, _, repo: put(repo, jar, b"genuine"))
    said: list[str] = []
    jars.install(several, tmp_path / "repo", tmp_path / "cache", said.append)
    assert said[0].startswith("fetching 23 jars")
    assert said[1:] == ["fetched 10 of 23 jars", "fetched 20 of 23 jars"]


def test_a_repository_that_cannot_be_written_is_reported(jar, tmp_path):
    (tmp_path / "repo").write_text("a file, not a folder")
    with pytest.raises(StackBroken, match="could not fetch"):
        jars.install([jar], tmp_path / "repo", tmp_path / "cache")


def test_damaged_memory_is_forgotten(jar, tmp_path):
    put(tmp_path / "repo", jar, b"genuine")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "jars.json").write_text('["half a')
    jars.install([jar], tmp_path / "repo", tmp_path / "cache")


def test_mavens_repository_can_be_moved():
    assert jars.repository({"M2_REPO": "/elsewhere"}) == Path("/elsewhere")
    assert jars.repository({}) == Path(os.path.expanduser("~/.m2/repository"))
