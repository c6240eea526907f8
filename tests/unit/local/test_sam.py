import json
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local import ROOT, sam
from local.account import Account
from local.emulator import free_port
from local.errors import LocalStackError
from local.events import SECRET, TICKET
from local.sam import SamLocal

ACCOUNT = Account("https://127.0.0.1:4566", "authority.pem", "eu-central-1", "AKIALOCAL", "a secret")
PYTHON = sys.executable


def local(tmp_path: Path, code: str = "", **options: Any) -> SamLocal:
    """`sam local` whose command is a Python program."""

    class Fake(SamLocal):
        def command(self, *arguments: str) -> list[str]:
            return [PYTHON, "-c", code, *arguments]

    return Fake(tmp_path / sam.SETTINGS, ACCOUNT, **options)


@pytest.mark.parametrize("path", sorted((ROOT / "events").glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_event_goes_to_the_function_that_its_name_says(path: Path) -> None:
    assert sam.function_for(path) == (sam.RETRIEVAL if path.name.startswith("retrieval_") else sam.INGEST)


@pytest.mark.parametrize(
    "event",
    [
        "not JSON",
        "[]",
        "{}",
        '{"Records": [{"eventSource": "aws:s3"}]}',
        '{"httpMethod": "GET", "path": "/path/to/resource"}',
        '{"version": "2.0", "rawPath": "/tickets/1"}',
    ],
)
def test_an_event_of_neither_function_is_refused_with_those_that_they_take(tmp_path: Path, event: str) -> None:
    (tmp_path / "event.json").write_text(event)

    with pytest.raises(LocalStackError, match="JSON" if event == "not JSON" else "POST /webhooks/tickets"):
        sam.function_for(tmp_path / "event.json")


def test_an_event_is_found_by_its_name_or_as_a_file(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    sam.write_events(tmp_path / "events", SECRET)

    assert sam.event_file("schedule_tick", tmp_path / "events") == tmp_path / "events" / "schedule_tick.json"
    assert sam.event_file(str(other), tmp_path / "events") == other
    with pytest.raises(LocalStackError, match="schedule_tick"):
        sam.event_file("webhok", tmp_path / "events")


def test_a_stacks_events_are_about_its_ticket_and_customer_and_received_now(tmp_path: Path) -> None:
    ticket = TICKET.replace("7", "8")
    sam.write_events(tmp_path, SECRET, ticket, "CIF1")

    written = {path.stem: json.loads(path.read_text()) for path in tmp_path.iterdir()}

    assert written.keys() == {path.stem for path in (ROOT / "events").iterdir()}
    assert written["retrieval_ticket"]["pathParameters"] == {"ticket": ticket}
    assert written["retrieval_customer_tickets"]["pathParameters"] == {"customer": "CIF1"}
    [record] = written["queue_completed_encrypted"]["Records"]
    received_at = datetime.fromisoformat(json.loads(record["body"])["webhook"]["received_at"])
    assert timedelta(0) <= datetime.now(UTC) - received_at < timedelta(minutes=1)
    assert int(record["attributes"]["SentTimestamp"]) == int(received_at.timestamp() * 1000)


@pytest.mark.parametrize(
    ("event", "response", "right"),
    [
        ("webhook_junk", {"statusCode": 202}, True),
        ("webhook_empty", {"statusCode": 400}, True),
        ("webhook_empty", {"statusCode": 202}, False),
        ("retrieval_ticket", {"statusCode": 200}, True),
        ("retrieval_ticket", {"statusCode": 404}, False),
        ("queue_completed_encrypted", {"batchItemFailures": []}, True),
        ("queue_completed_encrypted", {"batchItemFailures": [{"itemIdentifier": "1"}]}, False),
        ("schedule_tick", {"requeued": 0}, True),
        ("schedule_tick", {"errorMessage": "no", "errorType": "SettingsError"}, False),
        ("retrieval_ticket", None, False),
    ],
)
def test_the_response_to_a_sample_event_is_checked(event: str, response: object, right: bool) -> None:
    assert (sam.problem(event, response) is None) is right


def test_sam_asks_the_emulator_and_not_aws_who_the_local_key_belongs_to(tmp_path: Path) -> None:
    variables = local(tmp_path, docker_host="unix:///podman.sock").variables()

    assert variables["AWS_ENDPOINT_URL_STS"] == "https://127.0.0.1:4566"
    assert variables["AWS_CA_BUNDLE"] == "authority.pem"
    assert variables["AWS_ACCESS_KEY_ID"] == "AKIALOCAL"
    assert variables["DOCKER_HOST"] == "unix:///podman.sock"
    assert "AWS_PROFILE" not in variables


@pytest.mark.parametrize(("response", "status"), [({"statusCode": 202}, 0), ({"errorMessage": "no"}, 1)])
def test_invoke_prints_the_response_and_fails_if_the_function_did(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], response: dict[str, object], status: int
) -> None:
    """`sam local invoke` itself exits with 0 for a function that raised an error."""
    code = f"print({json.dumps(response)!r})"

    assert local(tmp_path, code).invoke(ROOT / "events" / "schedule_tick.json") == status
    assert json.loads(capfd.readouterr().out) == response


@pytest.mark.loopback
@pytest.mark.parametrize("form", [["--port", "{}"], ["-p", "{}"], ["--port={}"]])
def test_a_server_names_its_port_if_it_is_in_use(form: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalStackError, match=f"Port {port} is in use"):
            sam.check_port(["start-api", *(part.format(port) for part in form)])
    sam.check_port(["start-api", "--port", str(free_port())])
    sam.check_port(["invoke"])


REPORT_SIGNALS = "import signal; print([signal.getsignal(s) == signal.SIG_IGN for s in (signal.SIGINT, signal.SIGHUP)])"


def test_sam_receives_ctrl_c_even_in_a_background_job_and_survives_a_closed_terminal(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = local(tmp_path, REPORT_SIGNALS).start(stdout=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)

    assert process.communicate()[0].decode().strip() == "[False, True]"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_server_is_stopped_with_sigint_when_this_process_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    """As by `kill`, or by closing the terminal: `sam local` removes its containers on SIGINT alone."""
    stopped = tmp_path / "stopped"
    server = (
        "import signal, sys, time, pathlib\n"
        f"signal.signal(signal.SIGINT, lambda *_: (pathlib.Path({str(stopped)!r}).touch(), sys.exit(0)))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    program = (
        "import sys; from pathlib import Path; from unittest import mock\n"
        "from local import __main__, sam; from tests.unit.local.test_sam import local\n"
        f"fake = local(Path({str(tmp_path)!r}), {server!r})\n"
        "sys.argv = ['local', 'sam', 'lambda', '--port', '0']\n"
        "with mock.patch.object(__main__, '_sam', lambda: fake): __main__.main()"
    )
    with subprocess.Popen([PYTHON, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

        process.send_signal(number)

        assert process.wait(30) == 128 + number
    assert stopped.exists()


@pytest.mark.parametrize("page", ["README.md", "docs/sam-local.md"])
def test_every_documented_make_target_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+[a-z])(?![-a-z])", (ROOT / page).read_text(), re.MULTILINE))
    assert named
    assert named <= targets
