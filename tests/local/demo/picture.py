"""Takes docs/demo.svg anew, from a real run: `python -m tests.local.demo.picture`."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType

from local.demo import run, view
from local.demo.snapshot import DemoSnapshot
from local.settings import DemoSettings
from runtime.connections import ROOT

PICTURE = ROOT / "docs" / "demo.svg"
SHARE = 0.65
"""Of the replay: in the midst of the drift."""


def taken(screen: RenderableType, path: Path) -> None:
    paper = Console(file=StringIO(), record=True, width=132)
    paper.print(screen)
    path.write_text(paper.export_svg(title="make demo"), encoding="utf-8")


def main() -> None:
    rendered = view.render
    taken_at: list[float] = []

    def render(snapshot: DemoSnapshot, frame: view.Frame) -> RenderableType:
        screen, share = rendered(snapshot, frame), view.done(snapshot, frame)
        if not taken_at and share >= SHARE and frame.board:
            taken(screen, PICTURE)
            taken_at.append(share)
        return screen

    run.render = render
    run.run(DemoSettings(), Console(file=StringIO(), force_terminal=True, width=132, height=28))
    print(f"{PICTURE}, at {taken_at[0]:.0%}")


if __name__ == "__main__":
    main()
