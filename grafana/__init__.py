"""Dashboards for Grafana: generated here into `dashboards/`, loaded by what `provisioning/` says."""
