"""What the ingest and the retrieval function share: the archive's records, its table, its bucket, its settings."""
