"""Other detectors on the same windows: see `table` for what is compared, `methods` for how each is asked."""
