"""Statistics of a window against the reference, and thresholds by number of rows. Pure, without Evidently."""
