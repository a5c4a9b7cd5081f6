"""Models of trip durations: features, training, and the two kinds of scorers."""

from models.artifact import Scorers
from models.taxi.linear import Linear
from models.taxi.tables import Tables

SCORERS: Scorers = {"default": Tables.from_arrays, "tutorial": Linear.from_arrays}
