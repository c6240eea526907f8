import json
import re
import signal
import sys
from pathlib import Path

import pytest

from local import ROOT, sam
from local.containers import Bridge
from local.errors import LocalStackError
from local.events import SECRET, TICKET

BRIDGE = Bridge("172.17.0.1", "172.17.0.0/16")


@pytest.mark.parametrize(
    ("url", "scheme", "reached"),
    [
        ("https://127.0.0.1:4566", "http", "http://172.17.0.1:4566"),
        ("http://127.0.0.1:8090", None, "http://172.17.0.1:8090"),
        ("https://127.0.0.1:4566/000000000000/queue", "http", "http://172.17.0.1:4566/000000000000/queue"),
        ("https://api.preventor.com", None, "https://api.preventor.com"),
    ],
)
def test_what_is_on_the_loopback_is_reached_on_the_bridge(url: str, scheme: str | None, reached: str) -> None:
    assert sam.from_a_container(url, BRIDGE, scheme) == reached


@pytest.mark.parametrize("path", sorted((ROOT / "events").glob("*.json")), ids=lambda path: path.stem)
def test_every_event_goes_to_the_function_whose_door_it_is_named_after(path: Path) -> None:
    retrieves = json.loads(path.read_text()).get("httpMethod") == "GET"
    assert sam.function_of(path) == ("RetrievalFunction" if retrieves else "IngestFunction")


def test_an_event_is_found_by_its_name_or_as_a_file(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    sam.write_events(tmp_path / "events", SECRET, TICKET)

    assert sam.event_file("schedule_tick", tmp_path / "events") == tmp_path / "events" / "schedule_tick.json"
    assert sam.event_file(str(other), tmp_path / "events") == other


def test_an_unknown_event_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    sam.write_events(tmp_path, SECRET, TICKET)

    with pytest.raises(LocalStackError, match="schedule_tick"):
        sam.event_file("webhok", tmp_path)


def test_a_stacks_events_are_the_samples_but_for_secret_and_ticket(tmp_path: Path) -> None:
    sam.write_events(tmp_path, SECRET, None)

    written = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert written == {path.name: json.loads(path.read_text()) for path in sam.SAMPLES.iterdir()}


def test_alone_there_is_no_key_of_the_developers() -> None:
    alone = sam.credentials(None)
    assert alone.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}


@pytest.mark.parametrize("page", ["README.md", "docs/sam-local.md"])
def test_every_make_target_that_is_documented_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+[a-z])(?![-a-z])", (ROOT / page).read_text(), re.MULTILINE))
    assert named
    assert named <= targets
    assert {f"sam-{what}" for what in ("invoke", "invoke-all", "api", "lambda")} <= targets


def test_what_is_started_hears_ctrl_c_even_where_a_script_started_all_of_it_in_the_background() -> None:
    deaf = "import signal, sys; sys.exit(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = sam.start([sys.executable, "-c", deaf], None)
    finally:
        signal.signal(signal.SIGINT, before)

    assert process.wait(30) == 0
