from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from models import artifact, card, storage
from models.artifact import CARD, MODEL, REFERENCE, Model, load, save
from models.reference import columns
from models.taxi import SCORERS
from models.taxi.train import train
from schemas.errors import ModelUnusable, UsageError
from schemas.streams.taxi import OUTCOMES, TRIPS


@pytest.fixture
def place(any_model: Model, tmp_path: Path) -> Path:
    """A copy of an artifact, to be damaged."""
    return Path(shutil.copytree(any_model.path, tmp_path / "model"))


def rewrite(place: Path, **changes: object) -> None:
    """Another card, sealed as it should be."""
    before = card.decode((place / CARD).read_bytes())
    (place / CARD).write_bytes(card.encode(card.seal(replace(before, **changes))))


def printed(code: str, *arguments: Path, **environ: str) -> str:
    """What a fresh Python prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_was_saved_is_what_is_loaded(any_model: Model, place: Path) -> None:
    again = load(place, TRIPS, SCORERS)
    assert again.card == any_model.card
    assert again.hash == any_model.hash
    assert again.reference().equals(any_model.reference())
    trips = columns(any_model.reference(), TRIPS)
    assert again.predict(trips).tobytes() == any_model.predict(trips).tobytes()


def test_one_flipped_bit_of_the_card_is_noticed(place: Path) -> None:
    whole = (place / CARD).read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        (place / CARD).write_bytes(damaged)
        with pytest.raises(ModelUnusable, match="driftline train"):
            load(place)


@pytest.mark.parametrize("name", [MODEL, REFERENCE])
def test_one_flipped_bit_of_a_file_is_noticed(place: Path, name: str) -> None:
    whole = (place / name).read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        (place / name).write_bytes(damaged)
        with pytest.raises(ModelUnusable, match=rf"{name} is damaged.*driftline train"):
            load(place)


@pytest.mark.parametrize("name", [MODEL, REFERENCE, CARD])
def test_a_file_cut_short_or_gone_is_noticed(place: Path, name: str) -> None:
    whole = (place / name).read_bytes()
    (place / name).write_bytes(whole[:-1])
    with pytest.raises(ModelUnusable, match="driftline train"):
        load(place)
    (place / name).unlink()
    with pytest.raises(ModelUnusable, match="driftline train"):
        load(place)


def test_a_reference_damaged_after_loading_is_noticed(place: Path) -> None:
    loaded = load(place)
    (place / REFERENCE).write_bytes(b"PAR1")
    with pytest.raises(ModelUnusable, match="damaged"):
        loaded.reference()


def test_no_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ModelUnusable, match=r"no model in .*nowhere: run `driftline train`, or see `driftline models`"
    ):
        load(tmp_path / "nowhere")


def test_a_model_of_another_stream_or_definition_is_refused(place: Path) -> None:
    with pytest.raises(ModelUnusable, match="another definition of 'outcomes'"):
        load(place, OUTCOMES)
    with pytest.raises(ModelUnusable, match="another definition of 'trips'"):
        load(place, replace(TRIPS, fields=TRIPS.fields[1:]))
    wider = replace(TRIPS.fields[0], type="float" if TRIPS.fields[0].type != "float" else "int")
    with pytest.raises(ModelUnusable, match=f"with other columns: {wider.name}: "):
        load(place, replace(TRIPS, fields=(wider, *TRIPS.fields[1:])))


def test_a_model_is_still_of_a_stream_whose_bounds_have_changed(place: Path) -> None:
    wider = tuple(replace(field, low=None, high=None, unit=None) for field in TRIPS.fields)
    assert load(place, replace(TRIPS, fields=wider), SCORERS).hash == load(place).hash


def test_a_format_of_the_future_is_refused(place: Path) -> None:
    rewrite(place, format=card.FORMAT + 1)
    with pytest.raises(ModelUnusable, match=f"format {card.FORMAT + 1}"):
        load(place, TRIPS, SCORERS)


def test_a_file_that_is_whole_but_no_model_is_refused(place: Path) -> None:
    (place / MODEL).write_bytes(b"anything")
    before = card.decode((place / CARD).read_bytes())
    rewrite(place, files={**before.files, MODEL: artifact.sha256(b"anything").hexdigest()})
    with pytest.raises(ModelUnusable, match="cannot be read"):
        load(place, TRIPS, SCORERS)


def test_a_model_of_the_other_kind_under_this_card_is_refused(place: Path) -> None:
    before = card.decode((place / CARD).read_bytes())
    rewrite(place, kind="tutorial" if before.kind == "default" else "default")
    with pytest.raises(ModelUnusable, match="cannot be read"):
        load(place, TRIPS, SCORERS)


def test_only_a_model_is_replaced(model: Model, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("three years of work")
    with pytest.raises(UsageError, match="exists and is not a model"):
        save(tmp_path, model.card, model.scorer, model.reference())
    assert (tmp_path / "thesis.tex").read_text() == "three years of work"


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_full_disk_leaves_the_old_model_in_place(
    tutorial: Model, model: Model, place: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = load(place).hash
    rename = Path.rename

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def not_the_new(self: Path, target: Path) -> Path:
        return full() if self.name == "new" else rename(self, target)  # type: ignore[func-returns-value]

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "rename", not_the_new)
    with pytest.raises(ModelUnusable, match="No space left"):
        save(place, model.card, model.scorer, model.reference())
    assert load(place).hash == before
    assert [path.name for path in place.parent.iterdir()] == [place.name]


@pytest.mark.parametrize("values", [["a", "b"], [], [[1.0]], [-1, 300]])
def test_arrays_of_any_other_shape_or_type_are_no_model(place: Path, values: list[Any]) -> None:
    arrays = {name: np.array(values) for name in load(place, TRIPS, SCORERS).scorer.arrays()}
    (place / MODEL).write_bytes(storage.dump(arrays))
    before = card.decode((place / CARD).read_bytes())
    rewrite(place, files={**before.files, MODEL: artifact.sha256((place / MODEL).read_bytes()).hexdigest()})
    with pytest.raises(ModelUnusable, match="cannot be read"):
        load(place, TRIPS, SCORERS)


def test_the_same_trips_give_the_same_bytes_in_another_process_with_more_threads(
    model: Model, trips: pa.Table, tmp_path: Path
) -> None:
    pa.parquet.write_table(trips, tmp_path / "trips.parquet")
    code = (
        "import sys, pathlib, pyarrow.parquet as pq; from models.taxi.train import train\n"
        "place = pathlib.Path(sys.argv[1])\n"
        "print(train(pq.read_table(place / 'trips.parquet'), out=place / 'again', source='made up').hash)"
    )
    threads = {
        "OMP_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "passive",
        "OPENBLAS_NUM_THREADS": "2",
        "PYTHONHASHSEED": "99",
    }
    assert printed(code, tmp_path, **threads) == model.hash
    for name in (CARD, MODEL, REFERENCE):
        assert (tmp_path / "again" / name).read_bytes() == (model.path / name).read_bytes()


def test_other_trips_give_another_hash(tutorial: Model, trips: pa.Table, tmp_path: Path) -> None:
    other = train(trips.slice(1), kind="tutorial", out=tmp_path / "m", source="made up")
    assert other.hash != tutorial.hash


def test_loading_and_scoring_need_no_scikit_learn(model: Model) -> None:
    """A consumer starts in a fraction of a second; with scikit-learn and skops it would take four more."""
    code = (
        "import sys, pathlib; from models.artifact import load; from models.reference import columns\n"
        "from models.taxi import SCORERS; from schemas.streams.taxi import TRIPS\n"
        "model = load(pathlib.Path(sys.argv[1]), TRIPS, SCORERS)\n"
        "model.predict(columns(model.reference(), TRIPS))\n"
        "print(sorted({'sklearn', 'scipy', 'skops'} & set(sys.modules)))"
    )
    assert printed(code, model.path) == "[]"


def test_the_card_can_be_read_by_people_and_programs(any_model: Model) -> None:
    written = msgspec.json.decode((any_model.path / CARD).read_bytes())
    assert written["source"] == "made up"
    assert written["hash"] == any_model.hash
    assert set(written["files"]) == {MODEL, REFERENCE}
    assert set(written["versions"]) == {"numpy", "scikit-learn", "skops"}
    assert written["errors"]["mae"] > 0


def test_a_reference_alone_is_an_artifact_of_a_stream_that_brings_its_predictions(
    model: Model, tmp_path: Path
) -> None:
    bare = replace(model.card, kind=card.REFERENCE_ONLY, inputs=(), target=None, target_range=None, errors=None)
    made = save(tmp_path / "m", bare, None, model.reference())
    again = load(tmp_path / "m", TRIPS, SCORERS)
    assert again.card == made.card
    assert set(again.card.files) == {REFERENCE}
    assert again.reference().equals(model.reference())
    assert again.card.mae is None
    with pytest.raises(ModelUnusable, match="a reference but no model"):
        again.predict(columns(again.reference(), TRIPS))


def test_a_kind_that_the_program_was_not_handed_is_named(place: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"of kind '\w+'; this program supports other"):
        load(place, TRIPS, {"other": SCORERS["default"]})
