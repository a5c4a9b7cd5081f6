"""What is replayed and learnt where the options name nothing else. Imports nothing, since `--help` shows it."""

from __future__ import annotations

MONTH = "2022-02"
"""The month to replay: a calm one."""
TRAINING_MONTH = "2022-01"
"""The month to learn from: the one before."""
KIND = "green"
VOLUME = 1.0
SEED = 7
