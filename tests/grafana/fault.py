"""What is wrong with a dashboard."""


class Fault(Exception):
    """Grafana, or whoever looks at it, would stumble over this."""
