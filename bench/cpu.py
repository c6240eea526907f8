"""CPU per ticket, in batches of ten, with stand-ins that answer at once: user and system time of all threads."""

from bench.harness import Figure, lab, ratio
from bench.targets import BASELINES, per_ticket

GOALS = {"tutorial": 1.25, "threads": None, "asyncio": 1.0}


def figures(rounds: int = 5, batches: int = 3) -> list[Figure]:
    """Return the product's CPU over each baseline's; one run of each follows the other, in every round."""
    found: dict[str, list[float]] = {target: [] for target in ("product", *BASELINES)}
    with lab() as stand_ins:
        for _ in range(rounds):
            for target, seconds in found.items():
                seconds.append(per_ticket(stand_ins, target, batches, 10)["cpu"])
    return [
        ratio(f"CPU per ticket: product over {target}", found["product"], found[target], goal, raw=found)
        for target, goal in GOALS.items()
    ]
