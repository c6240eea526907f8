import ipaddress
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts

from local import certificate, containers, forwarder
from local.containers import Bridge
from local.emulator import free_port
from local.errors import StartFailed
from local.processes import end
from tests.support.waiting import eventually

HERE = Bridge("127.0.0.2", "127.0.0.0/8")  # stands for the bridge: another address of this machine


@pytest.mark.parametrize(
    ("config", "bridge"),
    [
        ([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}], Bridge("172.17.0.1", "172.17.0.0/16")),
        ([{"Subnet": "172.17.0.0/16"}], Bridge("172.17.0.1", "172.17.0.0/16")),
        ([{"Subnet": "fd00::/64"}, {"Subnet": "10.9.0.0/24"}], Bridge("10.9.0.1", "10.9.0.0/24")),
    ],
)
def test_the_bridge_is_where_docker_says(
    config: list[dict[str, str]], bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = subprocess.CompletedProcess[str]([], 0, json.dumps(config))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: told)

    assert containers.bridge() == bridge


@pytest.mark.parametrize("problem", [FileNotFoundError(), subprocess.CalledProcessError(1, "docker")])
def test_without_docker_it_is_said_and_the_usual_address_stands(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(subprocess, "run", fails)

    with pytest.raises(StartFailed, match=r"[Dd]ocker"):
        containers.bridge()
    assert containers.usual_bridge() == containers.USUAL


@pytest.mark.parametrize("address", ["0.0.0.0", "8.8.8.8"])
def test_nothing_but_a_private_address_is_opened(address: str, tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="private"):
        containers.begin(Bridge(address, "0.0.0.0/0"), [80], [], tmp_path / "authority.pem", tmp_path / "log")


@pytest.mark.loopback
def test_peers_of_other_networks_are_turned_away() -> None:
    network = ipaddress.IPv4Network("172.17.0.0/16")

    assert forwarder._may_come("172.17.0.9", network)
    assert not forwarder._may_come("192.0.2.77", network)


@pytest.mark.loopback
def test_this_machine_may_come_under_any_of_its_addresses() -> None:
    assert forwarder._may_come("127.0.0.3", ipaddress.IPv4Network("172.17.0.0/16"))


@pytest.fixture
def _another_loopback() -> None:
    socket_allow_hosts(["127.0.0.1", HERE.address])


@pytest.fixture
def echo() -> Iterator[int]:
    """A server on 127.0.0.1 that says in capitals what it hears, once for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(connection.recv(100).upper())

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.loopback
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
@pytest.mark.usefixtures("_another_loopback")
def test_a_port_is_led_to_the_loopback_until_its_process_ends(echo: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = containers.begin(HERE, [echo], [], certificate.make(tmp_path / "tls").authority, log)
    try:
        containers.wait_until_ready(process, HERE, [echo], log)
        with socket.create_connection((HERE.address, echo), timeout=5) as connection:
            connection.sendall(b"hello")
            assert connection.recv(100) == b"HELLO"
            assert connection.recv(100) == b""
    finally:
        end([process])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HERE.address, echo), timeout=5)


@pytest.mark.loopback
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
@pytest.mark.usefixtures("_another_loopback")
def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with socket.create_server((HERE.address, port)):
        process = containers.begin(HERE, [port], [], certificate.make(tmp_path / "tls").authority, log)
        eventually(lambda: None if process.alive else True, "the process at its end")
    with pytest.raises(StartFailed, match=str(port)):
        containers.wait_until_ready(process, HERE, [port], log)
    end([process])
