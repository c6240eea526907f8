"""Run a program with the functions' code in a process of its own."""

import subprocess
import sys

from local import ROOT


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in a fresh interpreter that has the functions' code, but no settings and no credentials."""
    paths = f"{ROOT / 'layers'}:{ROOT / 'functions'}"
    variables = {"PYTHONPATH": paths, "POWERTOOLS_METRICS_NAMESPACE": "TicketArchive", **environment}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done
