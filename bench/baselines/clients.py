"""A function that imports boto3 and makes the clients that another one needs, and nothing else."""

import os

import boto3

clients = [boto3.client(service) for service in os.environ["SERVICES"].split(",")]  # type: ignore[call-overload]


def handler(_event: object, _context: object) -> dict[str, int]:
    """Answers."""
    return {"statusCode": 200}
