"""The command line: options, commands, exit codes and output. Nothing imports it but `driftline.py` and tests."""
