"""Grafana dashboards: generated from the SQL files here into `dashboards/`, loaded through `provisioning/`."""
