"""`driftline recompute`: reads the records of a window back from Kafka and compares its figures with the tables."""
