from __future__ import annotations

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression

from models import storage

ARRAYS = {"b": np.arange(6, dtype=np.uint8).reshape(2, 3), "a": np.array([1.5, -0.0, 1e300])}


def test_reading_gives_what_was_written() -> None:
    read = storage.load(storage.dump(ARRAYS))
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_skops_itself_reads_it_and_need_trust_nothing() -> None:
    data = storage.dump(ARRAYS)
    assert skops.io.get_untrusted_types(data=data) == []
    read = skops.io.loads(data)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)


def test_the_same_arrays_give_the_same_bytes() -> None:
    copies = {name: array.copy() for name, array in ARRAYS.items()}
    assert storage.dump(copies) == storage.dump(ARRAYS)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"{}",
        skops.io.dumps(LinearRegression()),
        skops.io.dumps([1, 2]),
        skops.io.dumps({"a": 1}),
    ],
)
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a skops file|only arrays"):
        storage.load(data)


def test_a_damaged_file_is_a_value_error_or_reads_as_arrays() -> None:
    whole = storage.dump(ARRAYS)
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        try:
            storage.load(bytes(damaged))
        except ValueError:
            continue
