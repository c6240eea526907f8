import re
from pathlib import Path

import pytest
import requests

from local import ROOT
from local.vendor.control import ACTIONS
from local.vendor.credential import Credential
from local.vendor.server import Simulator
from tests.unit.local.vendor.client import details_path, get


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


def test_documented_actions_exist() -> None:
    documented = set(re.findall(r"/_sim/(\w+)", (ROOT / "local" / "README.md").read_text(encoding="utf-8")))
    assert documented
    assert documented <= set(ACTIONS)


def test_credential_file_is_private_and_must_hold_all_values(tmp_path: Path) -> None:
    path = tmp_path / "credential.json"
    Credential.generate(1).save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Credential.load(path) == Credential.generate(1)
    for text in ("", "[]", "{}", '{"api_key": "only"}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="must hold api_key, secret, tenant, env and banknu"):
            Credential.load(path)
