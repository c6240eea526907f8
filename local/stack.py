"""Start and stop the local stack, and read and write stack.json, which has its addresses."""

import fcntl
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from local import account, certificate, containers, deploy, emulator, sam, simulator
from local.account import Account
from local.containers import Engine
from local.errors import AlreadyUp, LocalStackError
from local.processes import LOOPBACK, Ledger, end, free_port
from local.terminal import step
from local.vendor.credential import Credential

NAME = "idv-ticket-archive"
SEED = 1
PARAMETERS = {"RetryDelaySeconds": "1", "SettleMinutes": "1", "VendorMaxConcurrency": "2"}
"""Differences from production: a developer does not wait 20 s for a retry, and has few cores."""


@dataclass(frozen=True)
class Stack:
    """The contents of stack.json: the addresses, names and keys of a running stack."""

    webhook_url: str
    webhook_secret: str = field(repr=False)
    api_url: str
    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    vendor_url: str
    stack_name: str
    table: str
    bucket: str
    queue_url: str
    dead_letter_queue_url: str
    quarantine_queue_url: str
    ca_bundle: str

    @property
    def account(self) -> Account:
        """The emulated account, with the stack's key."""
        return Account(self.endpoint_url, self.ca_bundle, self.region, self.access_key_id, self.secret_access_key)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables for programs that call the stack. Each library has its own for the CA."""
        authority = dict.fromkeys(("CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"), self.ca_bundle)
        names = ("api_url", "bucket", "queue_url", "vendor_url")
        addresses = {name.upper(): getattr(self, name) for name in names}
        return {**self.account.settings(), **authority, **addresses}

    @classmethod
    def load(cls, state: Path) -> "Stack":
        """Return the running stack of the state folder. Raises LocalStackError."""
        if not _is_running(state):
            raise LocalStackError("No local stack is running: run `make up`.")
        try:
            return cls(**json.loads((state / "stack.json").read_text(encoding="utf-8")))
        except (ValueError, TypeError):  # of another release
            raise LocalStackError(f"{state / 'stack.json'} cannot be read: run `make down`, then `make up`.") from None

    def save(self, state: Path) -> None:
        """Write stack.json atomically, readable by this user alone."""
        staged = state / "stack.json.new"
        staged.touch(mode=0o600)
        staged.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        staged.replace(state / "stack.json")


@dataclass(frozen=True)
class Vendor:
    """A vendor to call instead of the simulator, and the credential for it."""

    url: str
    credential: Credential


def up(
    state: Path,
    console: Console,
    *,
    vendor: Vendor | None = None,
    port: int | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Stack:
    """Start the emulator and, without a `vendor`, the simulator; deploy; write `state`/stack.json.

    `parameters` are template parameters on top of PARAMETERS. Raises AlreadyUp, or another LocalStackError if something
    did not start; nothing is left running then.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(state):
        if _is_running(state):
            raise AlreadyUp(f"The local stack is running; see {state / 'stack.json'}.")
        _clear(state)  # left by a start that was killed, or by a reboot
        try:
            stack = _start(state, console, vendor, port or free_port(), parameters or {})
        except BaseException:
            _clear(state)
            raise
        stack.save(state)
        return stack


def open_to_containers(state: Path, console: Console) -> tuple[Stack, Engine]:
    """Let containers reach the running stack until `down`; write what `sam local` needs. Raises LocalStackError.

    On a bridge address the stack's own ports are free. Where containers reach the loopback itself, only the emulator
    needs a forwarder, on another port, because its certificate does not have the engine's name for this machine.
    """
    stack = Stack.load(state)
    engine, ledger = containers.find_engine(), _ledger(state)
    with _locked(state):
        if not any(started.name == containers.NAME and started.running for started in ledger.read()):
            with step(console, f"Opening the stack to the containers of {engine.name}"):
                emulated, vendor = urlsplit(stack.endpoint_url).port or 443, urlsplit(stack.vendor_url)
                listen = free_port() if engine.in_virtual_machine else emulated
                addresses = {stack.endpoint_url: f"http://{engine.host}:{listen}"}
                plain: dict[int, int] = {}
                if vendor.hostname == LOOPBACK and vendor.port:
                    addresses[stack.vendor_url] = f"http://{engine.host}:{vendor.port}"
                    plain = {} if engine.in_virtual_machine else {vendor.port: vendor.port}
                sam.write_settings(state / sam.SETTINGS, stack.account, stack.stack_name, addresses)
                log = state / "logs" / "containers.log"  # last: while the forwarder runs, nothing is written again
                containers.forward(ledger, engine, plain, {listen: emulated}, Path(stack.ca_bundle), log)
    _write_events(state, stack)
    return stack, engine


