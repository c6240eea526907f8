"""Simpler handlers for the same job; each module's docstring lists what it omits."""
