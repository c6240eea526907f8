"""Point 7: the webhook door. CPU per request in process; eight clients at once on the local stack."""

import os
import threading
import time
from statistics import median, quantiles
from typing import Any

import requests

from bench.events import Context, request
from bench.figures import Figure
from bench.harness import Lab
from local.stack import Stack

CLIENTS = 8


def figures(lab: Lab, *, posts: int = 300) -> list[Figure]:
    """CPU of one request, and of the bare call to the queue that none can leave out."""
    measured = lab.run("webhooks.cpu", posts=posts)
    ratio = measured["door_ms"] / measured["send_ms"]
    return [Figure("webhook door, CPU per request over its one call to the queue", ratio, raw=measured)]


def cpu(posts: int) -> dict[str, float]:
    """Milliseconds of CPU per request of a warm function, and per bare SendMessage of the same message."""
    from botocore.session import get_session

    from ingest import app

    event = request("webhook_completed_encrypted")
    sqs: Any = get_session().create_client("sqs")
    queue = os.environ["QUEUE_URL"]

    def post() -> None:
        if app.lambda_handler(event, Context())["statusCode"] != 202:
            raise RuntimeError("the webhook was not accepted")

    def send() -> None:
        sqs.send_message(QueueUrl=queue, MessageBody=event["body"])

    taken: dict[str, list[float]] = {"door_ms": [], "send_ms": []}
    for number in range(posts + 10):
        for name, work in (("door_ms", post), ("send_ms", send)):
            began = time.process_time()
            work()
            if number >= 10:
                taken[name].append(1000 * (time.process_time() - began))
    return {name: median(each) for name, each in taken.items()}


def on_the_stack(stack: Stack, *, posts: int = 25) -> Figure:
    """Eight clients post at once, each over one connection, while nobody works on the queue."""
    event = request("webhook_completed_encrypted")
    headers = {"Content-Type": "text/plain", "x-pvt-cipher-iv": _header(event, "x-pvt-cipher-iv")}
    taken: list[float] = []
    statuses: list[int] = []

    def client() -> None:
        with requests.Session() as http:
            http.trust_env, http.verify = False, stack.ca_bundle
            for number in range(posts + 2):
                began = time.perf_counter()
                answer = http.post(stack.webhook_url, data=event["body"], headers=headers, timeout=60)
                statuses.append(answer.status_code)
                if number >= 2:
                    taken.append(time.perf_counter() - began)

    with _queue_at_rest(stack):
        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lasted = time.perf_counter() - began
    if set(statuses) != {202}:
        raise RuntimeError(f"the webhook door answered {sorted(set(statuses))}")
    percents = quantiles(taken, n=100)
    return Figure(
        f"webhook door, p99 of {CLIENTS} clients at once on the local stack",
        1000 * percents[98],
        unit="ms",
        raw={"p50_ms": 1000 * percents[49], "p99_ms": 1000 * percents[98], "per_second": len(statuses) / lasted},
        note="the emulator's own time: TLS, signatures and a process per concurrent invocation on these cores",
    )


def _header(event: dict[str, Any], name: str) -> str:
    return str(next(value for header, value in event["headers"].items() if header.lower() == name))


class _queue_at_rest:  # noqa: N801 - reads as a function in a with statement
    """The ticket queue's event source is off within the block."""

    def __init__(self, stack: Stack) -> None:
        self._functions = stack.account.session().client("lambda", endpoint_url=stack.endpoint_url)

    def __enter__(self) -> None:
        self._switch(False)

    def __exit__(self, *_: object) -> None:
        self._switch(True)
        self._functions.close()

    def _switch(self, on: bool) -> None:
        for mapping in self._functions.list_event_source_mappings()["EventSourceMappings"]:
            self._functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
