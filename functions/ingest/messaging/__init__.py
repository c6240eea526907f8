"""Queue messages, retry delays and idempotency."""
