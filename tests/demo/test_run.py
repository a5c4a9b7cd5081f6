from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from demo import run
from demo.plan import Wish


@pytest.mark.parametrize("at", ["plan", "_watch"])
def test_ctrl_c_is_answered_before_anything_is_stopped(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Console(file=StringIO())

    @contextmanager
    def started(*_: Any, **__: Any) -> Iterator[Any]:
        try:
            yield SimpleNamespace(logs="")
        finally:
            out.print("stopped")

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for name in ("_connected", "page", "_stages"):
        monkeypatch.setattr(run, name, started)
    monkeypatch.setattr(run.stack, "running", started)
    chosen = SimpleNamespace(source=SimpleNamespace(name="nothing"))
    for name in ("plan", "_environ", "_tell", "_first_frame", "_watch"):
        monkeypatch.setattr(run, name, interrupted if name == at else lambda *_, **__: chosen)
    with pytest.raises(KeyboardInterrupt):
        run.run(Wish(), out)
    assert isinstance(out.file, StringIO)
    said = [line for line in out.file.getvalue().splitlines() if line.startswith("stop")]
    assert said == ["stopping …"] + ["stopped"] * (3 if at == "plan" else 4)
