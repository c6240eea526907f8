"""The entry points of the ingest function, one per event source: each translates and makes one call."""
