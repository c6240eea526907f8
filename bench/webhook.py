"""The webhook endpoint: CPU per request over the one `send_message` that it must make."""

import os
from functools import partial

import boto3

from bench.harness import Figure, Harness, alternate, milliseconds, ratio
from bench.targets import context, request


def figures(requests: int = 600) -> list[Figure]:
    """Return the ratio in a warm function, request by request in turn."""
    with Harness.start() as harness:
        found = harness.run("webhook.measure", requests=requests)
    name = "webhook, CPU per request over one send_message"
    return [ratio(name, found["webhook"], found["send"], 1.3, raw=milliseconds(found))]


def measure(requests: int) -> dict[str, list[float]]:
    """Return CPU seconds of each request, and of a bare boto3 call with the same body."""
    from ingest import app

    event = request("webhook_completed_encrypted")
    send = partial(boto3.client("sqs").send_message, QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])

    def post() -> None:
        if app.lambda_handler(event, context())["statusCode"] != 202:
            raise RuntimeError("the webhook was not accepted")

    return alternate({"webhook": post, "send": send}, requests, 20)
