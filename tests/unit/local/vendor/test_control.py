import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from local.vendor import FAULTS, Credential, Simulator, Tickets
from tests.unit.local.vendor.client import control, details_path, get, images_path, token

ROOT = Path(__file__).parents[4]


def test_another_process_controls_the_simulator_by_json(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    control(vendor, "script", fault="unavailable", endpoint="details", ticket=ticket, times=2)
    assert [get(vendor, details_path(ticket)).status_code for _ in range(3)] == [503, 503, 200]
    assert [call["fault"] for call in control(vendor, "calls", ticket=ticket)] == ["unavailable", "unavailable", None]
    assert control(vendor, "counts") == {"endpoints": {"details": 3}, "faults": {"unavailable": 2}}
    assert control(vendor, "expected", ticket=ticket) == json.loads(json.dumps(vendor.expected(ticket)))
    assert control(vendor, "faults").keys() == FAULTS.keys()
    assert [each["ticket"] for each in control(vendor, "tickets", count=3)] == vendor.ids(3)


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("script", {"fault": "gremlin", "endpoint": "details"}),
        ("script", {"fault": "reset", "endpoint": "nowhere"}),
        ("script", {"fault": "token_expired", "endpoint": "images"}),
        ("script", {"foult": "reset"}),
        ("state", {"ticket": "unknown"}),
        ("latency", {"nowhere": 3}),
        ("webhook", {"ticket": "unknown", "url": "http://127.0.0.1:1/"}),
    ],
)
def test_an_invalid_action_is_400_and_changes_nothing(vendor: Simulator, action: str, given: dict[str, object]) -> None:
    assert requests.post(f"{vendor.url}/_sim/{action}", json=given, timeout=5).status_code == 400
    assert get(vendor, details_path(vendor.ids(1)[0])).status_code == 200


def test_only_actions_in_json_are_served(vendor: Simulator) -> None:
    for name in ("stop", "service", "__init__", "credential", ""):
        assert requests.post(f"{vendor.url}/_sim/{name}", json={}, timeout=5).status_code == 404
    answer = requests.post(f"{vendor.url}/_sim/reset", data="{}", headers={"Content-Type": "text/plain"}, timeout=5)
    assert answer.status_code == 415  # no web page controls the simulator


def test_latency_is_a_minimum_per_endpoint(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    get(vendor, images_path(ticket))
    vendor.latency(images=200)
    began = time.monotonic()
    get(vendor, images_path(ticket))
    between = time.monotonic()
    get(vendor, details_path(ticket))
    assert 0.2 <= between - began < 0.5
    assert time.monotonic() - between < 0.2


def test_a_changed_ticket_is_served_until_reset(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    before = vendor.expected(ticket)
    vendor.state(ticket, outcome="REJECTED", take=1)
    vendor.state(ticket, sizes={"DOCUMENT": [3000, 4000]})
    after = vendor.expected(ticket)
    assert get(vendor, details_path(ticket)).json()["flow_status"] == after["outcome"] == "REJECTED"
    assert {kind: len(images) for kind, images in after["images"].items() if images} == {"DOCUMENT": 2}
    vendor.reset()
    assert vendor.expected(ticket) == before


def test_reset_clears_faults_rates_latencies_tokens_and_calls(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    bearer = token(vendor)
    vendor.script("reset", "details", times=None)
    vendor.rate(1.0)
    vendor.latency(details=5000)
    vendor.reset()
    assert vendor.calls() == []
    assert get(vendor, details_path(ticket), bearer).status_code == 401
    began = time.monotonic()
    assert get(vendor, details_path(ticket)).status_code == 200
    assert time.monotonic() - began < 2


def test_stop_and_start_keep_port_and_state(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    bearer, port = token(vendor), vendor.port
    vendor.stop()
    with pytest.raises(requests.ConnectionError):
        get(vendor, details_path(ticket), bearer)
    vendor.start()
    assert vendor.port == port
    assert get(vendor, details_path(ticket), bearer).status_code == 200
    assert vendor.counts()["endpoints"] == {"token": 1, "details": 1}


def test_the_command_prints_its_url_and_stops_on_a_signal(tmp_path: Path) -> None:
    credential = Credential.generate(99)
    credential.save(tmp_path / "credential.json")
    command = [sys.executable, "-m", "local.vendor", "--seed", "5"]
    process = subprocess.Popen(
        [*command, "--credential", str(tmp_path / "credential.json")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        said = json.loads(process.stdout.readline())
        assert said["seed"] == 5
        listed = requests.post(f"{said['url']}/_sim/tickets", json={"count": 1}, timeout=5).json()["result"]
        assert listed[0]["ticket"] == Tickets(5).id(0)
        refused = requests.post(
            said["url"] + "/id/v1/identity/auth/token", headers={"x-api-key": credential.api_key}, timeout=5
        )
        assert refused.status_code == 400  # the key is the file's; the other headers are missing
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")
    finally:
        process.kill()
        process.communicate()


def test_credential_file_is_private_and_must_hold_all_values(tmp_path: Path) -> None:
    path = tmp_path / "credential.json"
    Credential.generate(1).save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Credential.load(path) == Credential.generate(1)
    for text in ("", "[]", "{}", '{"api_key": "only"}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="must hold api_key, secret, tenant, env and banknu"):
            Credential.load(path)
