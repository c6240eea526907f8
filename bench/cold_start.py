"""Cold starts, from a fresh process to the first answer, under Lambda's own runtime client, and a snapshot's share.

AWS's runtime client for Python (awslambdaric) runs the function, and the runtime interface emulator that comes with
the SAM command line starts it at the first invocation. Layer and functions are built as for AWS. The baseline imports
the same packages from the same layer, makes the same clients, and answers its event with a plain handler. The stand-ins
that both call answer at once. A snapshot leaves the first invocation of a function that prepared for one
(`ticket_archive.snapshot`), and AWS's restore.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from bench.harness import INPUTS, PYTHON, ROOT, Figure, Harness, environment, ratio
from bench.targets import first_events
from local.processes import free_port

_TOOK = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)(?:.|\n)*?duration: ([\d.]+)(ms|s)\b")
KINDS: Mapping[str, Mapping[str, Any]] = INPUTS["cold"]


def figures(rounds: int = 7) -> list[Figure]:
    """Return each function over its baseline, and what a snapshot leaves; CPU is among the raw numbers."""
    with _built() as folder, Harness.start() as harness:
        measured = {kind: _measure(kind, harness, folder, rounds) for kind in KINDS}
    cold, left = [], []
    for kind, found in measured.items():
        function, baseline = (
            [each["init_ms"] + each["first_ms"] for each in found[which]] for which in ("function", "baseline")
        )
        name = f"cold start over a plain handler with the same imports and clients, {kind}"
        # Each start is compared with the one before it and the one after it, so that a change of the load cancels out.
        pairs = ([*function, *function[1:]], [*baseline, *baseline[:-1]])
        cold.append(ratio(name, *pairs, 1.05, raw=found))
        name = f"first answer from a snapshot over a cold start, {kind}"
        snapshot = [each["first_ms"] for each in found["snapshot"]]
        left.append(ratio(name, snapshot, function[-len(snapshot) :], KINDS[kind]["goal"]))
    return cold + left


def _measure(kind: str, harness: Harness, folder: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Return the starts of function and baseline, in turn, and then three of a snapshot, which differ less."""
    package, layer = KINDS[kind]["function"], folder / "layer" / "python"
    modules = INPUTS["imports"]["both"] + INPUTS["imports"][package]
    event, plain_event = first_events(kind)
    given = environment(harness.url)
    services = ",".join(KINDS[kind]["services"])
    asked = {**given, "MODULES": ",".join(modules), "SERVICES": services, "PLAIN": KINDS[kind]["plain"]}
    handlers = {
        "function": (f"{package}.app.lambda_handler", [folder / package, layer], given, event),
        "snapshot": (
            "bench.baselines.snapshot.lambda_handler",
            [folder / package, layer],
            {**given, "FUNCTION": f"{package}.app"},
            event,
        ),
        "baseline": ("bench.baselines.imports.lambda_handler", [layer], asked, plain_event),
    }
    turns = ["function", "baseline"] * rounds + ["snapshot"] * 3
    starts = [(name, _start(*handlers[name])) for name in turns]
    return {name: [start for turn, start in starts if turn == name] for name in handlers}


def _start(
    handler: str, paths: Sequence[Path], variables: Mapping[str, str], event: Mapping[str, Any]
) -> dict[str, float]:
    """Return a fresh process's milliseconds to start, to answer, and of CPU. Raises RuntimeError without an answer."""
    port = free_port()
    command: list[str | Path] = [_emulator(), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{free_port()}", PYTHON, "-m", "awslambdaric", handler]
    settings = {
        "PYTHONDONTWRITEBYTECODE": "1",
        **variables,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
    }
    process = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with requests.Session() as http:
            http.trust_env = False
            until_it_listens = Retry(connect=100, backoff_factor=0.005, backoff_max=0.1)
            http.mount("http://", HTTPAdapter(max_retries=until_it_listens))
            url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
            answer = http.post(url, json=event, timeout=60).json()
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
    return {"init_ms": float(took[1]), "first_ms": invoked, "cpu_ms": 1000 * (usage.ru_utime + usage.ru_stime)}


@contextmanager
def _built() -> Iterator[Path]:
    """Build layer, baseline and functions as `sam build` does, for the benchmark's Python; yield the folder."""
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    found = subprocess.run([PYTHON, "-c", version], capture_output=True, text=True, check=True).stdout.strip()
    settings = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "PYTHON": str(PYTHON)}
    settings |= {"LAYER_ARCHITECTURE": "native", "LAYER_PYTHON_VERSION": found}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for out, source, target in (
            ("layer", "layers", "SharedLayer"),
            ("ingest", "functions", "IngestFunction"),
            ("retrieval", "functions", "RetrievalFunction"),
        ):
            (folder / out).mkdir()
            given = {**settings, "ARTIFACTS_DIR": str(folder / out)}
            command = ["make", "--silent", "-C", str(ROOT / source), f"build-{target}"]
            subprocess.run(command, env=given, check=True, stdout=subprocess.DEVNULL)
        baselines = folder / "layer" / "python" / "bench" / "baselines"
        shutil.copytree(ROOT / "bench" / "baselines", baselines, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([PYTHON, "-m", "compileall", "-q", baselines], check=True)
        yield folder


def _emulator() -> Path:
    processor = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
    [found] = (ROOT / ".venv-sam").glob(f"lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-{processor}")
    return found
