import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import debugpy
import pytest
from botocore.exceptions import HTTPClientError
from typer.testing import CliRunner

from local import ROOT, __main__, events, sam
from local.account import Account
from local.deploy import SAM
from local.errors import LocalStackError, StartFailed
from local.processes import free_port
from local.sam import SamLocal
from tests.support.debugger import stop_at
from tests.support.documentation import blocks

ACCOUNT = Account("https://127.0.0.1:4566", "authority.pem", "eu-central-1", "AKIALOCAL", "a secret")
PYTHON = sys.executable


def local(tmp_path: Path, code: str = "", **options: Any) -> SamLocal:
    """Return a SamLocal whose command is a Python program."""

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
        *("not JSON", "[]", "{}"),
        '{"Records": [{"eventSource": "aws:s3"}]}',
        '{"httpMethod": "GET", "path": "/path/to/resource"}',
        '{"version": "2.0", "rawPath": "/tickets/1"}',
    ],
)
def test_an_event_of_neither_function_is_refused_with_those_that_they_take(tmp_path: Path, event: str) -> None:
    (tmp_path / "event.json").write_text(event)
    with pytest.raises(LocalStackError, match="JSON" if event == "not JSON" else "POST /webhooks/tickets"):
        sam.function_for(tmp_path / "event.json")


def test_the_documented_generate_event_makes_an_event_of_ingest(tmp_path: Path) -> None:
    [block] = [each.text for each in blocks("sh") if "generate-event" in each.text]
    generate = block.splitlines()[0]
    assert generate.endswith("> event.json")
    subprocess.run(
        ["sh", "-c", generate.replace("sam ", f"{SAM} ", 1)],
        cwd=tmp_path,
        check=True,
        env={"HOME": str(tmp_path), "SAM_CLI_TELEMETRY": "0"},
    )
    assert sam.function_for(tmp_path / "event.json") == sam.INGEST
    [record] = json.loads((tmp_path / "event.json").read_text())["Records"]
    assert json.loads(record["body"]).keys() == {"ticket"}


def test_an_event_is_found_by_its_name_or_as_a_file(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    events.write(tmp_path / "events", events.events())
    assert sam.event_file("schedule_tick", tmp_path / "events") == tmp_path / "events" / "schedule_tick.json"
    assert sam.event_file(str(other), tmp_path / "events") == other
    with pytest.raises(LocalStackError, match="schedule_tick"):
        sam.event_file("webhok", tmp_path / "events")


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
    assert "SAM_SKIP_PULL_IMAGE" not in variables
    assert local(tmp_path, has_base_image=True).variables()["SAM_SKIP_PULL_IMAGE"] == "true"
    assert "AWS_PROFILE" not in variables


@pytest.mark.parametrize(("response", "status"), [({"statusCode": 202}, 0), ({"errorMessage": "no"}, 1)])
def test_invoke_prints_the_response_and_fails_if_the_function_did(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], response: dict[str, object], status: int
) -> None:
    """`sam local invoke` itself exits with 0 for a function that raised an error."""
    code = f"print({json.dumps(response)!r})"
    assert local(tmp_path, code).invoke(ROOT / "events" / "schedule_tick.json") == status
    assert json.loads(capfd.readouterr().out) == response


