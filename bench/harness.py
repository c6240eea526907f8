"""Run a measurement in a fresh interpreter, against a stand-in for AWS and the vendor in another process."""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
_OWN = ROOT / ".venv-bench" / "bin" / "python"
PYTHON = _OWN if _OWN.exists() else Path(sys.executable)
"""The interpreter of everything that is measured: Lambda's own version where this machine has it."""
ASYNCIO_PYTHON = ROOT / ".venv-bench-asyncio" / "bin" / "python"
"""The asyncio baseline's: aiobotocore needs another botocore than the layer's."""

INPUTS: Mapping[str, Any] = tomllib.loads((ROOT / "bench" / "inputs.toml").read_text(encoding="utf-8"))
VENDOR_SECONDS: Mapping[str, float] = INPUTS["seconds"]["vendor"]
AWS_SECONDS: Mapping[str, float] = INPUTS["seconds"]["aws"]
USUAL: Mapping[str, list[int]] = INPUTS["images"]
"""Bytes of each image of an ordinary ticket."""


@dataclass(frozen=True)
class Figure:
    """A measured `value` and its `goal`; `samples` are the values whose median it is, `raw` the numbers behind them."""

    name: str
    value: float
    goal: float | None = None
    unit: str = " x"
    at_least: bool = False
    samples: Sequence[float] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

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


def milliseconds(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each work's seconds in milliseconds, as `raw` holds it."""
    return {f"{name}_ms": 1000 * median(each) for name, each in seconds.items()}


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


@dataclass(frozen=True)
class Harness:
    """The stand-in at `url`, and fresh interpreters that use it."""

    url: str

    @classmethod
    @contextlib.contextmanager
    def start(cls, *, latencies: bool = False) -> Iterator["Harness"]:
        """Start the stand-in, with the assumed response times or none, for ordinary tickets; yield the harness."""
        command = [str(PYTHON), "-m", "bench.stand_in"]
        with subprocess.Popen(command, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                harness = cls(process.stdout.readline().strip() if process.stdout else "")
                harness.configure(seconds={**VENDOR_SECONDS, **AWS_SECONDS} if latencies else {}, sizes=USUAL)
                yield harness
            finally:
                process.terminate()

    def configure(self, **settings: Any) -> None:
        """Set the stand-in's `seconds` by kind of call, or the `sizes` of every ticket's images."""
        self._post("/_configure", settings)

    def counts(self) -> dict[str, Any]:
        """Return the calls since the last time: operations, write units and bytes."""
        return dict(self._post("/_counts", {}))

    def run(
        self, function: str, *, python: Path = PYTHON, variables: Mapping[str, str] | None = None, **given: Any
    ) -> Any:
        """Call `module.name` of this package in a fresh interpreter and return its result. Its log is discarded."""
        command = [str(python), "-m", "bench.harness", function, json.dumps(given)]
        settings = {**environment(self.url), **(variables or {})}
        return json.loads(subprocess.run(command, env=settings, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)

    def _post(self, path: str, body: object) -> Any:
        with urlopen(self.url + path, data=json.dumps(body).encode()) as response:
            return json.loads(response.read())


def environment(url: str = "") -> dict[str, str]:
    """Return an environment like Lambda's, without a developer's settings, for functions that use the stand-in."""
    folders = os.pathsep.join(str(ROOT / folder) for folder in ("layers", "functions", "."))
    given = {name: value.format(url=url) for name, value in INPUTS["environment"].items()}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": folders, "PYTHONWARNINGS": "ignore", **given}


def _measure(function: str, given: str) -> None:
    module, _, name = function.rpartition(".")
    with Path(os.devnull).open("w") as discarded, contextlib.redirect_stdout(discarded):
        result = getattr(importlib.import_module(f"bench.{module}"), name)(**json.loads(given))
    print(json.dumps(result), flush=True)
    os._exit(0)  # open connections and waiting threads end with the process


if __name__ == "__main__":
    _measure(*sys.argv[1:])
