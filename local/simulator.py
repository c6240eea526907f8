"""Start the vendor simulator as a process, and call its control interface."""

import json
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests

from local import ROOT
from local.processes import Ledger

NAME = "vendor simulator"


class Simulator:
    """A client of the simulator's control interface at `url`/_sim/."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = requests.Session()
        self._http.trust_env = False

    def __call__(self, action: str, **given: Any) -> Any:
        """Return the result of `action` (local/vendor/server.py), with exact decimals. Raises requests.HTTPError."""
        response = self._http.post(f"{self.url}/_sim/{action}", json=given, timeout=120)
        response.raise_for_status()
        return exactly(response.content)["result"]

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def run(ledger: Ledger, port: int, seed: int, log: Path) -> None:
    """Start the simulator of `seed`. Raises StartFailed."""
    command = [sys.executable, "-m", "local.vendor", str(port), str(seed)]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with closing(Simulator(f"http://127.0.0.1:{port}")) as simulator:
        ledger.start(NAME, command, environment=environment, log=log, probe=lambda: simulator("counts"))


def exactly(text: str | bytes) -> Any:
    """Return the value of a JSON text, with exact decimals."""
    return json.loads(text, parse_float=Decimal)
