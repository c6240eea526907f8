"""A webhook handler that sends the request's body to the queue. It checks nothing and logs nothing."""

import os
from typing import Any

import boto3

sqs = boto3.client("sqs")


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Send the body, and return 202."""
    sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])
    return {"statusCode": 202, "body": '{"status": "accepted"}'}
