"""Which windows are due, in what order, and the computation of one from claim to row. Start at `scheduler`."""
