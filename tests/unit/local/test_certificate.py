import ssl
import stat
from pathlib import Path

import pytest

from local import certificate


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Do a TLS handshake in memory; raises the client's error."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(5):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not ends


@pytest.fixture
def made(tmp_path: Path) -> certificate.Certificate:
    return certificate.make(tmp_path / "tls")


@pytest.fixture
def server(made: certificate.Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    return context


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("strict", [0, ssl.VERIFY_X509_STRICT])
def test_a_client_that_trusts_the_authority_accepts_the_loopback(
    made: certificate.Certificate, server: ssl.SSLContext, name: str, strict: int
) -> None:
    client = ssl.create_default_context(cafile=str(made.authority))
    client.verify_flags |= strict

    handshake(server, client, name)


def test_another_host_is_not_covered(made: certificate.Certificate, server: ssl.SSLContext) -> None:
    client = ssl.create_default_context(cafile=str(made.authority))

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "example.com")


def test_a_client_that_does_not_trust_the_authority_refuses(server: ssl.SSLContext, tmp_path: Path) -> None:
    another = certificate.make(tmp_path / "another")

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(cafile=str(another.authority)), "localhost")


def test_the_files_are_readable_by_their_owner_alone(made: certificate.Certificate) -> None:
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o600] * 3
    assert stat.S_IMODE(made.key.parent.stat().st_mode) == 0o700
