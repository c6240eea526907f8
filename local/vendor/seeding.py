"""Chance that repeats: every choice of the simulator comes from a seed and the name of what is chosen."""

import random


def seeded(*name: object) -> random.Random:
    """The generator of one thing, the same in every process: `seeded(seed, index, "person")`."""
    return random.Random(":".join(map(str, name)))
