"""Let the containers of `sam local` reach the local stack, which listens on 127.0.0.1 only.

A forwarder (local/forwarder.py) listens where containers can connect: on Linux at the address of the engine's bridge
network; where the engine runs in a virtual machine (macOS, Windows, Docker Desktop) on 127.0.0.1, which the machine
reaches by a name such as host.docker.internal. (`--docker-network host` is no way out: `sam local` then does not find
its container.)
"""

import ipaddress
import json
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from local import ROOT
from local.errors import StartFailed
from local.processes import LOOPBACK, Ledger, listen_error

NAME = "container forwarder"
BASE_IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
"""AWS's image of the functions' runtime, in which `sam local` runs them."""


class Engine(NamedTuple):
    """The container engine, and how its containers reach this machine.

    `docker_host` is the DOCKER_HOST for `sam local`, empty for its default. Containers connect to `host`; the forwarder
    listens at `listen` and accepts peers of `network`. `has_base_image` is whether BASE_IMAGE need not be pulled.
    """

    name: str
    docker_host: str
    host: str
    listen: str
    network: str
    has_base_image: bool = False

    @property
    def in_virtual_machine(self) -> bool:
        """Whether containers reach this machine's loopback through a name of the engine's."""
        return self.listen == LOOPBACK


def find_engine() -> Engine:
    """Return the engine that answers: Docker (any context), Podman or Finch. Raises StartFailed if none can be used."""
    in_machine = platform.system() != "Linux"
    if (info := _ask("docker", "info", "--format", "{{json .}}")) and info.get("ServerVersion"):
        context = _run("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}") or ""
        desktop = "Docker Desktop" in str(info.get("OperatingSystem"))
        rootless = any("rootless" in option for option in info.get("SecurityOptions") or [])
        name = f"Docker{' Desktop' if desktop else ''} {info['ServerVersion']}"
        reached_as = "host.docker.internal" if desktop or in_machine else None
        return _engine(name, context.strip(), reached_as, rootless, "docker")
    if info := _ask("podman", "info", "--format", "json"):
        host = info.get("host", {})
        name = f"Podman {info.get('version', {}).get('Version', '')}".strip()
        path, reached_as = str(host.get("remoteSocket", {}).get("path", "")), None
        if in_machine:
            path = _run("podman", "machine", "inspect", "--format", "{{.ConnectionInfo.PodmanSocket.Path}}") or ""
            reached_as = "host.containers.internal"
        address = f"unix://{path.strip().removeprefix('unix://')}" if path else ""
        return _engine(name, address, reached_as, bool(host.get("security", {}).get("rootless")), "podman")
    if in_machine and _run("finch", "info"):
        return _engine("Finch", "", "192.168.5.2", rootless=False, command="finch")  # Lima's address of its host
    raise StartFailed(
        "No container engine answers. Start Docker, Podman or Finch and check that this user may use it: `docker info`."
    )


def _engine(name: str, docker_host: str, host: str | None, rootless: bool, command: str) -> Engine:
    has_base_image = bool(_run(command, "image", "inspect", BASE_IMAGE))
    if host:
        return Engine(name, docker_host, host, LOOPBACK, "127.0.0.0/8", has_base_image)
    if rootless:
        raise StartFailed(
            f"{name} runs rootless: its containers cannot reach 127.0.0.1 of this machine. Use a rootful Docker engine."
        )
    address, network = _bridge(command)
    parsed = ipaddress.ip_address(address)
    if not parsed.is_private or parsed.is_unspecified:
        raise StartFailed(f"{name}'s bridge has the address {address}; only a private address is opened.")
    if problem := listen_error(address, 0):
        raise StartFailed(f"{name} has its bridge ({address}) on another machine: {problem}. Run both on one machine.")
    return Engine(name, docker_host, address, address, network, has_base_image)


def _bridge(command: str) -> tuple[str, str]:
    """Return this machine's address in the engine's default network, and that network."""
    inspected = _run(command, "network", "inspect", "bridge" if command == "docker" else "podman") or "[]"
    for network in json.loads(inspected):
        pools = network.get("IPAM", {}).get("Config") or network.get("subnets") or []
        for pool in pools:
            subnet = ipaddress.ip_network(pool.get("Subnet") or pool.get("subnet"))
            if subnet.version == 4:  # some engines leave the gateway out: it is the network's first address
                gateway = pool.get("Gateway") or pool.get("gateway") or next(subnet.hosts())
                return str(gateway), str(subnet)
    raise StartFailed(f"{command}'s default network has no IPv4 address: see `{command} network inspect`.")


def forward(
    ledger: Ledger, engine: Engine, plain: Mapping[int, int], tls: Mapping[int, int], authority: Path, log: Path
) -> None:
    """Start to forward `listen port: loopback port`; `tls` ports are forwarded over TLS. Raises StartFailed."""
    ports = {**plain, **tls}
    for port in ports:
        if problem := listen_error(engine.listen, port):
            raise StartFailed(f"Cannot open {engine.listen}:{port} to containers: {problem}.")
    where = {"listen": engine.listen, "network": engine.network}
    given = json.dumps({**where, "plain": plain, "tls": tls, "authority": str(authority)})
    command = [sys.executable, "-m", "local.forwarder", given]

    def probe() -> None:
        for port in ports:
            socket.create_connection((engine.listen, port), timeout=1).close()

    ledger.start(NAME, command, environment={"PYTHONPATH": str(ROOT)}, log=log, probe=probe)


def _ask(*command: str) -> dict[str, Any]:
    """Return the command's JSON object; empty if it fails or prints something else."""
    try:
        answer = json.loads(_run(*command) or "null")
    except json.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _run(*command: str) -> str | None:
    """Return what the command prints, or None if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
