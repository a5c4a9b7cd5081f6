"""Definitions of the streams that come with Driftline. No stage imports them: it is given its stream."""
