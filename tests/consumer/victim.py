"""A consumer in a process of its own, to be killed: python -m tests.consumer.victim SETTINGS-AS-JSON."""

from __future__ import annotations

import json
import sys
import threading

from consumer.__main__ import run
from consumer.settings import Settings
from tests.consumer.helpers import Stub

if __name__ == "__main__":
    run(Settings(**json.loads(sys.argv[1])), threading.Event(), Stub())
