"""Simpler handlers for the same job. Each module says what it leaves out."""
