"""The local stack as a whole: up, down, and the file that tells others where it is."""

import fcntl
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from local import account, certificate, containers, deploy, emulator, sam, scratch, simulator
from local.account import Account
from local.errors import AlreadyUp, NotUp
from local.processes import Ledger, end
from local.terminal import Steps
from local.vendor.credential import Credential

NAME = "idv-ticket-archive"
SEED = 1
PARAMETERS = {"RetryDelaySeconds": "1", "SettleMinutes": "1", "VendorMaxConcurrency": "2"}
"""What is not as in production: a developer does not wait twenty seconds for a second attempt, and has few cores."""


@dataclass(frozen=True)
class Stack:
    """What stack.json holds: where everything of a stack that is up can be reached."""

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
        """The emulated account, as the user of the stack's key."""
        return Account(self.endpoint_url, self.ca_bundle, self.region, self.access_key_id, self.secret_access_key)

    @property
    def has_vendor_here(self) -> bool:
        """Whether its vendor is on the loopback, as the simulator is."""
        return urlsplit(self.vendor_url).hostname == "127.0.0.1"

    @classmethod
    def load(cls, state: Path) -> "Stack":
        """The stack that is up in the folder `state`; raises NotUp when there is none."""
        try:
            return cls(**json.loads((state / "stack.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise NotUp("no local stack is up: run `make up`") from None

    def save(self, state: Path) -> None:
        """Write stack.json, whole or not at all, and readable by this user alone."""
        staged = state / "stack.json.new"
        staged.touch(mode=0o600)
        staged.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        staged.replace(state / "stack.json")


@dataclass(frozen=True)
class Vendor:
    """A vendor that is there already, and our credential with it."""

    url: str
    credential: Credential


def up(
    state: Path,
    steps: Steps,
    *,
    vendor: Vendor | None = None,
    port: int | None = None,
    parameters: Mapping[str, str] | None = None,
    docker: bool = False,
) -> Stack:
    """Start the emulator and, unless a `vendor` is given, the simulator; deploy; write `state`/stack.json.

    `parameters` go to the template beside PARAMETERS; `docker` opens it to containers as well. Raises AlreadyUp, or
    another LocalStackError when something did not start; then nothing is left running.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(state):
        ledger = Ledger(state / "run" / "processes.json")
        if (state / "stack.json").exists() and all(process.alive for process in ledger.read()):
            raise AlreadyUp(f"the local stack is up already, see {state / 'stack.json'}")
        _clear(state, ledger)  # what a start that was killed, or a reboot, left behind
        try:
            stack = _start(state, ledger, steps, vendor, port or emulator.free_port(), parameters or {})
            if docker:
                _open_to_containers(state, ledger, stack, steps)
        except BaseException:
            _clear(state, ledger)
            raise
        stack.save(state)
        return stack


def open_to_containers(state: Path, steps: Steps) -> Stack:
    """Let containers on this machine reach the stack that is up, until `down`; nothing to do where they can.

    Raises NotUp, or StartFailed where there is no Docker engine.
    """
    stack = Stack.load(state)
    with _alone(state):
        _open_to_containers(state, Ledger(state / "run" / "processes.json"), stack, steps)
    return stack


def down(state: Path) -> list[str]:
    """End the processes that `up` started, and no other; remove what they left. Returns the names of those that ran."""
    if not state.exists():
        return []
    with _alone(state):
        return _clear(state, Ledger(state / "run" / "processes.json"))


def _start(
    state: Path, ledger: Ledger, steps: Steps, vendor: Vendor | None, port: int, parameters: Mapping[str, str]
) -> Stack:
    run, logs = state / "run", state / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    for folder in (run, logs):
        folder.mkdir(mode=0o700, exist_ok=True)

    endpoint = f"https://127.0.0.1:{port}"
    with steps("Starting the emulator"):
        loopback = certificate.make(run / "tls")
        emulated = emulator.begin(port, loopback, scratch.make(run / "scratch"), logs / "emulator.log")
        ledger.add(emulated)
        emulator.wait_until_ready(emulated, port, loopback, logs / "emulator.log")
        user = account.make_user(Account(endpoint, str(loopback.authority), emulator.REGION, *emulator.ROOT_KEY))

    own_vendor = vendor is None
    if vendor is None:
        with steps("Starting the vendor simulator"):
            vendor_port = emulator.free_port()
            vendor = Vendor(f"http://127.0.0.1:{vendor_port}", Credential.drawn(SEED))
            vendor.credential.save(run / "credential.json")
            simulated = simulator.begin(vendor_port, SEED, run / "credential.json", logs / "vendor.log")
            ledger.add(simulated)
            simulator.wait_until_ready(simulated, vendor.url, logs / "vendor.log")

    deploy.deploy(NAME, {"VendorUrl": vendor.url, **PARAMETERS, **parameters}, user, steps, logs)

    with steps("Setting the secrets"):
        outputs = account.outputs(user, NAME)
        webhook_secret = secrets.token_hex(16)
        credential, webhooks = outputs["VendorCredentialArn"], outputs["WebhookSecretArn"]
        account.set_secrets(user, {credential: asdict(vendor.credential), webhooks: {"secret": webhook_secret}})
        account.correct_event_sources(user)
        account.await_versions(user)

    stack = Stack(
        webhook_url=reachable(outputs["WebhookUrl"], endpoint),
        webhook_secret=webhook_secret,
        api_url=reachable(outputs["ApiUrl"], endpoint),
        endpoint_url=endpoint,
        region=user.region,
        access_key_id=user.access_key_id,
        secret_access_key=user.secret_access_key,
        vendor_url=vendor.url,
        stack_name=NAME,
        table=outputs["TableName"],
        bucket=outputs["BucketName"],
        queue_url=outputs["QueueUrl"],
        dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
        quarantine_queue_url=outputs["QuarantineQueueUrl"],
        ca_bundle=str(loopback.authority),
    )
    _prepare_sam(state, stack, simulated=own_vendor)
    return stack


def _prepare_sam(state: Path, stack: Stack, *, simulated: bool) -> None:
    """What `sam local` is given: settings with addresses on Docker's bridge, and events for this stack."""
    bridge = containers.usual_bridge()
    sam.write_settings(state / sam.SETTINGS, stack.account, stack.stack_name, stack.vendor_url, bridge)
    ticket = None
    if simulated:
        vendor = simulator.Simulator(stack.vendor_url)
        ticket = vendor("tickets", count=1)[0]["ticket"]
        vendor.close()
    sam.write_events(state / sam.EVENTS, stack.webhook_secret, ticket)


def _open_to_containers(state: Path, ledger: Ledger, stack: Stack, steps: Steps) -> None:
    if any(process.name == containers.NAME and process.alive for process in ledger.read()):
        return
    with steps("Opening the stack to containers on this machine"):
        bridge = containers.bridge()
        emulated = urlsplit(stack.endpoint_url).port or 443
        in_clear = [urlsplit(stack.vendor_url).port or 80] if stack.has_vendor_here else []
        log = state / "logs" / "containers.log"
        opened = containers.begin(bridge, in_clear, [emulated], Path(stack.ca_bundle), log)
        ledger.add(opened)
        containers.wait_until_ready(opened, bridge, [*in_clear, emulated], log)
        sam.write_settings(state / sam.SETTINGS, stack.account, stack.stack_name, stack.vendor_url, bridge)


def reachable(url: str, endpoint: str) -> str:
    """An API's AWS URL as the emulator's own: `https://{api}.execute-api.…/v1/x` is under its `/_aws/execute-api/`."""
    parts = urlsplit(url)
    api = (parts.hostname or "").partition(".")[0]
    return f"{endpoint}/_aws/execute-api/{api}{parts.path}"


def _clear(state: Path, ledger: Ledger) -> list[str]:
    """Logs, the build cache and the demo's gallery stay."""
    ended = [process.name for process in end(ledger.read())]
    for file in ("stack.json", sam.SETTINGS):
        (state / file).unlink(missing_ok=True)
    shutil.rmtree(state / sam.EVENTS, ignore_errors=True)
    scratch.remove(state / "run" / "scratch")
    shutil.rmtree(state / "run", ignore_errors=True)
    return ended


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    with (state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp("another `up` or `down` is under way") from None
        yield
