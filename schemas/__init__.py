"""What crosses a boundary: records, topics, tables, errors. Defined once, imported by every stage."""
