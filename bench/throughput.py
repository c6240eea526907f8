"""Tickets per second and core on the local stack."""

from bench.harness import Figure


def figures() -> list[Figure]:
    """Return nothing yet."""
    return []
