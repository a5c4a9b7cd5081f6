"""The whole path in one command: embedded stack, model, replay, and a live view in the terminal."""
