"""The webhook endpoint: CPU per request over the one `send_message` that it must make."""

import os

from bench import harness
from bench.events import Context, request
from bench.harness import Figure, lab, ratio

WHY = "the log line and the metric of each request are two thirds of what is over it"


def figures(requests: int = 600) -> list[Figure]:
    """Return the ratio in a warm function, request by request in turn."""
    with lab() as stand_ins:
        found = stand_ins.run("webhook.alternate", requests=requests)
    raw = {f"{name}_ms": 1000 * sorted(seconds)[len(seconds) // 2] for name, seconds in found.items()}
    return [
        ratio("webhook, CPU per request over one send_message", found["webhook"], found["send"], 1.3, raw=raw, why=WHY)
    ]


def alternate(requests: int) -> dict[str, list[float]]:
    """Return CPU seconds of each request, and of a bare boto3 call with the same body."""
    import boto3

    from ingest import app

    event = request("webhook_completed_encrypted")
    sqs = boto3.client("sqs")

    def post() -> None:
        if app.lambda_handler(event, Context())["statusCode"] != 202:
            raise RuntimeError("the webhook was not accepted")

    def send() -> None:
        sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])

    return harness.alternate({"webhook": post, "send": send}, requests, 20)
