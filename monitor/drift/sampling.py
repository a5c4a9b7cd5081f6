"""Which rows stand for a window that is too large. Pure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa


def sample(window: pa.Table, id_field: str, max_rows: int) -> pa.Table:
    """Sample a window by a hash of its ids: always the same rows, in the order they had.

    Events and labels of one id are both in the sample or both outside, as far as both windows hold the same ids.

    Args:
        window: Rows of one window.
        id_field: The column of ids.
        max_rows: The size of the sample; a smaller window is returned as it is.
    """
    if window.num_rows <= max_rows:
        return window
    hashes = pd.util.hash_array(window[id_field].to_numpy().astype(object), categorize=False)
    limit = np.partition(hashes, max_rows - 1)[max_rows - 1]
    return window.filter(pa.array(hashes <= limit))
