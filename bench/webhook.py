"""The webhook endpoint: CPU per request over the one `send_message` that it must make."""

import os
from statistics import median

import boto3

from bench.events import Context, request
from bench.harness import Figure, Harness, alternate, ratio


def figures(requests: int = 600) -> list[Figure]:
    """Return the ratio in a warm function, request by request in turn."""
    with Harness.start() as harness:
        found = harness.run("webhook.measure", requests=requests)
    raw = {f"{name}_ms": 1000 * median(seconds) for name, seconds in found.items()}
    name = "webhook, CPU per request over one send_message"
    return [ratio(name, found["webhook"], found["send"], 1.3, raw=raw)]


def measure(requests: int) -> dict[str, list[float]]:
    """Return CPU seconds of each request, and of a bare boto3 call with the same body."""
    from ingest import app

    event = request("webhook_completed_encrypted")
    sqs = boto3.client("sqs")

    def post() -> None:
        if app.lambda_handler(event, Context())["statusCode"] != 202:
            raise RuntimeError("the webhook was not accepted")

    def send() -> None:
        sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])

    return alternate({"webhook": post, "send": send}, requests, 20)
