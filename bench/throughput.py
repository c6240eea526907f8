"""Tickets per second and core on the local stack, and the time from webhook to manifest, at 1, 4 and 16 in flight.

The naive application beside it is the tutorial handler, deployed as a function with a queue of its own on the same
emulator, with the product's layer, memory and concurrency. Its tickets come straight from SQS, without a webhook.
Functions run on the emulator's Python, and the emulator's own time is most of both, so there is no goal.
"""

import io
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import requests

from bench.harness import ROOT, USUAL, VENDOR_SECONDS, Figure
from local import stack as local_stack
from local.account import outputs
from local.simulator import Simulator
from local.terminal import silent
from ticket_archive.webhook_encryption import IV_HEADER, encrypt_event

IN_FLIGHT = (1, 4, 16)
Send = Callable[[str], None]


def figures(tickets: int = 12) -> list[Figure]:
    """Return the rates of both applications for each number of tickets in flight."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)
        stack = local_stack.up(state, silent())
        try:
            ids = iter(_prepared(stack, 2 * (1 + tickets // 4 + 2 * tickets)))
            with _applications(stack) as applications:
                for application, (send, prefix) in applications.items():
                    _measure(stack, send, prefix, [next(ids)], 1)
                    for in_flight in IN_FLIGHT:
                        given = [next(ids) for _ in range(tickets if in_flight > 1 else tickets // 4)]
                        found.append(_figure(application, in_flight, _measure(stack, send, prefix, given, in_flight)))
        finally:
            local_stack.down(state)
    return found


def _figure(application: str, in_flight: int, measured: dict[str, Any]) -> Figure:
    name = f"{application} on the local stack, tickets per second and core, {in_flight} in flight"
    percents = quantiles(measured["seconds"], n=100, method="inclusive")
    raw = {**measured, "p50": percents[49], "p99": percents[98]}
    return Figure(name, measured["per_second"] / (os.cpu_count() or 1), unit="/s", raw=raw)


def _measure(stack: local_stack.Stack, send: Send, prefix: str, ids: list[str], in_flight: int) -> dict[str, Any]:
    s3 = stack.account.session().client("s3", endpoint_url=stack.endpoint_url)

    def archive(ticket: str) -> float:
        began = time.perf_counter()
        send(ticket)
        while not s3.list_objects_v2(Bucket=stack.bucket, Prefix=prefix.format(ticket), MaxKeys=1)["KeyCount"]:
            if time.perf_counter() - began > 120:
                raise RuntimeError(f"ticket {ticket} was not archived")
            time.sleep(0.05)
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(in_flight) as pool:
        seconds = list(pool.map(archive, ids))
    return {"seconds": seconds, "per_second": len(ids) / (time.perf_counter() - began)}


def _prepared(stack: local_stack.Stack, count: int) -> list[str]:
    vendor = Simulator(stack.vendor_url)
    vendor("latency", **{name: 1000 * seconds for name, seconds in VENDOR_SECONDS.items()})
    ids = [str(each["ticket"]) for each in vendor("tickets", count=count, start=0)]
    plain = {
        "shape": "DATA_URIS",
        "absence": "EMPTY",
        "details": "PLAIN",
        "flow": "DOCUMENT_AND_SELFIE",
        "envelope": "NONE",
    }
    for ticket in ids:
        vendor("state", ticket=ticket, sizes=USUAL, **plain)
        vendor("expected", ticket=ticket)  # draws the images ahead
    vendor.close()
    return ids


@contextmanager
def _applications(stack: local_stack.Stack) -> Iterator[dict[str, tuple[Send, str]]]:
    """Yield how to send each application a ticket, and the prefix of its manifest's key."""
    session = stack.account.session()
    clients: Any = {name: session.client(name, endpoint_url=stack.endpoint_url) for name in ("iam", "lambda", "sqs")}
    name = outputs(stack.account, stack.stack_name)["IngestFunctionName"]
    product = clients["lambda"].get_function_configuration(FunctionName=name)
    queue = clients["sqs"].create_queue(QueueName="naive", Attributes={"VisibilityTimeout": "360"})["QueueUrl"]
    arn = clients["sqs"].get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = clients["iam"].create_role(RoleName="naive", AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    # The product's role may use neither this queue nor keys under baseline/.
    everything = _policy({"Effect": "Allow", "Action": "*", "Resource": "*"})
    clients["iam"].put_role_policy(RoleName="naive", PolicyName="everything", PolicyDocument=everything)
    clients["lambda"].create_function(
        FunctionName="naive",
        Runtime=product["Runtime"],
        Role=role,
        Handler="bench.baselines.tutorial.lambda_handler",
        Code={"ZipFile": _package()},
        Layers=[layer["Arn"] for layer in product["Layers"]],
        MemorySize=product["MemorySize"],
        Timeout=product["Timeout"],
        Environment=product["Environment"],
    )
    clients["lambda"].create_event_source_mapping(
        FunctionName="naive", EventSourceArn=arn, BatchSize=10, ScalingConfig={"MaximumConcurrency": 2}
    )
    with requests.Session() as http:
        http.trust_env = False

        def webhook(ticket: str) -> None:
            event = json.dumps({"ticket": ticket, "event": "ticket.verification.completed"}).encode()
            body, iv = encrypt_event(event, stack.webhook_secret.encode(), os.urandom(16))
            headers = {"Content-Type": "text/plain", IV_HEADER: iv}
            http.post(
                stack.webhook_url, data=body, headers=headers, verify=stack.ca_bundle, timeout=60
            ).raise_for_status()

        def message(ticket: str) -> None:
            clients["sqs"].send_message(QueueUrl=queue, MessageBody=json.dumps({"ticket": ticket}))

        yield {
            "product": (webhook, "tickets/{}/manifests/"),
            "naive application": (message, "baseline/{}/manifest.json"),
        }


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _package() -> bytes:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for name in ("__init__.py", "baselines/__init__.py", "baselines/models.py", "baselines/tutorial.py"):
            archive.write(ROOT / "bench" / name, f"bench/{name}")
    return package.getvalue()
