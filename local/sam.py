"""Run `sam local` against the local stack: settings, sample events, and the responses that the events should have."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config

from local import ROOT
from local.account import Account, outputs
from local.deploy import SAM, tool_environment
from local.errors import LocalStackError, StartFailed
from local.processes import check_port_is_free, free_port

SETTINGS, EVENTS = "sam-env.json", "events"
"""File and folder in the state folder."""

INGEST, RETRIEVAL = "IngestFunction", "RetrievalFunction"

WARM = ("--warm-containers", "EAGER")
"""Start the containers before a server listens, so that its first response takes less than a second."""

READY_SECONDS = 120.0
STOP_SECONDS = 60.0
DEBUGPY = f"debugpy=={version('debugpy')}"
DEBUGGER_MOUNT = "/tmp/lambci_debug_files"  # noqa: S108 - where `sam local` mounts --debugger-path


@dataclass(frozen=True)
class SamLocal:
    """`sam local` with the settings and the credentials of a stack.

    `settings` is the file for --env-vars, `docker_host` the engine's address (empty: the default), `template` the built
    application (default: that of `make build`). With `has_base_image` SAM does not ask the registry for a newer one.
    """

    settings: Path
    account: Account
    docker_host: str = ""
    template: Path | None = None
    has_base_image: bool = False

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `sam local` with these arguments. Raises LocalStackError if SAM is missing."""
        if not SAM.exists():
            raise LocalStackError(f"{SAM.relative_to(ROOT)} is missing: run `make setup`.")
        template = ["--template", str(self.template)] if self.template else []
        return [str(SAM), "local", *arguments, "--env-vars", str(self.settings), *template]

    def variables(self) -> dict[str, str]:
        """Return the functions' credentials, and the settings of `sam local`, which calls STS before each run."""
        account = self.account.settings()
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE")
        variables = {name: account[name] for name in names}
        variables["AWS_ENDPOINT_URL_STS"] = self.account.endpoint_url  # AWS's own STS does not know these credentials
        if self.docker_host:
            variables["DOCKER_HOST"] = self.docker_host
        if self.has_base_image:
            variables["SAM_SKIP_PULL_IMAGE"] = "true"
        return variables

    @contextmanager
    def running(self, *arguments: str, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
        """Run `sam local` during the block, then stop it with SIGINT, on which alone it removes its containers.

        It has a session of its own: Ctrl-C and a closed terminal end this process, which stops it. It does not ignore
        SIGINT, as the children of a script's background job do.
        """
        environment = tool_environment(self.variables())
        previous = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(
                self.command(*arguments), cwd=ROOT, env=environment, start_new_session=True, **options
            )
        finally:
            signal.signal(signal.SIGINT, previous)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def serve(self, command: str, port: int, *more: str) -> int:
        """Serve on 127.0.0.1:`port` until Ctrl-C; return the exit status. Raises StartFailed if the port is in use."""
        check_port_is_free(port, 'ARGS="--port N"')
        with self.running(command, "--port", str(port), *WARM, *more) as process, suppress(KeyboardInterrupt):
            process.wait()
        return process.returncode

    def invoke(self, event: Path, *more: str) -> int:
        """Pass the event to its function and print the response. Return 1 if the function raised an error."""
        function = function_for(event)
        with self.running("invoke", function, "--event", str(event), *more, stdout=subprocess.PIPE) as process:
            printed = process.communicate()[0].decode().rstrip("\n")
        print(printed, flush=True)
        with suppress(ValueError):  # no response: SAM has said why, and its exit status is not 0
            if error := _function_error(json.loads(printed.rpartition("\n")[2])):
                print(f"{function} failed: {error}", file=sys.stderr)
                return 1
        return process.returncode

    @contextmanager
    def serving(self, command: str, log: Path, *more: str) -> Iterator[str]:
        """Serve in the background, with output to `log`; yield the origin. Raises StartFailed if it does not start."""
        port = free_port()
        origin, deadline = f"http://127.0.0.1:{port}", time.monotonic() + READY_SECONDS
        arguments = (command, "--port", str(port), *WARM, *more)
        with log.open("wb") as file, self.running(*arguments, stdout=file, stderr=subprocess.STDOUT) as process:
            while f"Running on {origin}" not in log.read_text(encoding="utf-8", errors="replace"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StartFailed(f"`sam local {command}` did not start; see {log}.")
                time.sleep(0.1)
            yield origin

    def invoke_all(self, folder: Path, log: Path, *more: str) -> Iterator[tuple[str, str | None]]:
        """Pass every event in the folder to its function, over one server; yield each name and what was wrong."""
        with self.serving("start-lambda", log, *more) as origin:
            config = Config(signature_version=UNSIGNED, read_timeout=120, retries={"total_max_attempts": 1})
            client = self.account.client("lambda", endpoint_url=origin, config=config)
            for event in sorted(folder.glob("*.json")):
                response = client.invoke(FunctionName=function_for(event), Payload=event.read_bytes())
                yield event.stem, problem(event.stem, json.loads(response["Payload"].read()))
            client.close()

    def debug(self, event: Path, debugger: Path, port: int, *more: str) -> int:
        """Pass the event to its function under debugpy, which waits on 127.0.0.1:`port` for a client to attach."""
        check_port_is_free(port, 'ARGS="--port N"')
        listen = f"-X frozen_modules=off {DEBUGGER_MOUNT}/debugpy --listen 0.0.0.0:{port} --wait-for-client"
        options = ["--debug-port", str(port), "--debugger-path", str(debugger), "--debug-args", listen]
        return self.invoke(event, *options, *more)


def install_debugger(folder: Path) -> None:
    """Install debugpy for Lambda's Python into `folder`, unless it is there. Raises StartFailed."""
    if (folder / "debugpy").exists():
        return
    command = [str(SAM.with_name("python")), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary", ":all:", "--python-version", "3.13", "--platform", "manylinux_2_34_x86_64"]
    command += ["--platform", "manylinux2014_x86_64", "--target", str(folder), DEBUGPY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartFailed(f"Could not install {DEBUGPY}: {done.stderr.strip()}")


def function_for(path: Path) -> str:
    """Return the logical id of the function that takes the event. Raises LocalStackError if neither does."""
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LocalStackError(f"{path} is not a JSON file: {error}.") from None
    match event:
        case {"httpMethod": str(), "path": str(where)} if where.lstrip("/").startswith(("tickets/", "customers/")):
            return RETRIEVAL
        case {"httpMethod": "POST", "path": str(where)} if where.strip("/") == "webhooks/tickets":
            return INGEST
        case {"Records": [{"eventSource": "aws:sqs"}, *_]} | {"source": "ticket-archive.schedule"}:
            return INGEST
    raise LocalStackError(
        f"Neither function takes the event in {path}. Ingest takes POST /webhooks/tickets of a REST API, SQS records "
        'and {"source": "ticket-archive.schedule"}; retrieval takes GET /tickets/… and /customers/… of a REST API.'
    )


def problem(name: str, response: Any) -> str | None:
    """Return what is wrong with the response to the sample event `name`, or None."""
    if error := _function_error(response):
        return error
    if name.startswith("queue_"):
        return None if response == {"batchItemFailures": []} else f"messages failed: {response}"
    if name.startswith("schedule_"):
        return None if isinstance(response, dict) and "requeued" in response else f"unexpected response {response}"
    kind, _, case = name.partition("_")
    cases = json.loads((ROOT / "local" / "events.json").read_text(encoding="utf-8")).get(kind, {})
    expected = cases.get(case, {}).get("status", 202 if kind == "webhook" else 200)
    status = response.get("statusCode") if isinstance(response, dict) else None
    return None if status == expected else f"status {status}, expected {expected}"


def _function_error(response: Any) -> str | None:
    """Return the error in Lambda's response for a function that raised or timed out, or None."""
    if isinstance(response, dict) and "errorMessage" in response:
        return f"{response.get('errorType', 'Error')}: {response['errorMessage']}"
    return None


def write_settings(path: Path, account: Account, stack_name: str, addresses: Mapping[str, str]) -> None:
    """Write both functions' environment as deployed, with `addresses` (here: in a container) replaced."""
    names = outputs(account, stack_name)
    functions = account.client("lambda")
    settings = {}
    for logical_id in (INGEST, RETRIEVAL):
        deployed = functions.get_function_configuration(FunctionName=names[f"{logical_id}Name"])
        variables = deployed["Environment"]["Variables"]
        for here, there in addresses.items():
            variables = {key: value.replace(here, there) for key, value in variables.items()}
        settings[logical_id] = {**variables, "AWS_ENDPOINT_URL": addresses[account.endpoint_url]}
    path.touch(mode=0o600)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def event_file(name: str, folder: Path) -> Path:
    """Return the file of the sample event `name` in `folder`, or the file `name`. Raises LocalStackError."""
    for path in (folder / f"{name}.json", folder / name, Path(name)):
        if path.is_file():
            return path
    known = "\n  ".join(sorted(path.stem for path in folder.glob("*.json")))
    raise LocalStackError(f"There is no event {name}: give a file, or one of\n  {known}")
