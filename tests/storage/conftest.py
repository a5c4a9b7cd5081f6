from __future__ import annotations

from tests.board import conftest as board

prepared, serve = board.prepared, board.serve
