"""A plain handler that imports what a function imports from packages, and makes the same clients."""

import os
from importlib import import_module

import boto3

for name in os.environ["MODULES"].split(","):
    import_module(name)
clients = [boto3.client(service) for service in os.environ["SERVICES"].split(",") if service]  # type: ignore[call-overload]
lambda_handler = import_module(f"bench.baselines.{os.environ['PLAIN']}").lambda_handler
