"""Tickets per second and core on the local stack, and the time from webhook to manifest, at 1, 4 and 16 in flight.

The naive application beside it is the tutorial handler, deployed with a queue of its own on the same emulator, with the
product's layer, memory and concurrency. Its tickets come straight from SQS, and all are of the one kind that it can
archive. Functions run on the emulator's Python, and most of the time is the emulator's own, so there is no goal.
"""

import io
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

from botocore.config import Config

from bench.harness import INPUTS, ROOT, USUAL, VENDOR_SECONDS, Figure
from local import account, round_trip
from local import stack as local_stack
from local.simulator import Simulator
from local.stack import Stack
from local.terminal import SILENT

IN_FLIGHT = {1: 3, 4: 8, 16: 16}
"""How many tickets are measured with so many in flight."""
TIME_LIMIT = 60.0
"""Seconds after which a ticket counts as not archived."""


@dataclass(frozen=True)
class Application:
    """How to send a ticket (`send` returns what went wrong, or None), and where its manifest is stored."""

    name: str
    send: Callable[[str], str | None]
    manifest: str


def figures() -> list[Figure]:
    """Return rates and times of both applications for each number of tickets in flight. Both archive the same ones."""
    with tempfile.TemporaryDirectory() as name:
        stack = local_stack.up(Path(name), SILENT)
        try:
            with closing(Simulator(stack.vendor_url)) as vendor:
                most = max(IN_FLIGHT)
                ids = _prepared(vendor, most + sum(IN_FLIGHT.values()))
                send = partial(round_trip.post, stack, vendor, form="completed")
                applications = (Application("product", send, "tickets/{}/manifests/"), _naive(stack))
                with ThreadPoolExecutor(2) as both:  # so that no function is started while others are measured
                    # The naive application's queue starts two processes, the product's webhooks one each.
                    warm_up = (ids[:most], ids[: most // 4])
                    list(both.map(partial(_measure, stack, in_flight=most), applications, warm_up))
                return [each for one in applications for each in _figures(stack, one, iter(ids[most:]))]
        finally:
            local_stack.down(Path(name))


def _figures(stack: Stack, application: Application, ids: Iterator[str]) -> Iterator[Figure]:
    for in_flight, count in IN_FLIGHT.items():
        measured = _measure(stack, application, list(islice(ids, count)), in_flight)
        late = measured["not_archived"]
        missing = f" ({late} not archived in {TIME_LIMIT:.0f} s)" if late else ""
        name = f"{application.name}, {in_flight} in flight:"
        rate = measured["per_second"] / (os.cpu_count() or 1)
        yield Figure(f"{name} tickets per second and core{missing}", rate, unit="/s", raw=measured)
        if len(measured["seconds"]) > 1:
            percents = quantiles(measured["seconds"], n=100, method="inclusive")
            yield Figure(f"{name} p50", percents[49], unit=" s", samples=measured["seconds"])
            yield Figure(f"{name} p99", percents[98], unit=" s")


def _measure(stack: Stack, application: Application, ids: list[str], in_flight: int) -> dict[str, Any]:
    """Archive these tickets, and return seconds of each that was archived in time, and how many were not."""
    s3 = stack.account.client("s3", config=Config(max_pool_connections=in_flight))

    def archive(ticket: str) -> float | None:
        began = time.perf_counter()
        if problem := application.send(ticket):
            raise RuntimeError(problem)
        prefix = application.manifest.format(ticket)
        while not s3.list_objects_v2(Bucket=stack.bucket, Prefix=prefix, MaxKeys=1)["KeyCount"]:
            if time.perf_counter() - began > TIME_LIMIT:
                return None
            time.sleep(0.05)
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(in_flight) as pool:
        seconds = [each for each in pool.map(archive, ids) if each is not None]
    rate = len(seconds) / (time.perf_counter() - began)
    return {"seconds": seconds, "per_second": rate, "not_archived": len(ids) - len(seconds)}


def _prepared(vendor: Simulator, count: int) -> list[str]:
    """Return the ids of ordinary tickets whose images are generated; the vendor has the assumed response times."""
    vendor("latency", **{name: 1000 * seconds for name, seconds in VENDOR_SECONDS.items()})
    ids = [str(each["ticket"]) for each in vendor("tickets", count=count)]
    for ticket in ids:
        vendor("state", ticket=ticket, sizes=USUAL, **INPUTS["naive"])
        vendor("expected", ticket=ticket)  # draws the images
    return ids


def _naive(stack: Stack) -> Application:
    """Create and return the naive application."""
    iam, functions, sqs = map(stack.account.client, ("iam", "lambda", "sqs"))
    # The product's role may use neither this queue nor keys under baseline/.
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="naive", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.put_role_policy(RoleName="naive", PolicyName="policy", PolicyDocument=json.dumps(account.EVERYTHING))
    queue = sqs.create_queue(QueueName="naive", Attributes={"VisibilityTimeout": "360"})["QueueUrl"]
    product_name = account.outputs(stack.account, stack.stack_name)["IngestFunctionName"]
    product = functions.get_function_configuration(FunctionName=product_name)
    functions.create_function(
        FunctionName="naive",
        Role=role,
        Handler="bench.baselines.tutorial.lambda_handler",
        Code={"ZipFile": _package()},
        Layers=[layer["Arn"] for layer in product["Layers"]],
        **{name: product[name] for name in ("Runtime", "MemorySize", "Timeout", "Environment")},
    )
    functions.create_event_source_mapping(
        FunctionName="naive",
        EventSourceArn=sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"],
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": int(local_stack.PARAMETERS["VendorMaxConcurrency"])},
    )

    def send(ticket: str) -> None:
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"ticket": ticket}))

    return Application("naive application", send, "baseline/{}/manifest.json")


def _package() -> bytes:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for name in ("__init__.py", "baselines/__init__.py", "baselines/models.py", "baselines/tutorial.py"):
            archive.write(ROOT / "bench" / name, f"bench/{name}")
    return package.getvalue()
