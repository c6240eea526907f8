"""The client connects to no private address, however an image URL spells it (threat 40).

The real client runs in a network namespace with sentinels on the loopback, on Lambda's Runtime API, on the addresses of
credentials and metadata, and on private addresses. The URLs are those of tests/unit/ingest/vendor/test_url_policy.py.
Redirects and names that change their address: tests/faults/test_transport_on_sockets.py.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local import ROOT


def test_no_url_in_any_form_reaches_a_sentinel_that_an_ordinary_client_reaches() -> None:
    paths = [str(ROOT / folder) for folder in ("layers", "functions", "")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.security.outbound"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(paths), "HTTPS_PROXY": "http://127.0.0.1:8080"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "PermissionError" in done.stderr or not sys.platform.startswith("linux"):
        pytest.skip("no process may have a network of its own here; tests/faults tries the same on the loopback")
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["an ordinary client"] == 3
    assert seen["sentinels reached"] == []
    assert len(seen["urls"]) >= 150
    assert {url: how for url, how in seen["urls"].items() if how != "invalid_vendor_response: image_url"} == {}
