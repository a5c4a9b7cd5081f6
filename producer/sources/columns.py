"""Conversion of columns whatever their stored type: integers stored as floats or text, times as text, all nulls.

Each function returns a column of one fixed type, as long as the one given; what cannot be read becomes null.
Pure: pyarrow in, pyarrow out.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_TIME = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}"
_FORMAT = "%Y-%m-%d %H:%M:%S"
_EXACT = float(2**53)
"""Whole numbers beyond are not told apart by a float."""


def numbers(column: pa.Array) -> pa.Array:
    """Decimals: float64, NaN as null."""
    column = _plain(column)
    if pa.types.is_string(column.type):
        text = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.match_substring_regex(text, _NUMBER), text, None)
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif not _is_numeric(column.type):
        return pa.nulls(len(column), pa.float64())
    values = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(values), None, values)


def whole(column: pa.Array) -> pa.Array:
    """Whole numbers: int64; 1.5 cannot be read."""
    column = _plain(column)
    if pa.types.is_integer(column.type) and column.type != pa.uint64():
        return column.cast(pa.int64())
    values = numbers(column)
    exact = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), _EXACT))
    return pc.if_else(exact, values, None).cast(pa.int64())


def text(column: pa.Array) -> pa.Array:
    """Text: string, trimmed; an empty one says nothing and is null."""
    trimmed = pc.utf8_trim_whitespace(_plain(column).cast(pa.string()))
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def times(column: pa.Array) -> pa.Array:
    """Wall time, written as if it were UTC: int64, ms since the epoch. A zone is dropped, the wall time kept.

    Raises ValueError for a column whose type is not a time.
    """
    column = _plain(column)
    if pa.types.is_string(column.type):
        column = _stamps(pc.if_else(pc.match_substring_regex(column, _TIME), column, None))
    elif pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    elif not (pa.types.is_temporal(column.type) or pa.types.is_null(column.type)):
        raise ValueError(f"{column.type} is not a time")
    return column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())


READERS = {"int": whole, "float": numbers, "str": text}
"""By the type of a field in the stream's definition."""


def missing(column: pa.Array) -> int:
    """Values that are null or NaN."""
    column = _plain(column)
    nans = pc.sum(pc.is_nan(column)).as_py() if pa.types.is_floating(column.type) else 0
    return int(column.null_count + (nans or 0))


def _stamps(texts: pa.Array) -> pa.Array:
    """`2022-02-01 00:20:21`, also with a T and with what follows the seconds; 31 February is null."""
    texts = pc.replace_substring(pc.utf8_slice_codeunits(texts, 0, 19), "T", " ")
    stamps = pc.strptime(texts, format=_FORMAT, unit="s", error_is_null=True)
    return pc.if_else(pc.equal(pc.strftime(stamps, _FORMAT), texts), stamps, None)


def _plain(column: pa.Array) -> pa.Array:
    """Without dictionary encoding, and with one of Arrow's three kinds of text only."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column


def _is_numeric(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    return any(test(kind) for test in tests)
