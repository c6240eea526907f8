"""MiniStack, the AWS emulator: one process on 127.0.0.1, with IAM enforced, and TLS, as the bucket's policy demands."""

import os
import ssl
import urllib.request
from pathlib import Path

from local import ROOT
from local.certificate import Certificate
from local.errors import StartFailed
from local.processes import Ledger, check_port_is_free

REGION = "eu-central-1"
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"
ROOT_KEY = ("test", "test")
"""The emulator treats this key as the account's root, whatever the signature. Used once, to create the user `local`."""

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT")


def environment(port: int, certificate: Certificate, temporary: Path) -> dict[str, str]:
    """Return the emulator's environment, which functions inherit: without the developer's AWS settings and proxies."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return kept | {
        "AUTH": "true",
        "AWS_CA_BUNDLE": str(certificate.authority),  # for the functions' SDK
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


def run(ledger: Ledger, port: int, certificate: Certificate, temporary: Path, log: Path) -> None:
    """Start the emulator on `port`, with its temporary files in the new folder `temporary`. Raises StartFailed."""
    if not PYTHON.exists():
        raise StartFailed(f"{PYTHON.relative_to(ROOT)} is missing: run `make setup`.")
    temporary.mkdir(mode=0o700)
    check_port_is_free(port, 'make up ARGS="--port N"')
    # Hypercorn and not the `ministack` command, which would take port 443 as well.
    application = f"{ROOT / 'local' / 'front' / 'aws_rules.py'}:app"
    command: list[str | Path] = [PYTHON, "-m", "hypercorn", application, "--workers", "0"]
    command += ["--bind", f"127.0.0.1:{port}", "--keep-alive", "75"]
    command += ["--certfile", certificate.certificate, "--keyfile", certificate.key]
    trust = ssl.create_default_context(cafile=str(certificate.authority))
    url = f"https://127.0.0.1:{port}/_ministack/ready"

    def probe() -> None:  # an OSError means refused, or an HTTP error while it starts
        urllib.request.urlopen(url, timeout=2, context=trust).close()

    settings = environment(port, certificate, temporary)
    ledger.start("emulator", command, environment=settings, log=log, probe=probe)
