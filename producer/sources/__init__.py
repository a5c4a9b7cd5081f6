"""Where trips come from: TLC's parquet files or the synthetic generator. Use `selection.choose`."""
