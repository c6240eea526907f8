"""The laboratory: stand-ins as processes of their own, measurements in fresh interpreters with nobody's settings."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import ROOT
from local.simulator import Simulator

LATENCIES = {"token": 80.0, "details": 150.0, "images": 250.0}
"""Milliseconds that the vendor takes, per kind of call."""
AWS_SECONDS = {"dynamodb": 0.006, "s3": 0.030, "sqs": 0.010, "secretsmanager": 0.020}
"""What AWS usually takes within a region for requests of this size: an assumption, the same for both sides."""
PYTHONPATH = os.pathsep.join(str(ROOT / folder) for folder in ("layers", "functions", "."))
_SEED = 7


@dataclass
class Lab:
    """Where a measurement runs: `environment` is what a function sees, `vendor` steers the vendor simulator."""

    environment: Mapping[str, str]
    vendor: Simulator = field(repr=False)

    def having(self, **environment: str) -> "Lab":
        """The same with other variables."""
        return Lab({**self.environment, **environment}, self.vendor)

    def run(self, function: str, **given: Any) -> Any:
        """What the function `module.name` of this package returns, called in a fresh interpreter."""
        with measurement(function, self.environment, given) as (process, out):
            if process.wait() != 0:
                raise RuntimeError(f"{function} failed")
            return json.loads(out.read_text())


@contextmanager
def measurement(
    function: str, environment: Mapping[str, str], given: Mapping[str, Any]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A measurement under way in a process of its own, and where its result will be. What it logs goes nowhere."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [sys.executable, "-m", "bench.child", function, json.dumps(given), str(out)]
        process = subprocess.Popen(command, env={**plain(), **environment}, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            yield process, out
        finally:
            process.kill()
            process.wait()


def plain() -> dict[str, str]:
    """An environment as Lambda's: nothing of a developer's settings."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": PYTHONPATH,
        "PYTHONWARNINGS": "ignore",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "TicketArchive",
    }


@contextmanager
def lab(aws_seconds: Mapping[str, float], vendor_latencies: Mapping[str, float]) -> Iterator[Lab]:
    """Stand-ins for AWS and the vendor that take these times, and functions configured for them."""
    with _vendor() as vendor:
        vendor("latency", **vendor_latencies)
        credential = json.dumps(_CREDENTIAL)
        secrets = json.dumps({"credential": credential, "webhook": json.dumps({"secret": "0" * 32})})
        seconds = [f"--seconds={name}={value}" for name, value in aws_seconds.items()]
        with serving([sys.executable, "-m", "bench.aws", "--secrets", secrets, *seconds]) as url:
            yield Lab(function_environment(url, vendor.url), vendor)


def function_environment(aws: str, vendor: str) -> dict[str, str]:
    """The template's variables of both functions."""
    return {
        "AWS_ENDPOINT_URL": aws,
        "TABLE_NAME": "tickets",
        "IDEMPOTENCY_TABLE_NAME": "idempotency",
        "BUCKET_NAME": "archive",
        "QUEUE_URL": f"{aws}/000000000000/tickets",
        "QUARANTINE_QUEUE_URL": f"{aws}/000000000000/quarantine",
        "VENDOR_URL": vendor,
        "VENDOR_CREDENTIAL_SECRET": "credential",
        "WEBHOOK_SECRET": "webhook",
    }


_CREDENTIAL = {"api_key": "key", "secret": "secret", "tenant": "bench", "env": "sandbox", "banknu": "1"}


@contextmanager
def _vendor() -> Iterator[Simulator]:
    with tempfile.TemporaryDirectory() as folder:
        credential = Path(folder) / "credential.json"
        credential.write_text(json.dumps(_CREDENTIAL))
        command = [sys.executable, "-m", "local.vendor", "--seed", str(_SEED), "--credential", str(credential)]
        with serving(command) as line:
            simulator = Simulator(json.loads(line)["url"])
            try:
                yield simulator
            finally:
                simulator.close()


@contextmanager
def serving(command: Sequence[str]) -> Iterator[str]:
    """A process that serves until the block ends, and the line that it begins with."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline().strip() if process.stdout else ""
        if not line:
            raise RuntimeError(f"{command[2]} did not start")
        yield line
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()
