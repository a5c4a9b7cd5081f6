"""The commands, by subject. Whatever takes long to import is imported where a command needs it."""
