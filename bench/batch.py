"""A batch of ten: seconds that Lambda bills per ticket, against each baseline."""

from statistics import median

from bench.harness import Figure, lab
from bench.targets import BASELINES, per_ticket

GOALS = {"tutorial": 10.0, "threads": 1.0, "asyncio": 1.0}


def figures(rounds: int = 5) -> list[Figure]:
    """Return how many times more seconds each baseline is billed. The tutorial handler's long batches run once."""
    found: dict[str, list[float]] = {target: [] for target in ("product", *BASELINES)}
    with lab(latencies=True) as stand_ins:
        for number in range(rounds):
            for target, seconds in found.items():
                if number == 0 or target != "tutorial":
                    seconds.append(per_ticket(stand_ins, target, 1 if target == "tutorial" else 2, 10)["seconds"])
    product = median(found["product"])
    return [
        Figure(
            f"batch of ten, billed seconds per ticket: {target} over product",
            median(found[target]) / product,
            goal,
            at_least=True,
            samples=[seconds / product for seconds in found[target]],
            raw={"product_seconds": found["product"], f"{target}_seconds": found[target]},
        )
        for target, goal in GOALS.items()
    ]
