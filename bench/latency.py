"""One ticket in a warm function: wall time over its critical path, the calls that must wait for one another."""

import time

from bench.harness import Figure, Harness, alternate, ratio
from bench.targets import prepare, tickets


def figures(rounds: int = 9) -> list[Figure]:
    """Return the ratio with response times as assumed for the vendor and AWS."""
    with Harness.start(latencies=True) as harness:
        found = harness.run("latency.measure", rounds=rounds)
    name = "one ticket, wall time over its critical path"
    return [ratio(name, found["product"], found["critical_path"], 1.10, raw=found)]


def measure(rounds: int) -> dict[str, list[float]]:
    """Return seconds of a ticket and of its bare calls."""
    from bench.baselines import critical_path

    events = [prepare("product", tickets(1)) for _ in range(rounds + 2)]
    works = {"product": lambda: events.pop()(), "critical_path": lambda: critical_path.run(tickets(1)[0])}
    return alternate(works, rounds, 2, time.perf_counter)
