"""Prints texts for people, such as progress and advice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.invocation import pasteable
from schemas.text import folded

if TYPE_CHECKING:
    from rich.console import Console


def tell(console: Console, text: str, style: str = "") -> None:
    """Print a text whose commands can be pasted; in a terminal no word is broken, elsewhere no line.

    Args:
        console: Where to.
        text: Any text; what it has from records is printable already.
        style: Of all of it.
    """
    shown = pasteable(text)
    if console.is_terminal:
        shown = folded(shown, console.width)
    console.print(shown, style=style, markup=False, highlight=False, soft_wrap=True)
