"""SQL kept in `.sql` files, each query with a name.

-- name: claim_partition
-- Takes the partition from whoever had it.
UPDATE …;
"""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_queries(path: Path) -> dict[str, str]:
    """Read the named queries of a file.

    Args:
        path: A `.sql` file in UTF-8.

    Returns:
        Name → SQL, with the comments that follow its name.

    Raises:
        ValueError: A name occurs twice, or the file has none.
    """
    parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, bodies = parts[1::2], parts[2::2]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{path}: no `-- name:` line, or one twice")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}
