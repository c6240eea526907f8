"""The vendor simulator as a process of its own, and how it is steered."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import requests

from local import ROOT
from local.errors import StartFailed
from local.processes import Started, start

READY_SECONDS = 30.0


class Simulator:
    """The simulator's control interface at `url`/_sim/."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = requests.Session()
        self._http.trust_env = False

    def __call__(self, action: str, **given: Any) -> Any:
        """What `action` (of local/vendor/control.py) gives; raises `requests.HTTPError` when it refuses."""
        return json.loads(self.text(action, **given))["result"]

    def text(self, action: str, **given: Any) -> str:
        """The same as the JSON that came, `{"result": …}`."""
        answer = self._http.post(f"{self.url}/_sim/{action}", json=given, timeout=60)
        answer.raise_for_status()
        return answer.text

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()


def begin(port: int, seed: int, credential: Path, log: Path) -> Started:
    """Begin the simulator of `seed` on `port`; it opens for the credential in that file."""
    command: list[str | Path] = [sys.executable, "-m", "local.vendor", "--port", str(port), "--seed", str(seed)]
    command += ["--credential", credential]
    return start("vendor", command, environment={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}, log=log)


def wait_until_ready(process: Started, url: str, log: Path) -> None:
    """Return once the simulator answers; raises StartFailed when it ends, or says nothing for READY_SECONDS."""
    simulator = Simulator(url)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if not process.alive:
            raise StartFailed(f"the vendor simulator ended at once; see {log}")
        try:
            simulator("health")
        except requests.RequestException:
            time.sleep(0.1)
        else:
            simulator.close()
            return
    raise StartFailed(f"the vendor simulator was not ready within {READY_SECONDS:.0f} s; see {log}")
