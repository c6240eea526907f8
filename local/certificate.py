"""Create the TLS certificate of one run of the local stack."""

import datetime as dt
from pathlib import Path
from typing import NamedTuple

import trustme

LAG, LIFE = dt.timedelta(hours=1), dt.timedelta(days=30)
"""By how much the clocks of containers and virtual machines may lag, and how long the certificate is valid."""


class Certificate(NamedTuple):
    """Paths of three PEM files: the server's certificate, its key, and the CA certificate that clients trust."""

    certificate: Path
    key: Path
    authority: Path


def make(folder: Path, *names: str) -> Certificate:
    """Write a certificate for `names` (default: the loopback), for this user alone. The CA's key is never written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, now = trustme.CA(organization_name="IDV ticket archive"), dt.datetime.now(dt.UTC)
    names = names or ("localhost", "127.0.0.1")
    server = authority.issue_cert(*names, not_before=now - LAG, not_after=now + LIFE)
    made = Certificate(folder / "server.pem", folder / "server.key", folder / "authority.pem")
    for path, pem in zip(made, (server.cert_chain_pems[0], server.private_key_pem, authority.cert_pem), strict=True):
        path.touch(mode=0o600)
        pem.write_to_path(path)
    return made
