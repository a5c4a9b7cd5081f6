"""Defaults of what is replayed and trained on. Imports nothing, since `--help` shows them."""

from __future__ import annotations

MONTH = "2022-02"
"""The month to replay: a calm one."""
TRAINING_MONTH = "2022-01"
"""The month to learn from: the one before."""
MONTHS = ("2022-01", "2022-02", "2022-03")
"""The months to try window sizes on."""
KIND = "green"
VOLUME = 1.0
SEED = 7
