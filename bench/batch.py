"""A batch of ten with the assumed response times: billed seconds and CPU per ticket, beside each baseline.

CPU is user and system time of all threads. One run of each target follows the other, so that a loaded machine slows
all of them. The tutorial handler's batch takes 17 seconds, of which it waits 16: in the middle round its three batches
run at the same time.
"""

from concurrent.futures import ThreadPoolExecutor
from statistics import median

from bench.harness import Figure, Harness
from bench.targets import BASELINES, per_ticket

SECONDS = {"tutorial": 10.0, "threads": 1.0, "asyncio": 1.0}
CPU = {"tutorial": 1.25, "threads": None, "asyncio": 1.0}


def figures(rounds: int = 3) -> list[Figure]:
    """Return how many times more seconds each baseline is billed, and the product's CPU over each baseline's."""
    found: dict[str, list[dict[str, float]]] = {target: [] for target in ("product", *BASELINES)}
    with Harness.start(latencies=True) as harness, ThreadPoolExecutor(rounds) as pool:
        for number in range(rounds):
            for target in ("product", "threads", "asyncio"):
                found[target].append(per_ticket(harness, target, 3, 10))
            if number == rounds // 2:
                found["tutorial"] += pool.map(lambda _: per_ticket(harness, "tutorial", 1, 10), range(rounds))
    seconds, cpu = ({target: [run[name] for run in found[target]] for target in found} for name in ("seconds", "cpu"))
    took, used = median(seconds["product"]), median(cpu["product"])
    billed = [
        Figure(
            f"batch of ten, billed seconds per ticket: {target} over product",
            median(seconds[target]) / took,
            goal,
            at_least=True,
            samples=[each / took for each in seconds[target]],
            raw={"seconds": seconds[target], "product_seconds": seconds["product"]},
        )
        for target, goal in SECONDS.items()
    ]
    return billed + [
        Figure(
            f"CPU per ticket in a batch of ten: product over {target}",
            used / median(cpu[target]),
            goal,
            samples=[each / median(cpu[target]) for each in cpu["product"]],
            raw={"cpu": cpu[target], "product_cpu": cpu["product"]},
        )
        for target, goal in CPU.items()
    ]
