"""What crosses a process boundary: stream definitions, records, topics, tables, notifications, errors.

Imported by every package; imports none of them.
"""
