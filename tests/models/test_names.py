"""Artifacts lie under their hash and names point to them: none is lost, a name always stands for a whole one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from models.artifact import CARD, Model, load, publish, save
from models.names import Artifact, find, find_by_prefix, link, list_artifacts, remove, resolve_name
from schemas.errors import ModelUnusable, UsageError


def put(name: Path, model: Model) -> Model:
    return publish(name, model.card, model.scorer, model.reference())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def test_a_model_that_is_trained_anew_keeps_the_one_before(folder: Path, model: Model, tutorial: Model) -> None:
    first, second = put(folder / "default", model), put(folder / "default", tutorial)
    assert load(folder / "default").hash == second.hash
    assert load(folder / first.hash).hash == first.hash
    assert {a.hash: a.names for a in list_artifacts(folder)} == {first.hash: (), second.hash: ("default",)}
    assert sorted(path.name for path in folder.iterdir()) == sorted(["default", first.hash, second.hash])


def test_the_same_model_again_changes_nothing(folder: Path, model: Model) -> None:
    put(folder / "default", model)
    before = (folder / model.hash / CARD).stat().st_mtime_ns
    put(folder / "default", model)
    assert (folder / model.hash / CARD).stat().st_mtime_ns == before
    assert len(list_artifacts(folder)) == 1


def test_a_folder_of_an_earlier_version_is_kept_under_its_hash(folder: Path, model: Model, tutorial: Model) -> None:
    shutil.copytree(model.path, folder / "default")
    assert [a.names for a in list_artifacts(folder)] == [("default",)]
    put(folder / "default", tutorial)
    assert load(folder / "default").hash == tutorial.hash
    assert load(folder / model.hash).hash == model.hash
    assert (folder / "default").is_symlink()


def test_a_folder_that_is_replaced_is_kept_beside(tmp_path: Path, model: Model, tutorial: Model) -> None:
    for one in (model, tutorial, tutorial):
        save(tmp_path / "mine", one.card, one.scorer, one.reference())
    assert load(tmp_path / "mine").hash == tutorial.hash
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["mine", model.hash])


def test_where_links_cannot_be_made_a_file_holds_the_hash(
    folder: Path, model: Model, tutorial: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for one in (model, tutorial):
        put(folder / "default", one)
        assert (folder / "default").read_text(encoding="utf-8").strip() == one.hash
        assert load(folder / "default").hash == one.hash
    assert [a.names for a in list_artifacts(folder) if a.names] == [("default",)]


@pytest.mark.parametrize("old_layout", [False, True])
@pytest.mark.parametrize("step", ["rename", "replace", "symlink", "unlink"])
def test_killed_anywhere_a_default_is_left_that_works(
    folder: Path, model: Model, tutorial: Model, step: str, old_layout: bool
) -> None:
    """Kill a process right after the n-th time that it changed the folder in this way, for every n."""
    shutil.copytree(tutorial.path, folder / tutorial.hash)
    code = (
        "import os, signal, sys; from pathlib import Path; from models.names import link\n"
        "place, hash, step, left = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])\n"
        "real = getattr(os, step)\n"
        "def then_die(*args, **more):\n"
        "    global left\n"
        "    real(*args, **more); left -= 1\n"
        "    if left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "setattr(os, step, then_die)\n"
        "link(place, hash)\n"
    )
    for count in range(1, 6):
        for path in folder.iterdir():
            if path.is_symlink():
                path.unlink()
            elif path.name != tutorial.hash:
                shutil.rmtree(path)
        shutil.copytree(model.path, folder / ("default" if old_layout else model.hash))
        if not old_layout:
            link(folder / "default", model.hash)
        asked = [sys.executable, "-c", code, str(folder / "default"), tutorial.hash, step, str(count)]
        done = subprocess.run(asked, check=False)
        assert load(folder / "default").hash in (model.hash, tutorial.hash)
        assert model.hash in {a.hash for a in list_artifacts(folder)}
        if done.returncode != -signal.SIGKILL:
            assert load(folder / "default").hash == tutorial.hash
            return
    raise AssertionError("it never ended by itself")


def test_a_model_is_found_by_folder_name_and_hash(folder: Path, model: Model, tutorial: Model) -> None:
    for one in (model, tutorial):
        put(folder / one.card.kind, one)
    assert find(folder / "default") == folder / "default"
    assert load(find(Path("tutorial"), folder)).hash == tutorial.hash
    for characters in (4, 8, 64):
        assert load(find(Path(model.hash[:characters]), folder)).hash == model.hash
    assert find_by_prefix("", folder) == ()
    with pytest.raises(UsageError, match="no model begins with abcdef012345"):
        find(Path("abcdef012345"), folder)
    with pytest.raises(ModelUnusable, match="there is no model in elsewhere"):
        load(find(Path("elsewhere"), folder))


def test_too_few_characters_of_a_hash_are_said(folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(model.path, folder / "one")
    (one,) = list_artifacts(folder)
    other = Artifact(folder / "two", replace(one.card, hash=one.hash[:8] + "0" * 56), ())
    monkeypatch.setattr("models.names.list_artifacts", lambda _: [one, other])
    with pytest.raises(UsageError, match=f"2 models begin with {one.hash[:8]}: give more"):
        find(Path(one.hash[:8]), folder)


def test_what_is_removed_takes_its_names_along_and_nothing_else(
    folder: Path, model: Model, tutorial: Model
) -> None:
    for name, one in (("default", model), ("demo-x", model), ("tutorial", tutorial)):
        put(folder / name, one)
    (gone,) = (a for a in list_artifacts(folder) if a.hash == model.hash)
    remove(gone)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["tutorial", tutorial.hash])


def test_a_name_that_points_to_nothing_says_what_to_do(folder: Path) -> None:
    folder.mkdir()
    link(folder / "default", "0" * 64)
    assert resolve_name(folder / "default") == folder / ("0" * 64)
    with pytest.raises(ModelUnusable, match="driftline train"):
        load(folder / "default")


def test_a_loaded_model_keeps_its_reference_when_the_name_moves_on(
    folder: Path, model: Model, tutorial: Model
) -> None:
    put(folder / "default", model)
    loaded = load(folder / "default")
    put(folder / "default", tutorial)
    assert loaded.reference().equals(model.reference())


def test_a_folder_that_nobody_may_write_to_is_said(folder: Path, model: Model) -> None:
    if os.geteuid() == 0:
        folder.parent.mkdir(exist_ok=True)
        folder.write_text("a file in its place", encoding="utf-8")
    else:
        folder.mkdir(mode=0o500)
    with pytest.raises((ModelUnusable, UsageError)):
        put(folder / "default", model)
