import ipaddress
import json
import platform
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_socket import socket_allow_hosts

from local import certificate, containers, forwarder
from local.containers import Engine, find_engine
from local.errors import StartFailed
from local.processes import Ledger, end, free_port
from tests.support.servers import JsonHandler, serving

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
BRIDGE = Engine("an engine", "", "127.0.0.2", "127.0.0.2", "127.0.0.0/8")  # another address of this machine

DOCKER = {"ServerVersion": "27.1", "OperatingSystem": "Debian GNU/Linux 12", "SecurityOptions": ["name=seccomp"]}
NETWORK = [{"IPAM": {"Config": [{"Subnet": "fd00::/64"}, {"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]}}]
PODMAN = {"host": {"remoteSocket": {"path": "/run/podman/podman.sock"}}, "version": {"Version": "5.2"}}
PODMAN_NETWORK = [{"subnets": [{"subnet": "10.88.0.0/16", "gateway": "10.88.0.1"}]}]
ROOTLESS = {"host": {"security": {"rootless": True}}}


def fake(monkeypatch: pytest.MonkeyPatch, system: str, **responses: object) -> None:
    """Let the commands, by the first two words (`docker_info`), print these responses; all others fail."""

    def run(*command: str) -> str | None:
        response = responses.get("_".join(command[:2]))
        return response if isinstance(response, str | None) else json.dumps(response)

    monkeypatch.setattr(containers, "_run", run)
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(containers, "listen_error", lambda *_: None)


ON_A_BRIDGE = {"docker_info": DOCKER, "docker_network": NETWORK, "docker_context": "unix:///run/docker.sock\n"}
IN_A_MACHINE = {"docker_info": DOCKER | {"OperatingSystem": "Docker Desktop"}}
FIRST_ADDRESS = {"docker_info": DOCKER, "docker_network": [{"IPAM": {"Config": [{"Subnet": "10.9.0.0/24"}]}}]}
WITH_PODMAN = {"podman_info": PODMAN, "podman_network": PODMAN_NETWORK}
PODMAN_MACHINE = {"docker_info": ROOTLESS, "podman_info": PODMAN, "podman_machine": "/machine/api.sock\n"}


@pytest.mark.parametrize(
    ("system", "responses", "docker_host", "host", "listen"),
    [
        pytest.param("Linux", ON_A_BRIDGE, "unix:///run/docker.sock", "172.17.0.1", "172.17.0.1", id="docker"),
        pytest.param("Linux", FIRST_ADDRESS, "", "10.9.0.1", "10.9.0.1", id="docker without a gateway"),
        pytest.param("Linux", IN_A_MACHINE, "", "host.docker.internal", "127.0.0.1", id="docker desktop on linux"),
        pytest.param("Darwin", IN_A_MACHINE, "", "host.docker.internal", "127.0.0.1", id="docker desktop"),
        pytest.param("Darwin", {"docker_info": DOCKER}, "", "host.docker.internal", "127.0.0.1", id="colima"),
        pytest.param("Linux", WITH_PODMAN, "unix:///run/podman/podman.sock", "10.88.0.1", "10.88.0.1", id="podman"),
        pytest.param(
            "Darwin", PODMAN_MACHINE, "unix:///machine/api.sock", "host.containers.internal", "127.0.0.1",
            id="podman machine",
        ),
        pytest.param("Darwin", {"finch_info": "running"}, "", "192.168.5.2", "127.0.0.1", id="finch"),
    ],
)  # fmt: skip
def test_every_engine_has_its_own_way_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, system: str, responses: dict[str, object], docker_host: str, host: str, listen: str
) -> None:
    """`docker_host` is for SAM, `host` is where containers find this machine, which listens on `listen`."""
    fake(monkeypatch, system, **responses)
    engine = find_engine()
    assert (engine.host, engine.listen) == (host, listen)
    assert engine.docker_host == docker_host


@pytest.mark.parametrize(("command", "responses"), [("docker", ON_A_BRIDGE), ("podman", WITH_PODMAN)])
def test_the_engine_is_asked_for_the_base_image(
    monkeypatch: pytest.MonkeyPatch, command: str, responses: dict[str, object]
) -> None:
    fake(monkeypatch, "Linux", **responses)
    assert not find_engine().has_base_image
    fake(monkeypatch, "Linux", **responses, **{f"{command}_image": [{"Id": "sha256:0"}]})
    assert find_engine().has_base_image


@pytest.mark.parametrize(
    ("responses", "said"),
    [
        ({}, "docker info"),
        ({"docker_info": DOCKER | {"SecurityOptions": ["name=rootless"]}}, "rootless"),
        ({"podman_info": ROOTLESS}, "rootless"),
        ({"docker_info": DOCKER, "docker_network": []}, "no IPv4 address"),
        ({"docker_info": DOCKER, "docker_network": [{"IPAM": {"Config": [{"Subnet": "8.8.8.0/24"}]}}]}, "private"),
    ],
)
def test_an_engine_that_cannot_be_used_is_an_error_that_says_why(
    monkeypatch: pytest.MonkeyPatch, responses: dict[str, object], said: str
) -> None:
    fake(monkeypatch, "Linux", **responses)
    with pytest.raises(StartFailed, match=said):
        find_engine()


def test_a_bridge_on_another_machine_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "Linux", docker_info=DOCKER, docker_network=NETWORK)
    monkeypatch.setattr(containers, "listen_error", lambda *_: "cannot assign")
    with pytest.raises(StartFailed, match="another machine"):
        find_engine()


@pytest.mark.loopback
@pytest.mark.parametrize(("peer", "allowed"), [("172.17.0.9", True), ("127.0.0.3", True), ("192.0.2.77", False)])
def test_only_the_network_and_this_machine_may_connect(peer: str, allowed: bool) -> None:
    assert forwarder.is_allowed(peer, ipaddress.IPv4Network("172.17.0.0/16")) is allowed


@pytest.fixture
def _bridge_address() -> None:
    socket_allow_hosts(["127.0.0.1", BRIDGE.listen])


class Page(JsonHandler):
    def do_GET(self) -> None:
        self.answer(200, b"hello")


@pytest.mark.loopback
@ON_LINUX
@pytest.mark.usefixtures("_bridge_address")
def test_a_port_is_forwarded_to_the_loopback_until_the_process_ends(tmp_path: Path) -> None:
    port, authority = free_port(), certificate.make(tmp_path / "tls").authority
    ledger = Ledger(tmp_path / "processes.json")
    with serving(Page) as origin:
        containers.forward(ledger, BRIDGE, {port: urlsplit(origin).port or 0}, {}, authority, tmp_path / "log")
        try:
            with socket.create_connection((BRIDGE.listen, port), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
                assert connection.makefile("rb").read().endswith(b"\r\n\r\nhello"), "all until it is closed"
        finally:
            end(ledger.read())
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((BRIDGE.listen, port), timeout=5)


@pytest.mark.loopback
@ON_LINUX
@pytest.mark.usefixtures("_bridge_address")
def test_the_port_that_is_in_use_is_named(tmp_path: Path) -> None:
    free, taken = free_port(), free_port()
    ledger, authority = Ledger(tmp_path / "processes.json"), tmp_path / "authority.pem"
    with socket.create_server((BRIDGE.listen, taken)), pytest.raises(StartFailed, match=f"{BRIDGE.listen}:{taken} "):
        containers.forward(ledger, BRIDGE, {free: free, taken: taken}, {}, authority, tmp_path / "log")
