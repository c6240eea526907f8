"""Point 5: cold starts, from a fresh process to the first answer, under Lambda's own runtime client.

AWS's runtime client for Python (awslambdaric) runs the function; the runtime interface emulator that the SAM command
line brings along starts it at the first invocation, as Lambda does, and tells how long that took. Layer and function
are built as for AWS, but for this machine's Python. Two marks run in turn with each: an empty handler, and one that
imports boto3 and makes the clients that the function needs, but calls nobody. The function does call: stand-ins answer
at once. The mark's boto3 is as it comes, compiled, as in Lambda's own runtime; what it would take with the layer's,
of which layers/trim.py left a small part, is among the raw numbers.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import tickets as vendor_tickets
from bench.events import queued, request
from bench.figures import Figure
from bench.harness import Lab, plain
from local import ROOT
from local.emulator import free_port

PYTHON = ROOT / ".venv-bench" / "bin" / "python"
_MARKS = ROOT / "bench" / "marks"
_TOOK = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)(?:.|\n)*?duration: ([\d.]+)(ms|s)\b")


@dataclass(frozen=True)
class Case:
    """A function, the event of its first invocation, and the clients that its mark makes."""

    name: str
    package: str
    event: Mapping[str, Any]
    services: str
    goal: float | None


@dataclass(frozen=True)
class Start:
    """One cold start: wall time from the runtime's start to the answer, and the CPU of its processes."""

    milliseconds: float
    cpu_milliseconds: float


