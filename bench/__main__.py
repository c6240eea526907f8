"""`python -m bench [part …]`: measures, prints a table, writes results.json and results.svg beside this file.

Parts are ingest, stack, cpu, memory, cold, snapshots, tls, retrieval, webhooks; all of them unless some are named.
`power` is another, which takes three minutes more and is measured only when it is named.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import cold, cpu, ingest, memory, memory_sizing, retrieval, snapshots, tls, webhooks
from bench.figures import Figure
from bench.harness import AWS_SECONDS, LATENCIES, Lab, function_environment, lab
from bench.plot import svg
from local import ROOT
from local import stack as local_stack
from local.simulator import Simulator
from local.terminal import silent

HERE = Path(__file__).parent


def _ingest() -> list[Figure]:
    with lab(AWS_SECONDS, LATENCIES) as stand_ins:
        return ingest.figures(stand_ins, "stand-in")


def _stack() -> list[Figure]:
    with _stack_lab() as (up, at):
        found = ingest.figures(up, "emulator", rounds=5, baseline_rounds=1)
        return [*found, webhooks.on_the_stack(at)]


def _with_stand_ins(measure: Callable[[Lab], list[Figure]]) -> Callable[[], list[Figure]]:
    def measured() -> list[Figure]:
        with lab({}, {}) as stand_ins:
            return measure(stand_ins)

    return measured


def _power() -> list[Figure]:
    with lab(AWS_SECONDS, LATENCIES) as stand_ins:
        return memory_sizing.figures(stand_ins)


PARTS: Mapping[str, Callable[[], list[Figure]]] = {
    "ingest": _ingest,
    "stack": _stack,
    "cpu": _with_stand_ins(cpu.figures),
    "memory": _with_stand_ins(memory.figures),
    "cold": _with_stand_ins(cold.figures),
    "snapshots": _with_stand_ins(snapshots.figures),
    "tls": _with_stand_ins(tls.figures),
    "retrieval": _with_stand_ins(retrieval.figures),
    "webhooks": _with_stand_ins(webhooks.figures),
    "power": _power,
}


@contextmanager
def _stack_lab() -> Iterator[tuple[Lab, local_stack.Stack]]:
    """The local stack in a folder of its own. Functions run in process, as its user, against the emulator's storage."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        at = local_stack.up(state, silent())
        try:
            credential, webhook = _secrets(at)
            environment = function_environment(at.endpoint_url, at.vendor_url) | at.account.settings()
            environment |= {"TABLE_NAME": at.table, "BUCKET_NAME": at.bucket, "QUEUE_URL": at.queue_url}
            environment |= {"IDEMPOTENCY_TABLE_NAME": _idempotency_table(at), "WEBHOOK_SECRET": webhook}
            environment |= {"VENDOR_CREDENTIAL_SECRET": credential, "BENCH_WEBHOOK_SECRET": at.webhook_secret}
            environment |= {"QUARANTINE_QUEUE_URL": at.quarantine_queue_url}
            vendor = Simulator(at.vendor_url)
            vendor("latency", **LATENCIES)
            yield Lab(environment, vendor), at
            vendor.close()
        finally:
            local_stack.down(state)


def _outputs(at: local_stack.Stack, kind: str) -> list[dict[str, Any]]:
    cloudformation = at.account.session().client("cloudformation", endpoint_url=at.endpoint_url)
    found = cloudformation.describe_stack_resources(StackName=at.stack_name)["StackResources"]
    return [dict(each) for each in found if each["ResourceType"] == kind]


def _secrets(at: local_stack.Stack) -> tuple[str, str]:
    named = {
        each["LogicalResourceId"]: each["PhysicalResourceId"] for each in _outputs(at, "AWS::SecretsManager::Secret")
    }
    return named["VendorCredential"], named["WebhookSecret"]


def _idempotency_table(at: local_stack.Stack) -> str:
    named = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in _outputs(at, "AWS::DynamoDB::Table")}
    return str(named["Idempotency"])


def run(parts: list[str], out: Path) -> list[Figure]:
    """Measures these parts, says so as it goes, and writes both files."""
    console = Console()
    began = time.monotonic()
    environment = _environment()
    console.print("  ".join(f"{name}: {value}" for name, value in environment.items()), style="dim")
    found: list[Figure] = []
    for part in parts:
        started = time.monotonic()
        found += PARTS[part]()
        console.print(f"{part}: {time.monotonic() - started:.0f} s, load {os.getloadavg()[0]:.1f}", style="dim")
    console.print(table(found))
    environment["seconds"] = round(time.monotonic() - began)
    results = {"environment": environment, "figures": [figure.as_dict() for figure in found]}
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "results.svg").write_text(svg(found, f"{environment['at']}, commit {environment['commit']}"))
    missed = [figure.name for figure in found if figure.reached is False]
    console.print(f"{len(found)} figures, {len(missed)} goals missed; all raw numbers are in {out / 'results.json'}")
    return found


def table(figures: list[Figure]) -> Table:
    """The figures as a person reads them."""
    shown = Table(show_edge=False)
    for name in ("figure", "value", "goal", ""):
        shown.add_column(name, justify="right" if name == "value" else "left")
    marks = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}
    for figure in figures:
        shown.add_row(figure.name, f"{figure.value:.2f}{figure.unit}", figure.wanted, marks[figure.reached])
    return shown


def _environment() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": commit.stdout.strip() or "unknown",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="part")
    chosen = parser.parse_args().parts or [part for part in PARTS if part != "power"]
    run(chosen, HERE)
