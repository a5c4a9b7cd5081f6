"""The embedded stack: a real Apache Kafka and a real PostgreSQL as children of this checkout, with no installation.

`running()` joins the stack of this checkout or starts it; it ends with the last of its users, also when that was
killed. `up()` keeps it until `down()`. What the environment names (KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL) is not
started.
"""

from local.stack.embedded import Status, down, running, shown, status, up

__all__ = ["Status", "down", "running", "shown", "status", "up"]
