"""Alarms for a whole stream: summaries that add up, evidence over time, and a promise of few false alarms. Pure."""
