"""A warm function and its baseline, called in turn in one process: one ticket, a webhook, a retrieval of images."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

import boto3

from bench.harness import Figure, Harness, alternate, ratio
from bench.targets import context, images_request, prepare, request, tickets

IMAGES = (1, 8, 40)


def latency(rounds: int = 9) -> list[Figure]:
    """Return a ticket's wall time over its critical path, the calls that must wait for one another.

    Response times are as assumed for the vendor and AWS.
    """
    with Harness.start(latencies=True) as harness:
        found = harness.run("in_turn.measure_latency", rounds=rounds)
    name = "one ticket, wall time over its critical path"
    return [ratio(name, found["product"], found["critical_path"], 1.10, raw=found)]


def measure_latency(rounds: int) -> dict[str, list[float]]:
    """Return seconds of a ticket and of its bare calls."""
    from bench.baselines import critical_path

    events = [prepare("product", tickets(1)) for _ in range(rounds + 2)]
    works = {"product": lambda: events.pop()(), "critical_path": lambda: critical_path.run(tickets(1)[0])}
    return alternate(works, rounds, 2, time.perf_counter)


def webhook(requests: int = 600) -> list[Figure]:
    """Return the webhook endpoint's CPU per request over the one `send_message` that it must make."""
    with Harness.start() as harness:
        found = harness.run("in_turn.measure_webhook", requests=requests)
    name = "webhook, CPU per request over one send_message"
    return [ratio(name, found["webhook"], found["send"], 1.3, raw=_milliseconds(found))]


def measure_webhook(requests: int) -> dict[str, list[float]]:
    """Return CPU seconds of each request, and of a bare boto3 call with the same body."""
    from ingest import app

    event = request("webhook_completed_encrypted")
    send = partial(boto3.client("sqs").send_message, QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])

    def post() -> None:
        if app.lambda_handler(event, context())["statusCode"] != 202:
            raise RuntimeError("the webhook was not accepted")

    return alternate({"webhook": post, "send": send}, requests, 20)


def retrieval(requests: int = 60) -> list[Figure]:
    """Return the retrieval function's requests per second over a bare Powertools resolver's, by number of images."""
    with Harness.start() as harness:
        measured = harness.run("in_turn.measure_retrieval", requests=requests)
    name = "retrieval of {} images, requests per second over a bare resolver"
    return [
        ratio(name.format(images), each["bare"], each["product"], 0.9, at_least=True, raw=_milliseconds(each))
        for images, each in measured
    ]


def measure_retrieval(requests: int) -> list[tuple[int, dict[str, list[float]]]]:
    """Return CPU seconds of each request: with a stand-in that answers at once, they are what limits the rate."""
    from bench.baselines import resolver
    from retrieval import app

    handlers = {"product": app.lambda_handler, "bare": resolver.lambda_handler}
    found = []
    for images in IMAGES:
        event = images_request(images)
        for name, handler in handlers.items():
            answer = handler(event, context())
            if answer["statusCode"] != 200 or len(json.loads(answer["body"])["images"]) != images:
                raise RuntimeError(f"{name} did not list the images: {answer}")
        works = {name: partial(handler, event, context()) for name, handler in handlers.items()}
        found.append((images, alternate(works, requests, 10)))
    return found


def _milliseconds(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {f"{name}_ms": 1000 * median(each) for name, each in seconds.items()}
