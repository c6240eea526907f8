"""`sam local` against the local stack: its files, and running it.

`up` writes `sam-env.json`, for `--env-vars`, and `events/`: the sample events, sealed with this stack's secret and
about a ticket that its vendor knows.
"""

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local import ROOT
from local.account import Account
from local.containers import Bridge
from local.deploy import SAM, tool_environment
from local.errors import LocalStackError

SETTINGS, EVENTS = "sam-env.json", "events"
"""What they are called in the state folder."""

FUNCTIONS = ("IngestFunction", "RetrievalFunction")
SAMPLES = ROOT / "events"


_WARM = ("--warm-containers", "LAZY")


def write_settings(path: Path, account: Account, stack_name: str, vendor_url: str, bridge: Bridge) -> None:
    """Write both functions' environment as deployed, with every address on the loopback as a container reaches it.

    `sam local` sets only variables that the template names; AWS_ENDPOINT_URL is named there for that reason.
    """
    session = account.session()
    cloudformation = session.client("cloudformation", endpoint_url=account.endpoint_url)
    functions = session.client("lambda", endpoint_url=account.endpoint_url)
    endpoint = from_a_container(account.endpoint_url, bridge, scheme="http")
    moved = {account.endpoint_url: endpoint, vendor_url: from_a_container(vendor_url, bridge)}
    settings = {}
    for logical_id in FUNCTIONS:
        found = cloudformation.describe_stack_resource(StackName=stack_name, LogicalResourceId=logical_id)
        name = found["StackResourceDetail"]["PhysicalResourceId"]
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        for here, there in moved.items():
            variables = {key: value.replace(here, there) for key, value in variables.items()}
        settings[logical_id] = {**variables, "AWS_ENDPOINT_URL": endpoint}
    path.touch(mode=0o600)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def from_a_container(url: str, bridge: Bridge, scheme: str | None = None) -> str:
    """A URL of the loopback as the forwarder opens it on the bridge, at the same port; another URL as it is."""
    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1":
        return url
    return parts._replace(scheme=scheme or parts.scheme, netloc=f"{bridge.address}:{parts.port}").geturl()


def write_events(folder: Path, secret: str, ticket: str | None) -> None:
    """The sample events, sealed with `secret` and about `ticket`."""
    from local import events  # brings the functions' own modules with it

    folder.mkdir(mode=0o700, exist_ok=True)
    for name, event in events.events(secret, ticket or events.TICKET).items():
        (folder / name).write_text(json.dumps(event, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def event_file(name: str, folder: Path) -> Path:
    """The event called `name` in `folder`, or the file `name`. Raises LocalStackError where there is neither."""
    for path in (folder / f"{name}.json", folder / name, Path(name)):
        if path.is_file():
            return path
    known = "\n  ".join(sorted(path.stem for path in folder.glob("*.json")))
    raise LocalStackError(f"no event {name}. There are:\n  {known}")


def function_of(event: Path) -> str:
    """Events are named after their door: `retrieval_…` or one of ingest's."""
    return "RetrievalFunction" if event.name.startswith("retrieval_") else "IngestFunction"


def invoke(event: Path, more: Sequence[str]) -> list[str]:
    """The arguments of `sam local` that hand `event` to its function."""
    return ["invoke", function_of(event), "--event", str(event), *more]


def start_api(more: Sequence[str]) -> list[str]:
    """The arguments that serve the API's routes."""
    return ["start-api", *_WARM, *more]


def start_lambda(more: Sequence[str]) -> list[str]:
    """The arguments that serve Lambda's own API."""
    return ["start-lambda", *_WARM, *more]


def command(arguments: Sequence[str], settings: Path, template: Path | None) -> list[str]:
    """`sam local …` with these settings, of the application as built (by default by `make build`)."""
    given = ["--template", str(template)] if template else []
    return [str(SAM), "local", *arguments, "--env-vars", str(settings), *given]


def run(arguments: Sequence[str], settings: Path, account: Account | None, template: Path | None = None) -> int:
    """Run it in the foreground with the account's key, or none; returns its exit status.

    Ctrl-C is sam's to hear, which then removes its containers; this process waits for it.
    """
    if not SAM.exists():
        raise LocalStackError(f"{SAM.relative_to(ROOT)} is missing: run `make setup`")
    process = start(command(arguments, settings, template), account, cwd=ROOT)
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        if process.poll() is None:  # this process is being ended
            process.send_signal(signal.SIGINT)
            process.wait()
        signal.signal(signal.SIGINT, heard)


def start(command: Sequence[str], account: Account | None, **options: Any) -> "subprocess.Popen[bytes]":
    """Start it with the account's key. It hears SIGINT, which alone takes its containers with it.

    A process that a script started in the background ignores SIGINT, and so would those that it starts.
    """
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, env=tool_environment(credentials(account)), **options)
    finally:
        signal.signal(signal.SIGINT, ours)


def credentials(account: Account | None) -> dict[str, str]:
    """What `sam local` hands on to the functions. Without an account they have none, and nothing to use them on."""
    if account is None:
        return {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "eu-central-1"}
    told = account.settings()
    return {name: told[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")}
