"""A snapshot of the initialized functions (SnapStart) holds modules only: all copies of it start with the same memory.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
"""

import json
import os
import subprocess
import sys

import pytest

from local import ROOT

MODULES = sorted(
    ".".join(path.relative_to(root).with_suffix("").parts)
    for root in (ROOT / "functions", ROOT / "layers")
    for path in root.rglob("*.py")
    if path.name != "__init__.py"
)
# What must not happen at import, recorded with the file that does it.
WATCHED = """
import os, random, secrets, socket, subprocess, sys, threading, uuid
found = []
def watch(owner, name, what):
    original = getattr(owner, name)
    def watched(*given, **named):
        found.append(f"{what} in {sys._getframe(1).f_code.co_filename}")
        return original(*given, **named)
    setattr(owner, name, watched)
for name in ("connect", "connect_ex", "listen", "sendto"):
    watch(socket.socket, name, f"socket.{name}")
watch(socket, "getaddrinfo", "getaddrinfo")
watch(threading.Thread, "start", "a thread")
watch(subprocess.Popen, "__init__", "a process")
watch(uuid, "uuid4", "uuid4")
for name in ("token_bytes", "token_hex", "token_urlsafe", "randbits"):
    watch(secrets, name, f"secrets.{name}")
import botocore.session
watch(botocore.session.Session, "create_client", "a client")
watch(botocore.session.Session, "get_credentials", "credentials")
"""
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
# Stands in for the runtime's module, which runs the hooks in each copy.
HOOKS = "import sys, types; hooks = types.ModuleType('snapshot_restore_py'); after = []\n" + (
    "hooks.register_after_restore = after.append; sys.modules['snapshot_restore_py'] = hooks\n"
)


def run(program: str, **environment: str) -> str:
    """Return what a fresh interpreter prints that has the functions' code, but no settings and no credentials."""
    paths = os.pathsep.join([str(ROOT / "layers"), str(ROOT / "functions")])
    variables = {"PYTHONPATH": paths, "POWERTOOLS_METRICS_NAMESPACE": "TicketArchive", **environment}
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=variables, capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_importing_creates_no_client_connection_thread_or_random_value() -> None:
    program = f"""{WATCHED}
import importlib
state = random.getstate()
for name in {MODULES}:
    importlib.import_module(name)
for name in {MODULES}:
    importlib.reload(sys.modules[name])
import json; print(json.dumps([found, random.getstate() == state, threading.active_count()]))
"""
    assert json.loads(run(program)) == [[], True, 1]


def test_the_watch_records_clients_credentials_and_random_values() -> None:
    program = f"{WATCHED}\nimport boto3; boto3.client('sqs', region_name='eu-central-1'); uuid.uuid4(); print(found)"
    seen = run(program)
    for what in ("a client", "credentials", "uuid4"):
        assert what in seen


@pytest.mark.parametrize("function", ["ingest.app", "retrieval.app"])
def test_snapshot_holds_modules_only_and_registers_one_hook(function: str) -> None:
    program = f"{HOOKS}{WATCHED}\nimport {function}, json; print(json.dumps([found, len(after)]))"
    assert json.loads(run(program, **SNAP_START)) == [[], 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("function", ["ingest.app", "retrieval.app"])
def test_copies_of_a_snapshot_draw_different_random_numbers(function: str) -> None:
    """A fork shares its parent's memory, as copies of a snapshot do. botocore draws its jitter from `random`."""
    program = f"""{HOOKS}
import os, random, {function}
def copy():
    ours, theirs = os.pipe()
    if os.fork() == 0:
        for hook in after:
            hook()
        os.write(theirs, str(random.random()).encode())
        os._exit(0)
    os.wait()
    return os.read(ours, 100).decode()
print(copy(), copy())
"""
    first, second = run(program, **SNAP_START).split()
    assert first != second


@pytest.mark.parametrize("module", ["ingest.vendor.client", "ingest.handlers.sqs"])
def test_jitter_of_the_functions_is_not_seeded(module: str) -> None:
    """`random.SystemRandom` asks the operating system for each number, so it needs no hook."""
    program = f"import random, {module} as module; print(isinstance(module._random, random.SystemRandom))"
    assert run(program).strip() == "True"
