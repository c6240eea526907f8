"""Cold starts without a snapshot, from a fresh process to the first answer, under Lambda's own runtime client.

AWS's runtime client for Python (awslambdaric) runs the function, and the runtime interface emulator that comes with
the SAM command line starts it at the first invocation, as Lambda does. Layer and functions are built as for AWS, for
the benchmark's Python. The baseline imports the same packages from the same layer and makes the same clients; it
calls no one, while the function answers its event against stand-ins that answer at once.
"""

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.events import images_request, request, requested, tickets
from bench.harness import PYTHON, ROOT, Figure, Lab, clean_environment, lab, ratio

_TOOK = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)(?:.|\n)*?duration: ([\d.]+)(ms|s)\b")
_POWERTOOLS = "aws_lambda_powertools"
_COMMON = f"boto3.dynamodb.types,pydantic,{_POWERTOOLS}.logging,{_POWERTOOLS}.metrics"
_INGEST = ",".join(
    [_COMMON, "requests,cryptography.hazmat.primitives.ciphers,filetype"]
    + [f"{_POWERTOOLS}.utilities.{name}" for name in ("batch", "idempotency", "parameters")]
)
WHY = "the baseline calls no one; own modules, models and first calls are the rest. A snapshot leaves only the calls"


@dataclass(frozen=True)
class Case:
    """A function, its first event, and what its baseline imports and makes."""

    name: str
    package: str
    event: Mapping[str, Any]
    modules: str
    services: str


def figures(rounds: int = 5) -> list[Figure]:
    """Return each function over its baseline, by wall time; CPU is among the raw numbers."""
    cases = [
        Case("webhook", "ingest", request("webhook_completed_encrypted"), _INGEST, "sqs"),
        Case("retrieval", "retrieval", images_request(8), f"{_COMMON},{_POWERTOOLS}.event_handler", "dynamodb,s3"),
        Case("first archive", "ingest", requested(tickets(1)), _INGEST, "dynamodb,s3,secretsmanager,sqs"),
    ]
    with built() as folder, lab() as stand_ins:
        shutil.copy(ROOT / "bench" / "baselines" / "imports.py", folder / "layer" / "python" / "imports.py")
        return [_figure(case, stand_ins, folder, rounds) for case in cases]


def _figure(case: Case, stand_ins: Lab, folder: Path, rounds: int) -> Figure:
    layer = folder / "layer" / "python"
    asked = {"MODULES": case.modules, "SERVICES": case.services}
    pairs = []
    for number in range(rounds + 1):
        baseline = start("imports.lambda_handler", [layer], {**stand_ins.environment, **asked}, {})
        handler, paths = f"{case.package}.app.lambda_handler", [folder / case.package, layer]
        pair = baseline, start(handler, paths, stand_ins.environment, case.event)
        pairs += [pair] if number else []  # the first fills the disk's cache
    found = {
        side: {what: [pair[place][what] for pair in pairs] for what in ("ms", "cpu_ms")}
        for place, side in enumerate(("baseline", "function"))
    }
    name = f"cold start over the same imports and clients, {case.name}"
    return ratio(name, found["function"]["ms"], found["baseline"]["ms"], 1.05, raw=found, why=WHY)


def start(
    handler: str, paths: Sequence[Path], environment: Mapping[str, str], event: Mapping[str, Any]
) -> dict[str, float]:
    """Return wall and CPU milliseconds of a fresh process up to its answer. Raises RuntimeError without one."""
    front, api = _free_port(), _free_port()
    command: list[str | Path] = [_emulator(), "--runtime-interface-emulator-address", f"127.0.0.1:{front}"]
    command += ["--runtime-api-address", f"127.0.0.1:{api}", PYTHON, "-m", "awslambdaric", handler]
    settings = {
        "PYTHONDONTWRITEBYTECODE": "1",
        **clean_environment(),
        **environment,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    process = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        _wait_for(front)
        url = f"http://127.0.0.1:{front}/2015-03-31/functions/function/invocations"
        with urllib.request.urlopen(url, data=json.dumps(event).encode(), timeout=60) as response:
            answer = json.loads(response.read())
    finally:
        process.terminate()
        output = process.stdout.read() if process.stdout else ""
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    took = _TOOK.search(output)
    ok = answer.get("statusCode", 200) < 300 and not answer.get("batchItemFailures") and "errorType" not in answer
    if not took or not ok:
        raise RuntimeError(f"{handler} did not answer: {answer} {output}")
    invoked = float(took[2]) * (1000 if took[3] == "s" else 1)
    return {"ms": float(took[1]) + invoked, "cpu_ms": 1000 * (usage.ru_utime + usage.ru_stime)}


@contextmanager
def built() -> Iterator[Path]:
    """Build the layer and both functions as `sam build` does, for the benchmark's Python."""
    found = subprocess.run([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], stdout=-1, check=True)
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHON": str(PYTHON),
        "LAYER_ARCHITECTURE": "native",
        "LAYER_PYTHON_VERSION": found.stdout.decode().strip(),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for place, target, out in (
            ("layers", "SharedLayer", "layer"),
            ("functions", "IngestFunction", "ingest"),
            ("functions", "RetrievalFunction", "retrieval"),
        ):
            (folder / out).mkdir()
            command = ["make", "--silent", "-C", str(ROOT / place), f"build-{target}"]
            given = {**settings, "ARTIFACTS_DIR": str(folder / out)}
            subprocess.run(command, env=given, check=True, stdout=subprocess.DEVNULL)
        yield folder


def _emulator() -> Path:
    processor = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
    [found] = (ROOT / ".venv-sam").glob(f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{processor}")
    return found


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.005)
    raise RuntimeError("the runtime interface emulator did not start")
