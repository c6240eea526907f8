"""What a snapshot of the initialised functions (SnapStart) would hold: modules, and nothing that is anybody's own."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(root).with_suffix("").parts)
    for root in (ROOT / "functions", ROOT / "layers")
    for path in root.rglob("*.py")
    if path.name != "__init__.py"
)
# What would make a snapshot's copies alike, or hold what is over by the time they wake: each is watched at import.
WATCHED = """
import os, random, secrets, socket, subprocess, sys, threading, uuid
found = []
def watch(owner, name, what):
    original = getattr(owner, name)
    def watched(*given, **named):
        caller = sys._getframe(1).f_code.co_filename
        found.append(f"{what} in {caller}")
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
# The runtime's own module, as far as it is used: it remembers what is to be run in each copy.
HOOKS = "import sys, types; hooks = types.ModuleType('snapshot_restore_py'); after = []\n" + (
    "hooks.register_after_restore = after.append; sys.modules['snapshot_restore_py'] = hooks\n"
)


def run(program: str, **environment: str) -> str:
    """What a fresh interpreter prints that has the functions' code, no setting and no credential."""
    paths = os.pathsep.join([str(ROOT / "layers"), str(ROOT / "functions")])
    namespace = {"PYTHONPATH": paths, "POWERTOOLS_METRICS_NAMESPACE": "TicketArchive", **environment}
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=namespace, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_no_module_makes_anything_when_it_is_imported() -> None:
    # GIVEN no credentials, no settings WHEN every module is imported, and all of ours once more
    program = f"""{WATCHED}
import importlib
state = random.getstate()
for name in {MODULES}:
    importlib.import_module(name)
for name in {MODULES}:
    importlib.reload(sys.modules[name])
import json; print(json.dumps([found, random.getstate() == state, threading.active_count()]))
"""
    found, chance_untouched, threads = json.loads(run(program))
    # THEN
    assert found == []
    assert chance_untouched
    assert threads == 1


def test_the_watch_would_see_it() -> None:
    program = f"{WATCHED}\nimport boto3; boto3.client('sqs', region_name='eu-central-1'); uuid.uuid4(); print(found)"
    seen = run(program)
    assert "a client" in seen
    assert "credentials" in seen
    assert "uuid4" in seen


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("ingest.app", {"ingest.handlers.webhook", "ingest.handlers.sqs", "ingest.handlers.schedule"}),
        ("retrieval.app", set()),
    ],
)
def test_a_snapshot_holds_what_is_slow_to_load_and_nothing_else(function: str, expected: set[str]) -> None:
    # GIVEN
    program = f"""{HOOKS}{WATCHED}
import {function}
loaded = [name for name in sys.modules if name.startswith(("ingest.", "cryptography.hazmat.primitives.ciphers"))]
import json; print(json.dumps([found, loaded, len(after)]))
"""
    # WHEN
    found, loaded, after = json.loads(run(program, **SNAP_START))
    # THEN
    assert found == []
    assert expected <= set(loaded)
    assert ("cryptography.hazmat.primitives.ciphers" in loaded) == bool(expected)
    assert after == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("function", ["ingest.app", "retrieval.app"])
def test_two_copies_of_a_snapshot_draw_different_chance(function: str) -> None:
    # GIVEN a snapshot WHEN two copies of it go on (a fork shares the memory as they do), after the runtime's hooks
    program = f"""{HOOKS}
import json, os, random, {function}
def copy():
    ours, theirs = os.pipe()
    if os.fork() == 0:
        for hook in after:
            hook()
        drawn = [random.random()]
        if {function == "ingest.app"}:
            from ingest.vendor import client
            from ingest.handlers import sqs as sqs_handler
            drawn += [client._random.random(), sqs_handler._random.random()]
        os.write(theirs, json.dumps(drawn).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(ours, 10_000))
print(json.dumps([copy(), copy()]))
"""
    first, second = json.loads(run(program, **SNAP_START))
    # THEN botocore's jitter and ours differ
    assert len(first) == len(second) >= 1
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_nothing_of_ours_draws_from_shared_chance() -> None:
    for path in [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers").rglob("*.py")]:
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
        }
        assert used <= {"SystemRandom", "seed"}, path.name
