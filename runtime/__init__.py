"""What every process needs around its work: server addresses, signals, child processes, metrics and health."""
