"""Postgres: how to connect to it, what a failure means, and when to try again."""
