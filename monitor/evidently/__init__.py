"""The adapter to Evidently: the figures of a window as Evidently metrics, and Evidently's HTML report.

The only package that imports Evidently; importing it takes seconds.
"""
