"""Create the TLS certificate of one run of the local stack."""

import datetime as dt
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = dt.timedelta(days=30)
NAMES = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class Certificate(NamedTuple):
    """Paths of three PEM files: the server's certificate, its key, and the CA certificate that clients trust."""

    certificate: Path
    key: Path
    authority: Path


def make(folder: Path, names: Iterable[x509.GeneralName] = NAMES) -> Certificate:
    """Write a server certificate for `names` into `folder`, readable by this user alone.

    The CA's key is never written, so nothing else can be signed with it. Strict clients (Python 3.13's
    VERIFY_X509_STRICT, webpki) require a CA certificate apart from the server's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, server_name = _name("IDV ticket archive, local authority"), _name("localhost")
    authority = (
        _builder(authority_name, authority_key, authority_name, authority_key, usage="key_cert_sign")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        _builder(server_name, server_key, authority_name, authority_key, usage="digital_signature")
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(
        certificate=_write(folder / "server.pem", server.public_bytes(Encoding.PEM)),
        key=_write(folder / "server.key", key),
        authority=_write(folder / "authority.pem", authority.public_bytes(Encoding.PEM)),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    usage: str,
) -> x509.CertificateBuilder:
    now, public_key = dt.datetime.now(dt.UTC), key.public_key()
    usages = x509.KeyUsage(**{each: each == usage for each in _USAGES})
    return (
        x509.CertificateBuilder(issuer, name, public_key, x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))  # the clocks of containers and virtual machines lag
        .not_valid_after(now + LIFE)
        .add_extension(usages, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _write(path: Path, pem: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return path