START_LAMBDA = """
import http.server, json, sys
class Functions(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if event == {"source": "ticket-archive.schedule", "last": True}:
            return  # no response, as of a server that is gone
        body = json.dumps({"statusCode": 200} if "httpMethod" in event else {"batchItemFailures": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Functions)
print(f"Running on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


def invoke_all(tmp_path: Path, code: str, **events: object) -> Iterator[tuple[str, str | None]]:
    (tmp_path / "events").mkdir()
    for name, event in events.items():
        (tmp_path / "events" / f"{name}.json").write_text(json.dumps(event))
    return local(tmp_path, code).invoke_all(tmp_path / "events", tmp_path / "log")


@pytest.mark.loopback
def test_invoke_all_checks_the_response_to_every_event(tmp_path: Path) -> None:
    get = {"httpMethod": "GET", "path": "/tickets/1"}
    queue = {"Records": [{"eventSource": "aws:sqs"}]}
    problems = invoke_all(tmp_path, START_LAMBDA, queue_1=queue, retrieval_1=get, retrieval_bad_type=get)
    assert dict(problems) == {"queue_1": None, "retrieval_1": None, "retrieval_bad_type": "status 200, expected 400"}


@pytest.mark.loopback
def test_invoke_all_ends_at_a_server_that_is_gone_or_does_not_start(tmp_path: Path) -> None:
    schedule = {"source": "ticket-archive.schedule"}
    with pytest.raises(HTTPClientError):
        dict(invoke_all(tmp_path, START_LAMBDA, schedule_1=schedule | {"last": True}, schedule_2=schedule))
    with pytest.raises(StartFailed, match="did not start"):
        dict(local(tmp_path, "raise SystemExit(1)").invoke_all(tmp_path / "events", tmp_path / "log"))


@pytest.mark.loopback
def test_ctrl_c_ends_invoke_all_at_once_with_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str, _: object) -> None:
        passed.append(name)
        raise KeyboardInterrupt

    passed: list[str] = []
    monkeypatch.setattr(sam, "problem", interrupted)
    schedule = {"source": "ticket-archive.schedule"}
    with pytest.raises(KeyboardInterrupt):
        dict(invoke_all(tmp_path, START_LAMBDA, schedule_1=schedule, schedule_2=schedule))
    assert passed == ["schedule_1"]
    [port] = re.findall(r"Running on http://127.0.0.1:(\d+)", (tmp_path / "log").read_text())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port))).close()


DEBUGPY = f"""
import os, sys
given = sys.argv[sys.argv.index("--debug-args") + 1]
given = given.replace({sam.DEBUGGER_MOUNT!r}, {str(Path(debugpy.__file__).parents[1])!r})
given = given.replace("0.0.0.0", "127.0.0.1")
os.execv(sys.executable, [sys.executable, *given.split(), {{script!r}}])
"""


@pytest.mark.loopback
def test_a_debugger_attaches_as_launch_json_says_and_stops_at_a_line(tmp_path: Path) -> None:
    """With debugpy on this machine in place of a container's; the code is in another folder, as in a container."""
    source, port = ROOT / "functions" / "retrieval" / "app.py", free_port()
    script = tmp_path / "retrieval" / "app.py"
    script.parent.mkdir()
    script.write_text("x = 1\nprint('{\"statusCode\": 200}')\n")
    launch = (ROOT / ".vscode" / "launch.json").read_text(encoding="utf-8")
    [attach] = json.loads(launch.replace('"/var/task"', json.dumps(str(tmp_path))))["configurations"]
    attach["connect"]["port"] = port

    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop_at, port, attach, ROOT, str(source.relative_to(ROOT)), 2)
        fake = local(tmp_path, DEBUGPY.format(script=str(script)))
        assert fake.debug(ROOT / "events" / "retrieval_ticket.json", tmp_path, port) == 0

    assert stopped.result() == (str(source), 2)


@pytest.mark.loopback
@pytest.mark.parametrize("form", [["--port", "{}"], ["-p", "{}"], ["--port={}"]])
@pytest.mark.parametrize("server", ["api", "lambda"])
def test_a_server_names_its_port_if_it_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, form: list[str]
) -> None:
    monkeypatch.setattr(__main__, "_sam", lambda: local(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalStackError, match=f"Port {port} is in use"):
            CliRunner().invoke(
                __main__.app, ["sam", server, *(part.format(port) for part in form)], catch_exceptions=False
            )


@pytest.mark.loopback
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_server_is_stopped_with_sigint_when_this_process_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """As by `kill`, by closing the terminal, or by Ctrl-C: `sam local` removes its containers on SIGINT alone."""
    stopped = tmp_path / "stopped"
    server = f"""
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: (open({str(stopped)!r}, "w"), sys.exit(0)))
os.kill(os.getppid(), {int(number)})
time.sleep(60)
"""
    fake = local(tmp_path, server)
    monkeypatch.setattr(__main__, "_sam", lambda: fake)
    monkeypatch.setattr(sys, "argv", ["local", "sam", "lambda", "--port", str(free_port())])
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    mask = os.umask(0o077)
    try:
        with pytest.raises(SystemExit) as ended:
            __main__.main()
    finally:
        os.umask(mask)
        for each, handler in handlers.items():
            signal.signal(each, handler)

    assert ended.value.code == (0 if number == signal.SIGINT else 128 + number)
    assert stopped.exists()