def down(state: Path) -> list[str]:
    """Stop the processes that `up` started, remove their files, and return the names of those that were running."""
    if not state.exists():
        return []
    with _locked(state):
        return _clear(state)


def _start(state: Path, console: Console, vendor: Vendor | None, port: int, parameters: Mapping[str, str]) -> Stack:
    ledger, run, logs = _ledger(state), state / "run", state / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    for folder in (run, logs):
        folder.mkdir(mode=0o700, exist_ok=True)

    endpoint = f"https://127.0.0.1:{port}"
    with step(console, "Starting the emulator"):
        loopback = certificate.make(run / "tls")
        emulator.run(ledger, port, loopback, run / "scratch", logs / "emulator.log")
        user = account.make_user(Account(endpoint, str(loopback.authority), emulator.REGION, *emulator.ROOT_KEY))

    if vendor is None:
        with step(console, "Starting the vendor simulator"):
            vendor_port = free_port()
            vendor = Vendor(f"http://127.0.0.1:{vendor_port}", Credential.generate(SEED))
            simulator.run(ledger, vendor_port, SEED, logs / "vendor.log")

    deploy.deploy(NAME, {"VendorUrl": vendor.url, **PARAMETERS, **parameters}, user, console, logs)

    with step(console, "Setting the secrets"):
        stack = connect(user, NAME, vendor)
    _write_events(state, stack)
    return stack


def connect(user: Account, name: str, vendor: Vendor) -> Stack:
    """Set the secrets of a stack that has been deployed, and return where it is."""
    outputs = account.outputs(user, name)
    webhook_secret = secrets.token_hex(16)
    values = {"VendorCredentialArn": asdict(vendor.credential), "WebhookSecretArn": {"secret": webhook_secret}}
    manager = user.client("secretsmanager")
    for output, value in values.items():
        manager.put_secret_value(SecretId=outputs[output], SecretString=json.dumps(value))
    account.await_versions(user)
    return Stack(
        webhook_url=_reachable(outputs["WebhookUrl"], user.endpoint_url),
        webhook_secret=webhook_secret,
        api_url=_reachable(outputs["ApiUrl"], user.endpoint_url),
        vendor_url=vendor.url,
        stack_name=name,
        table=outputs["TableName"],
        bucket=outputs["BucketName"],
        queue_url=outputs["QueueUrl"],
        dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
        quarantine_queue_url=outputs["QuarantineQueueUrl"],
        **asdict(user),
    )


def _write_events(state: Path, stack: Stack) -> None:
    """Write the sample events, received now, about a ticket that the simulator knows if it is the vendor."""
    from local import events  # imports Pillow and the simulator, which other commands do not need

    about = {}
    if any(started.name == simulator.NAME for started in _ledger(state).read()):
        with closing(simulator.Simulator(stack.vendor_url)) as vendor:
            [found] = vendor("tickets", count=1)
        about = {name: found[name] for name in ("ticket", "customer")}
    made = events.events(stack.webhook_secret, at=datetime.now(UTC), **about)
    events.write(state / sam.EVENTS, made)


def _reachable(url: str, endpoint: str) -> str:
    """Return the emulator's URL of an API: `https://{api}.execute-api.…/v1/x` is under its `/_aws/execute-api/`."""
    parts = urlsplit(url)
    api = (parts.hostname or "").partition(".")[0]
    return f"{endpoint}/_aws/execute-api/{api}{parts.path}"


def _ledger(state: Path) -> Ledger:
    return Ledger(state / "run" / "processes.json")


def _is_running(state: Path) -> bool:
    """Return whether a started stack is running. The forwarder into it is started again when it is needed."""
    started = [each for each in _ledger(state).read() if each.name != containers.NAME]
    return (state / "stack.json").exists() and bool(started) and all(each.running for each in started)


def _clear(state: Path) -> list[str]:
    """Stop the processes and remove the state, except logs, build cache and the demo's gallery; return their names."""
    ended = [process.name for process in end(_ledger(state).read())]
    for file in ("stack.json", sam.SETTINGS):
        (state / file).unlink(missing_ok=True)
    shutil.rmtree(state / sam.EVENTS, ignore_errors=True)
    shutil.rmtree(state / "run", ignore_errors=True)
    return ended


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel releases when the process ends. Raises AlreadyUp if it is held."""
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp("Another `make up`, `make down` or `make sam-…` is changing the stack.") from None
        yield