def figures(lab: Lab, *, rounds: int = 9) -> list[Figure]:
    """Each function against both marks; the layer's size; and what a package without compiled modules would cost."""
    [ticket] = vendor_tickets.prepare(lab.vendor, 1, start=3000)
    cases = [
        Case("webhook door", "ingest", request("webhook_completed_encrypted"), "sqs", 1.1),
        Case("retrieval", "retrieval", request("retrieval_images", ticket="images-8"), "dynamodb,s3", 1.1),
        Case("ingest, first archive", "ingest", queued([ticket]), "dynamodb,s3,secretsmanager,sqs", 1.25),
    ]
    with built() as folder:
        everything = {"SERVICES": "dynamodb,s3,secretsmanager,sqs", "PYTHONDONTWRITEBYTECODE": ""}
        start("clients.handler", [_MARKS], lab.environment, {}, **everything)  # compiles runtime client and boto3
        found = [_against(case, lab, folder, rounds) for case in cases]
        found.append(_size(folder / "layer" / "python"))
        found.append(_uncompiled(cases[0], lab, folder, max(1, rounds // 3)))
    return found


def _against(case: Case, lab: Lab, folder: Path, rounds: int) -> Figure:
    """The marks and the function in turn, so that what else the machine does falls on all of them."""
    empty: list[Start] = []
    clients: list[Start] = []
    trimmed: list[Start] = []
    function: list[Start] = []
    for _ in range(rounds):
        empty.append(start("empty.handler", [_MARKS], {}, {}))
        for made, paths in ((clients, [_MARKS]), (trimmed, [_MARKS, folder / "layer" / "python"])):
            made.append(start("clients.handler", paths, lab.environment, {}, SERVICES=case.services))
        function.append(_start(case, lab, folder))
    pairs = list(zip(function, clients, strict=True))
    return Figure(
        f"cold start, {case.name}: over a handler that makes its clients",
        median(ours.milliseconds / mark.milliseconds for ours, mark in pairs),
        goal=case.goal,
        raw={
            "function_ms": [each.milliseconds for each in function],
            "clients_ms": [each.milliseconds for each in clients],
            "clients_of_the_layer_ms": [each.milliseconds for each in trimmed],
            "empty_ms": [each.milliseconds for each in empty],
            "function_cpu_ms": median(each.cpu_milliseconds for each in function),
            "clients_cpu_ms": median(each.cpu_milliseconds for each in clients),
            "empty_cpu_ms": median(each.cpu_milliseconds for each in empty),
            "cpu_ratio": median(ours.cpu_milliseconds / mark.cpu_milliseconds for ours, mark in pairs),
            "services": case.services,
        },
    )


def _start(case: Case, lab: Lab, folder: Path) -> Start:
    paths = [folder / case.package, folder / "layer" / "python"]
    return start(f"{case.package}.app.lambda_handler", paths, lab.environment, case.event)


def _uncompiled(case: Case, lab: Lab, folder: Path, rounds: int) -> Figure:
    """What a layer without compiled modules costs: where it is read-only, nobody can write them."""
    compiled = [_start(case, lab, folder).milliseconds for _ in range(rounds)]
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)
    sources = [_start(case, lab, folder).milliseconds for _ in range(rounds)]
    return Figure(
        f"cold start, {case.name}: without compiled modules, over with them",
        median(sources) / median(compiled),
        raw={"compiled_ms": compiled, "not_compiled_ms": sources},
    )


def _size(layer: Path) -> Figure:
    files = [path for path in layer.rglob("*") if path.is_file()]
    packages: dict[str, int] = {}
    for path in files:
        name = path.relative_to(layer).parts[0]
        packages[name] = packages.get(name, 0) + path.stat().st_size
    largest = dict(sorted(packages.items(), key=lambda pair: -pair[1])[:10])
    compiled = sum(path.stat().st_size for path in files if path.suffix == ".pyc")
    return Figure(
        "the layer, unzipped",
        sum(packages.values()) / 1e6,
        unit="MB",
        raw={"compiled_modules_mb": compiled / 1e6, "largest_bytes": largest, "aws_limit_mb": 250},
    )


def start(
    handler: str, paths: Sequence[Path], environment: Mapping[str, str], event: Mapping[str, Any], **more: str
) -> Start:
    """A fresh process, up to its answer. Raises RuntimeError where there was none."""
    front, api = free_port(), free_port()
    command: list[str | Path] = [_emulator(), "--runtime-interface-emulator-address", f"127.0.0.1:{front}"]
    command += ["--runtime-api-address", f"127.0.0.1:{api}", PYTHON, "-m", "awslambdaric", handler]
    settings = {
        "PYTHONDONTWRITEBYTECODE": "1",
        **plain(),
        **environment,
        **more,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    process = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        _wait_for(front)
        address = f"http://127.0.0.1:{front}/2015-03-31/functions/function/invocations"
        with urllib.request.urlopen(address, data=json.dumps(event).encode(), timeout=60) as response:
            answer = json.loads(response.read())
    finally:
        process.terminate()
        said = process.stdout.read() if process.stdout else ""
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    took = _TOOK.search(said)
    ok = answer.get("statusCode", 200) < 300 and not answer.get("batchItemFailures") and "errorType" not in answer
    if not took or not ok:
        raise RuntimeError(f"{handler} did not answer: {said}")
    invoked = float(took[2]) * (1000 if took[3] == "s" else 1)
    return Start(float(took[1]) + invoked, 1000 * (usage.ru_utime + usage.ru_stime))


@contextmanager
def built() -> Iterator[Path]:
    """The layer and both functions as `sam build` makes them, for the interpreter of the measurement."""
    if not PYTHON.exists():
        raise RuntimeError("run `make bench`: it sets up .venv-bench")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for place, target, out in (
            ("layers", "SharedLayer", "layer"),
            ("functions", "IngestFunction", "ingest"),
            ("functions", "RetrievalFunction", "retrieval"),
        ):
            settings = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHON": str(PYTHON)}
            settings |= {
                "LAYER_ARCHITECTURE": "native",
                "LAYER_PYTHON_VERSION": ".".join(platform.python_version_tuple()[:2]),
            }
            settings["ARTIFACTS_DIR"] = str(folder / out)
            (folder / out).mkdir()
            command = ["make", "--silent", "-C", str(ROOT / place), f"build-{target}"]
            subprocess.run(command, env=settings, check=True, stdout=subprocess.DEVNULL)
        yield folder


def _emulator() -> Path:
    processor = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
    [found] = (ROOT / ".venv-sam").glob(f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{processor}")
    return found


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.005)
    raise RuntimeError("the runtime interface emulator did not start")
