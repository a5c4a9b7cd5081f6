"""Everything about the reference that does not depend on the window, computed once."""

from __future__ import annotations

import pyarrow as pa

from monitor.figures import Config
from schemas.definition import Stream


class Reference:
    """The reference side of every figure, prepared."""

    @classmethod
    def prepare(cls, table: pa.Table, trips: Stream, outcomes: Stream, config: Config) -> Reference:
        """table: chunk layout of `trips` without offset, and the label of `outcomes`; sorted by event time.

        Calibrates the thresholds too: about two seconds. Raises UsageError for methods that Evidently does not know.
        """
        raise NotImplementedError
