"""One TLS context for all clients of AWS, while botocore makes one for each connection."""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore import httpsession
from botocore.config import Config
from botocore.exceptions import SSLError
from urllib3.util.ssl_ import create_urllib3_context

from local.certificate import Certificate, make
from tests.support.servers import JsonHandler, serving
from ticket_archive import aws, tls
from ticket_archive.bucket import Bucket

pytestmark = pytest.mark.loopback


@pytest.fixture(autouse=True)
def _no_context_left() -> Iterator[None]:
    tls.shared_context.cache_clear()
    yield
    tls.shared_context.cache_clear()


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make(tmp_path / "certificate")


class S3(JsonHandler):
    """Takes any object, and closes each connection."""

    connections = 0

    def do_PUT(self) -> None:
        S3.connections += 1
        self.answer(200, b"", Connection="close")
        self.close_connection = True

    def handle(self) -> None:
        with suppress(OSError):  # a client that refuses the handshake
            super().handle()


@pytest.fixture
def server(certificate: Certificate) -> Iterator[str]:
    S3.connections = 0
    with serving(S3, certificate) as origin:
        yield origin


@pytest.fixture
def files_read(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The files of authorities that were read into any TLS context, each time."""
    read: list[object] = []
    load = ssl.SSLContext.load_verify_locations

    def noting(self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        read.append(cafile)
        load(self, cafile, capath, cadata)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noting)
    return read


def clients(server: str, authority: Path, *services: str) -> list[Any]:
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_CA_BUNDLE": str(authority),
        "AWS_ENDPOINT_URL": server,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        aws.session.cache_clear()
        made = [aws.client(service, Config(retries={"total_max_attempts": 1})) for service in services]
        aws.session.cache_clear()
    return made


def create_objects(server: str, certificate: Certificate) -> None:
    for s3 in clients(server, certificate.authority, "s3", "s3", "dynamodb")[:2]:
        for number in range(3):
            assert Bucket(s3, "archive").create(f"tickets/T-{number}", b"image", "image/jpeg")
    assert S3.connections == 6, "the server closes each connection, so that each object has its own"


def test_the_authorities_are_read_once_for_all_clients_and_connections(
    server: str, certificate: Certificate, files_read: list[object]
) -> None:
    create_objects(server, certificate)
    assert files_read == [str(certificate.authority)]


def test_botocore_still_reads_the_authorities_for_each_connection(
    server: str, certificate: Certificate, files_read: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When this fails, botocore or urllib3 shares contexts: delete ticket_archive/tls.py."""
    monkeypatch.setattr(httpsession, "create_urllib3_context", create_urllib3_context)
    create_objects(server, certificate)
    assert files_read.count(str(certificate.authority)) >= 6


def test_a_server_of_another_authority_is_refused(server: str, tmp_path: Path) -> None:
    [s3] = clients(server, make(tmp_path / "other").authority, "s3")
    bucket = Bucket(s3, "archive")
    for _ in range(2):
        with pytest.raises(SSLError):
            bucket.create("tickets/T-1", b"image", "image/jpeg")


def test_a_server_of_another_name_is_refused(tmp_path: Path) -> None:
    certificate = make(tmp_path / "elsewhere", "elsewhere.example")
    with serving(S3, certificate) as server:
        [s3] = clients(server, certificate.authority, "s3")
        with pytest.raises(SSLError):
            Bucket(s3, "archive").create("tickets/T-1", b"image", "image/jpeg")
