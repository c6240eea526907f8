"""Repeatable random choices."""

import random


def seeded(*name: object) -> random.Random:
    """Return a random generator that is the same in every process: `seeded(seed, index, "person")`."""
    return random.Random(":".join(map(str, name)))
