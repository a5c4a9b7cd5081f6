"""Are alarms to be trusted? Real months and synthetic ones, through the product's own code: see `__main__`."""
