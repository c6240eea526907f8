"""MiniStack, the AWS emulator: one process on the loopback, with IAM enforced and TLS.

TLS is not for secrecy here: with IAM enforced the bucket's TLS-only statement is enforced too, and it stays in force.
"""

import os
import socket
import ssl
import time
import urllib.request
from pathlib import Path

from local import ROOT
from local.certificate import Certificate
from local.errors import StartFailed
from local.processes import Started, start

REGION = "eu-central-1"
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
ROOT_KEY = ("test", "test")
"""The emulator takes this key for the account's root, whatever the signature. Used once: to make the user `local`."""

HEALTH_SECONDS = 60.0
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT")


def environment(port: int, certificate: Certificate, temporary: Path) -> dict[str, str]:
    """The emulator's whole environment: nothing of the developer's AWS_* settings, profiles or proxies reaches it.

    The functions that it runs inherit this, so it names the certificate's authority for their SDK as well.
    """
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return kept | {
        "AUTH": "true",
        "AWS_CA_BUNDLE": str(certificate.authority),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "false",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "INFO",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "MINISTACK_SSL_CERT": str(certificate.certificate),
        "MINISTACK_SSL_KEY": str(certificate.key),
        "PYTHONUNBUFFERED": "1",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(temporary),
        "USE_SSL": "1",
    }


def begin(port: int, certificate: Certificate, temporary: Path, log: Path) -> Started:
    """Begin the emulator on `port`; its temporary files, the unpacked functions among them, are in `temporary`."""
    if not PYTHON.exists():
        raise StartFailed(f"{PYTHON.relative_to(ROOT)} is missing: run `make setup`")
    # By Hypercorn and not by the `ministack` command: that one would take port 443 too where it may.
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "hypercorn",
        f"{ROOT / 'local' / 'front' / 's3_front.py'}:app",
        "--workers",
        "0",
    ]
    command += ["--bind", f"127.0.0.1:{port}", "--keep-alive", "75"]
    command += ["--certfile", certificate.certificate, "--keyfile", certificate.key]
    return start("emulator", command, environment=environment(port, certificate, temporary), log=log)


def wait_until_ready(process: Started, port: int, certificate: Certificate, log: Path) -> None:
    """Return once the emulator answers; raises StartFailed when it ends, or says nothing for HEALTH_SECONDS."""
    trust = ssl.create_default_context(cafile=str(certificate.authority))
    deadline = time.monotonic() + HEALTH_SECONDS
    while time.monotonic() < deadline:
        if not process.alive:
            raise StartFailed(f"the emulator ended at once; see {log}")
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/_ministack/ready", timeout=2, context=trust):
                return
        except OSError:  # refused, or not ready yet: an HTTP error is an OSError too
            time.sleep(0.1)
    raise StartFailed(f"the emulator was not ready within {HEALTH_SECONDS:.0f} s; see {log}")


def free_port() -> int:
    """A port that nothing listens on now. Should another process take it before it is used, the start fails, loudly."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
