"""Driftline on one machine, without Docker: embedded servers, the demo, dummy data, an installed Grafana."""
