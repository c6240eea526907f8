"""Clients for AWS: what they share, and what they do for each connection."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import SSLError
from botocore.session import get_session
from cryptography import x509

from local.certificate import Certificate, make
from tests.support.tls import TlsServer
from ticket_archive import aws
from ticket_archive.bucket import Bucket

pytestmark = pytest.mark.loopback


@pytest.fixture(autouse=True)
def _no_context_left() -> Iterator[None]:
    aws.tls_context.cache_clear()
    yield
    aws.tls_context.cache_clear()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make(tmp_path / "certificate")


@pytest.fixture
def server(certificate: Certificate) -> Iterator[TlsServer]:
    with TlsServer(certificate) as server:
        yield server


@pytest.fixture
def files_read(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The files of authorities that were read into any TLS context, each time."""
    read: list[object] = []
    reading = ssl.SSLContext.load_verify_locations

    def noting(self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        read.append(cafile)
        reading(self, cafile, capath, cadata)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noting)
    return read


def client(service: str, server: TlsServer, authority: Path) -> Any:
    session = get_session()
    session.set_credentials("AKIAEXAMPLE", "example")
    session.set_config_variable("region", "eu-central-1")
    session.set_config_variable("ca_bundle", str(authority))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        return aws.client(session, service, Config(retries={"total_max_attempts": 1}))


def test_the_authorities_are_read_once_for_all_clients_and_connections(
    server: TlsServer, certificate: Certificate, files_read: list[object]
) -> None:
    clients = [client(service, server, certificate.authority) for service in ("s3", "s3", "dynamodb")]

    for s3 in clients[:2]:
        for number in range(3):
            assert Bucket(s3, "archive").create(f"tickets/T-{number}", b"image", "image/jpeg")

    assert server.connections == 6, "the server closes each connection, so that each object has its own"
    assert files_read == [str(certificate.authority)]


def test_a_server_of_another_authority_is_refused_all_the_same(
    server: TlsServer, certificate: Certificate, tmp_path: Path
) -> None:
    other = make(tmp_path / "other")
    bucket = Bucket(client("s3", server, other.authority), "archive")

    for _ in range(2):
        with pytest.raises(SSLError):
            bucket.create("tickets/T-1", b"image", "image/jpeg")


def test_a_server_of_another_name_is_refused_all_the_same(tmp_path: Path) -> None:
    certificate = make(tmp_path / "elsewhere", [x509.DNSName("elsewhere.example")])
    with TlsServer(certificate) as server, pytest.raises(SSLError):
        Bucket(client("s3", server, certificate.authority), "archive").create("tickets/T-1", b"image", "image/jpeg")
