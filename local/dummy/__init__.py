"""`driftline dummy`: plausible metrics with no stream and no model, to try a database and its dashboards.

The event time is that of the last days; the wall time in which it all "happened" is the last quarter of an hour, so
that boards show something on either clock.
"""
