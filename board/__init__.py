"""The live page: what the tables say, shown as it happens. It reads, and writes nothing."""
