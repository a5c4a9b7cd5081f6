"""The commands, by subject. Slow imports happen inside the command that needs them."""
