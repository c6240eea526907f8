"""Run a measurement in a fresh interpreter, against a stand-in for AWS and the vendor in another process."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_OWN = ROOT / ".venv-bench" / "bin" / "python"
PYTHON = _OWN if _OWN.exists() else Path(sys.executable)
"""The interpreter of everything that is measured: Lambda's own version where this machine has it."""
ASYNCIO_PYTHON = ROOT / ".venv-bench-asyncio" / "bin" / "python"
"""The asyncio baseline's: aiobotocore needs another botocore than the layer's."""

VENDOR_SECONDS = {"token": 0.08, "details": 0.15, "images": 0.25}
AWS_SECONDS = {"dynamodb": 0.006, "s3": 0.030, "sqs": 0.010, "secretsmanager": 0.020}
"""Assumed response times, the same for the product and every baseline."""
USUAL = {
    "SELF_PORTRAITS": [120_000, 120_000],
    "DOCUMENT": [250_000, 250_000],
    "DOCUMENT_PORTRAIT": [40_000],
    "DOCUMENT_SIGNATURE": [30_000],
    "DOCUMENT_GHOST_PORTRAIT": [40_000],
}
"""Bytes of each image of an ordinary ticket: seven images, 0.85 MB."""


@dataclass(frozen=True)
class Figure:
    """A measured `value` and its `goal`; `samples` are the values whose median it is, `raw` the numbers behind them.

    `why` says what keeps the figure from its goal and what would reach it; it is shown where the goal is missed.
    """

    name: str
    value: float
    goal: float | None = None
    unit: str = " x"
    at_least: bool = False
    samples: Sequence[float] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    @property
    def reached(self) -> bool | None:
        """None where there is no goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    @property
    def spread(self) -> tuple[float, float] | None:
        """The quartiles of the samples."""
        if len(self.samples) < 3:
            return None
        low, _, high = quantiles(self.samples, n=4)
        return low, high

    def as_dict(self) -> dict[str, Any]:
        """Return the figure as results.json holds it."""
        return {**asdict(self), "spread": self.spread, "reached": self.reached}


def ratio(name: str, above: Sequence[float], below: Sequence[float], goal: float | None = None, **more: Any) -> Figure:
    """Return the median ratio of paired measurements, which were taken one right after the other."""
    samples = [one / other for one, other in zip(above, below, strict=True)]
    return Figure(name, median(samples), goal, samples=samples, **more)


def alternate(
    works: Mapping[str, Callable[[], object]], rounds: int, warm_up: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Return the seconds of each work, done in turn, so that a loaded machine slows all of them."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(warm_up + rounds):
        for name, work in works.items():
            began = clock()
            work()
            if number >= warm_up:
                found[name].append(clock() - began)
    return found


@dataclass
class Lab:
    """A configured environment for functions, and the stand-in's control interface at `url`."""

    environment: Mapping[str, str]
    url: str

    def having(self, **environment: str) -> "Lab":
        """Return a lab whose functions see these variables too."""
        return Lab({**self.environment, **environment}, self.url)

    def configure(self, **settings: Any) -> None:
        """Set the stand-in's `seconds` by kind of call, or the `sizes` of every ticket's images."""
        self._post("/_configure", settings)

    def counts(self) -> dict[str, Any]:
        """Return what was called since the last time: operations, write units and bytes."""
        return dict(self._post("/_counts", {}))

    def run(self, function: str, *, python: Path = PYTHON, **given: Any) -> Any:
        """Return what `module.name` of this package returns, called in a fresh interpreter. Its log is discarded."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "result.json"
            command = [str(python), "-m", "bench.harness", function, json.dumps(given), str(out)]
            environment = {**clean_environment(), **self.environment}
            subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            return json.loads(out.read_text())

    def _post(self, path: str, body: object) -> Any:
        with urllib.request.urlopen(self.url + path, data=json.dumps(body).encode()) as response:
            return json.loads(response.read())


def clean_environment() -> dict[str, str]:
    """Return an environment like Lambda's, without a developer's settings."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("layers", "functions", ".")),
        "PYTHONWARNINGS": "ignore",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "TicketArchive",
        "POWERTOOLS_SERVICE_NAME": "bench",
    }


@contextmanager
def lab(*, latencies: bool = False, sizes: Mapping[str, Sequence[int]] | None = None) -> Iterator[Lab]:
    """Start the stand-in, with the assumed response times or with none."""
    command = [str(PYTHON), "-m", "bench.stand_in"]
    process = subprocess.Popen(command, env=clean_environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        url = process.stdout.readline().strip() if process.stdout else ""
        if not url:
            raise RuntimeError("the stand-in did not start")
        made = Lab(function_environment(url), url)
        made.configure(seconds={**VENDOR_SECONDS, **AWS_SECONDS} if latencies else {}, sizes=dict(sizes or USUAL))
        yield made
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def function_environment(url: str) -> dict[str, str]:
    """Return the template's variables of both functions."""
    return {
        "AWS_ENDPOINT_URL": url,
        "TABLE_NAME": "tickets",
        "IDEMPOTENCY_TABLE_NAME": "idempotency",
        "BUCKET_NAME": "archive",
        "QUEUE_URL": f"{url}/000000000000/tickets",
        "QUARANTINE_QUEUE_URL": f"{url}/000000000000/quarantine",
        "VENDOR_URL": url,
        "VENDOR_CREDENTIAL_SECRET": "credential",
        "WEBHOOK_SECRET": "webhook",
        "MALLOC_MMAP_THRESHOLD_": "1000000",
    }


def memory(name: str) -> int:
    """Return a line of /proc/self/status in bytes: VmRSS (resident now) or VmHWM (the peak since it was reset)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {name} in /proc/self/status")


def reset_peak() -> None:
    """Make VmHWM begin at the present size."""
    Path("/proc/self/clear_refs").write_text("5")


def _measure(function: str, given: str, out: str) -> None:
    module, _, name = function.rpartition(".")
    result = getattr(importlib.import_module(f"bench.{module}"), name)(**json.loads(given))
    Path(out).write_text(json.dumps(result))
    os._exit(0)  # open connections and waiting threads end with the process


if __name__ == "__main__":
    _measure(*sys.argv[1:])
