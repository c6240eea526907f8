"""A handler that imports what a function imports from packages and makes the same clients, and does nothing else."""

import os
from importlib import import_module

import boto3

for name in os.environ["MODULES"].split(","):
    import_module(name)
clients = [boto3.client(service) for service in os.environ["SERVICES"].split(",")]  # type: ignore[call-overload]


def lambda_handler(_event: object, _context: object) -> dict[str, int]:
    """Return a constant."""
    return {"statusCode": 200}
