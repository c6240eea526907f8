"""A snapshot of the initialized functions (SnapStart) holds modules and botocore's files: its copies share that memory.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
"""

import json
import random
from types import ModuleType

import pytest

from ingest.handlers import sqs
from ingest.vendor import client
from local import ROOT
from tests.support.interpreter import run

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
# Stands in for the runtime's module, which runs the hooks in each copy.
HOOKS = "import sys, types; hooks = types.ModuleType('snapshot_restore_py'); after = []\n" + (
    "hooks.register_after_restore = after.append; sys.modules['snapshot_restore_py'] = hooks\n"
)


def test_importing_creates_no_client_connection_thread_or_random_value() -> None:
    program = f"""{WATCHED}
import importlib
state = random.getstate()
for name in {MODULES}:
    importlib.import_module(name)
for name in {MODULES}:
    importlib.reload(sys.modules[name])
imported = [*found], random.getstate() == state, threading.active_count()
import boto3; boto3.client('sqs', region_name='eu-central-1'); uuid.uuid4()
import json; print(json.dumps([*imported, found]))
"""
    *imported, seen = json.loads(run(program).stdout)
    assert imported == [[], True, 1]
    assert {what.partition(" in ")[0] for what in seen} >= {"a client", "credentials", "uuid4"}, "the watch works"


@pytest.mark.parametrize("function", ["ingest.app", "retrieval.app"])
def test_snapshot_holds_modules_only_and_its_copies_draw_different_random_numbers(function: str) -> None:
    """Copies begin in the state of the snapshot, not as forks, which Python seeds. botocore draws from `random`."""
    program = f"""{HOOKS}{WATCHED}
import json, {function}
state = random.getstate()
def copy():
    random.setstate(state)
    for hook in after:
        hook()
    return random.random()
print(json.dumps([[*found], len(after), copy(), copy()]))
"""
    held, hooks, first, second = json.loads(run(program, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start").stdout)
    assert (held, hooks) == ([], 1)
    assert first != second


@pytest.mark.parametrize(
    ("function", "services"),
    [("ingest.app", ["dynamodb", "s3", "secretsmanager", "sqs"]), ("retrieval.app", ["dynamodb", "s3"])],
)
@pytest.mark.parametrize("kind", ["snap-start", "on-demand"])
def test_a_snapshot_holds_what_clients_read_from_files_and_no_other_start_reads_more(
    function: str, services: list[str], kind: str
) -> None:
    """Fails if botocore reads another file for a client: `aws.load_models` should read that too."""
    program = f"""{HOOKS}
import json
from botocore.loaders import JSONFileLoader
read, load = [], JSONFileLoader.load_file
def watched(loader, path):
    if (found := load(loader, path)) is not None:
        read.append(path)
    return found
JSONFileLoader.load_file = watched
import {function}
at_import = len(read)
from botocore.config import Config
from ticket_archive import aws
for service in {services}:
    aws.client(service, Config())
print(json.dumps([at_import > 0, read[at_import:] == []]))
"""
    snapshot = kind == "snap-start"
    given = run(
        program, AWS_LAMBDA_INITIALIZATION_TYPE=kind, AWS_REGION="eu-central-1", AWS_DEFAULT_REGION="eu-central-1"
    )
    assert json.loads(given.stdout) == [snapshot, snapshot]


@pytest.mark.parametrize("module", [client, sqs])
def test_jitter_of_the_functions_is_not_seeded(module: ModuleType) -> None:
    """`random.SystemRandom` asks the operating system for each number, so it needs no hook."""
    assert isinstance(module._random, random.SystemRandom)
