"""How containers on this machine reach the local stack: at the address of Docker's bridge, once it is opened to them.

The stack listens on 127.0.0.1 only, and a container's loopback is its own. `--network host` does not help with
`sam local`, which then cannot find its container's port.
"""

import ipaddress
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from local import ROOT
from local.errors import StartFailed
from local.processes import Started, start

NAME = "way in for containers"
READY_SECONDS = 10.0


class Bridge(NamedTuple):
    """Docker's default network: this machine's address in it, and the network that containers have theirs from."""

    address: str
    network: str


USUAL = Bridge("172.17.0.1", "172.17.0.0/16")
"""Docker's own choice where nobody made another."""


def bridge() -> Bridge:
    """The bridge of the Docker engine that runs here. Raises StartFailed where there is none, or none to bind to."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except FileNotFoundError:
        raise StartFailed("no `docker` command was found: `sam local` needs a Docker engine") from None
    except subprocess.SubprocessError:
        raise StartFailed("no Docker engine answers: start one, and see that this user may use it") from None
    return _read(told.stdout)


def usual_bridge() -> Bridge:
    """The same, or Docker's usual one where no engine answers: what would hold once there is one."""
    try:
        return bridge()
    except StartFailed:
        return USUAL


def begin(bridge: Bridge, ports: Sequence[int], tls_ports: Sequence[int], authority: Path, log: Path) -> Started:
    """Begin to lead these ports at the bridge's address to the loopback. Raises StartFailed."""
    _check_address(bridge)
    command: list[str | Path] = [sys.executable, "-m", "local.forwarder", "--listen", bridge.address]
    command += ["--network", bridge.network, "--authority", authority]
    command += [f"--port={port}" for port in ports] + [f"--tls={port}" for port in tls_ports]
    return start(NAME, command, environment={"PYTHONPATH": str(ROOT)}, log=log)


def wait_until_ready(process: Started, bridge: Bridge, ports: Sequence[int], log: Path) -> None:
    """Return once every port is open; raises StartFailed when one is not within READY_SECONDS."""
    deadline = time.monotonic() + READY_SECONDS
    for port in ports:
        while True:
            try:
                socket.create_connection((bridge.address, port), timeout=1).close()
                break
            except OSError:
                if not process.alive or time.monotonic() > deadline:
                    raise StartFailed(f"{bridge.address}:{port} could not be opened; see {log}") from None
                time.sleep(0.05)


def _read(config: str) -> Bridge:
    """Some engines name the gateway, others leave it at the network's first address."""
    for pool in json.loads(config) or []:
        network = ipaddress.ip_network(pool.get("Subnet", ""))
        if network.version == 4:
            return Bridge(pool.get("Gateway") or str(next(network.hosts())), str(network))
    raise StartFailed("Docker's network `bridge` has no IPv4 address")


def _check_address(bridge: Bridge) -> None:
    address = ipaddress.ip_address(bridge.address)
    if not address.is_private or address.is_unspecified:
        raise StartFailed(f"Docker's bridge has the address {bridge.address}: only a private one is opened")
    with socket.socket() as probe:
        try:
            probe.bind((bridge.address, 0))
        except OSError:
            raise StartFailed(
                f"Docker's bridge has the address {bridge.address}, not one of this machine: it runs elsewhere"
            ) from None
