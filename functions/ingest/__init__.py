"""The ingest function: ticket completions in, archived tickets out."""
