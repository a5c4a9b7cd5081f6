"""The stream that commands are about, named in this place alone."""

from __future__ import annotations

from schemas.streams.taxi import TAXI

DEFAULT_STREAM = TAXI
