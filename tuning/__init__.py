"""Window-size tuning: which sizes, alone or together, find which change how soon, at which rate of false alarms."""
