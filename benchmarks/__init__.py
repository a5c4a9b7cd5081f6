"""Measurements, ours and the peers', printed side by side."""
