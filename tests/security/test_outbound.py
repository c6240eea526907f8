"""The client connects to nobody but the vendor and public addresses of allowed hosts (threat 40).

The real client runs in a network namespace with sentinels on the loopback, on Lambda's Runtime API, on the addresses of
credentials and metadata, and on private addresses. The URLs are those of tests/unit/ingest/vendor/test_url_policy.py.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local import ROOT
from tests.security.outbound import REBINDING, REDIRECTS


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    paths = [str(ROOT / folder) for folder in ("layers", "functions", "")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.security.outbound", tmp_path_factory.mktemp("tls")],
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
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_ordinary_client_reaches_the_sentinels(seen: dict[str, Any]) -> None:
    assert seen["an ordinary client"] == 3


def test_no_sentinel_is_reached(seen: dict[str, Any]) -> None:
    assert seen["sentinels reached"] == []


def test_every_url_in_another_form_is_refused(seen: dict[str, Any]) -> None:
    assert len(seen["urls"]) >= 150
    assert {url: how for url, how in seen["urls"].items() if how != "invalid_vendor_response: image_url"} == {}


def test_redirect_is_not_followed(seen: dict[str, Any]) -> None:
    assert seen["redirects"] == dict.fromkeys(REDIRECTS, "invalid_vendor_response: redirect")


@pytest.mark.parametrize("number", range(len(REBINDING)))
def test_name_with_a_private_address_is_refused_at_each_look_up(seen: dict[str, Any], number: int) -> None:
    """A name is fetched only while all of its addresses are public."""
    public = [
        all(address.startswith("93.184.216.") for address in addresses) for addresses in REBINDING[number]
    ]  # one look-up each
    expected = ["fetched" if each else "invalid_vendor_response: address" for each in public]
    assert seen["rebinding"][number] == expected


def test_token_goes_to_the_vendor_only(seen: dict[str, Any]) -> None:
    assert seen["fetched"] == "image/png"
    to_vendor, to_images = "".join(seen["said to the vendor"]), "".join(seen["said to the image host"])
    assert "Bearer canary-token" in to_vendor
    assert "GET /signed" in to_images
    for name in ("canary", "authorization", "x-api-key", "cookie"):
        assert name not in to_images.lower()
