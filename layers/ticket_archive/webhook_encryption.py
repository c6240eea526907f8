"""Encryption of webhook events: AES-256-CBC with PKCS#7 padding, in base64.

The key is the webhook secret's 32 bytes themselves; the IV travels as base64 in the header `x-pvt-cipher-iv`. CBC has
no MAC: anyone who can post can alter a ciphertext, so a decrypted event only says which ticket to ask the vendor about.

Source: docs.preventor.com, page server/webhooks.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ticket_archive.errors import Reason, SettingsError, UnreadableWebhook
from ticket_archive.json_text import without_bom
from ticket_archive.webhook_event import parse_event

IV_HEADER = "x-pvt-cipher-iv"

_BLOCK_BYTES = 16
_SECRET_BYTES = 32


def check_secret(text: str) -> bytes:
    """Return the key of a webhook secret. Raises SettingsError, which does not show it, unless it is 32 bytes.

    A secret noted as hexadecimal (64 characters) or base64 (44) is refused: the vendor's key is the text itself.
    """
    secret = text.encode("utf-8", "surrogatepass")
    if len(secret) != _SECRET_BYTES:
        raise SettingsError("webhook secret: not 32 bytes")
    return secret


def encrypt_event(event: bytes, secret: bytes, iv: bytes) -> tuple[bytes, str]:
    """Return the body and the IV header's value that the vendor would send. `iv`: 16 random bytes, used once."""
    padder = PKCS7(_BLOCK_BYTES * 8).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padder.update(event) + padder.finalize()) + encryptor.finalize()
    return b64encode(ciphertext), b64encode(iv).decode()


def decrypt_event(body: bytes, iv: str, secrets: Iterable[bytes]) -> dict[str, Any]:
    """Decrypt an event with the first secret that yields a JSON object; there are several during a rotation.

    Raises UnreadableWebhook.
    """
    vector = _decode_base64(iv.encode("utf-8", "surrogatepass"), Reason.IV_MALFORMED)
    if len(vector) != _BLOCK_BYTES:
        raise UnreadableWebhook(Reason.IV_MALFORMED)
    ciphertext = _decode_base64(body, Reason.BODY_NOT_BASE64)
    if not ciphertext or len(ciphertext) % _BLOCK_BYTES:
        raise UnreadableWebhook(Reason.BODY_NOT_BLOCKS)
    for secret in secrets:
        # One wrong key in 256 leaves valid padding, so only JSON shows that the key was right.
        with suppress(ValueError, UnreadableWebhook):
            return parse_event(decrypt(ciphertext, secret, vector))
    raise UnreadableWebhook(Reason.UNDECIPHERABLE)


def decrypt(ciphertext: bytes, secret: bytes, iv: bytes) -> bytes:
    """Decrypt whole blocks and remove the padding. Raises ValueError where the padding is wrong."""
    decryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(_BLOCK_BYTES * 8).unpadder()
    return unpadder.update(decryptor.update(ciphertext) + decryptor.finalize()) + unpadder.finalize()


def _decode_base64(text: bytes, reason: Reason) -> bytes:
    """Decode the dialects of base64 that Node's decoder accepts: either alphabet, padded or not.

    White space anywhere (MIME breaks base64 into lines), and quotes and a byte order mark around the text are removed;
    any other character is refused, which `b64decode` alone would skip.
    """
    text = without_bom(b"".join(text.split()))
    if len(text) > 1 and text[:1] == text[-1:] and text[:1] in (b'"', b"'"):
        text = text[1:-1]
    text = text.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    with suppress(ValueError):
        return b64decode(text + b"=" * (-len(text) % 4), validate=True)
    raise UnreadableWebhook(reason)
