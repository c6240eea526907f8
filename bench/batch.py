"""A batch of ten with the assumed response times: billed seconds and CPU per ticket, beside each baseline.

CPU is user and system time of all threads. One run of each target follows the other, so that a loaded machine slows
all of them. The tutorial handler's batch takes 17 seconds, of which it waits 16: in the middle round its three batches
run at the same time.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

from bench.harness import ASYNCIO_PYTHON, PYTHON, Figure, Harness
from bench.targets import BASELINES

SIZE = 10
SECONDS = {"tutorial": 10.0, "threads": 1.0, "asyncio": 1.0}
CPU = {"tutorial": 1.25, "threads": None, "asyncio": 1.0}


def figures(rounds: int = 3) -> list[Figure]:
    """Return how many times more seconds each baseline is billed, and the product's CPU over each baseline's."""
    seconds: dict[str, list[float]] = {target: [] for target in ("product", *BASELINES)}
    cpu: dict[str, list[float]] = {target: [] for target in seconds}

    def measure(harness: Harness, target: str, batches: int) -> None:
        python = ASYNCIO_PYTHON if target == "asyncio" else PYTHON
        found = harness.run("targets.measure", python=python, target=target, batches=batches, size=SIZE)
        seconds[target] += [each / SIZE for each in found["seconds"]]
        cpu[target] += [each / SIZE for each in found["cpu"]]

    with Harness.start(latencies=True) as harness, ThreadPoolExecutor(rounds) as pool:
        for number in range(rounds):
            for target in ("product", "threads", "asyncio"):
                measure(harness, target, 2)
            if number == rounds // 2:
                list(pool.map(partial(measure, harness, batches=1), ["tutorial"] * rounds))
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
