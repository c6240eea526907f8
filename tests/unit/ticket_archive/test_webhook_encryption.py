"""AES-256-CBC of webhook events, as the vendor and Node's crypto produce it."""

import hashlib
import json
import re
import shutil
import subprocess
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from itertools import product

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ticket_archive.errors import SettingsError, UnreadableWebhook
from ticket_archive.webhook_encryption import check_secret, decrypt_event, encrypt_event

SECRET = b"the-unit-tests-own-secret-of-32b"
OTHER = b"another-unit-tests-secret-of-32b"
IV = bytes(range(16))
EVENT = {"ticket": "762ebbda-0edb-4e48-86bc-11a280273601", "event": "ticket.verification.completed", "n": "Zoë"}
BODY, GOOD_IV = encrypt_event(json.dumps(EVENT).encode(), SECRET, IV)


def reason_for(body: bytes = BODY, iv: str = GOOD_IV, *secrets: bytes) -> str:
    with pytest.raises(UnreadableWebhook) as caught:
        decrypt_event(body, iv, secrets or (SECRET,))
    return caught.value.detail


def raw(body: bytes, iv: bytes, secret: bytes) -> bytes:
    """Decrypt and leave the padding."""
    decryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()
    return decryptor.update(b64decode(body)) + decryptor.finalize()


@given(
    event=st.binary(max_size=300), secret=st.binary(min_size=32, max_size=32), iv=st.binary(min_size=16, max_size=16)
)
def test_encryption_is_cbc_with_pkcs7_padding_in_base64(event: bytes, secret: bytes, iv: bytes) -> None:
    body, header = encrypt_event(event, secret, iv)
    padded = raw(body, iv, secret)
    assert b64decode(header) == iv
    assert 1 <= padded[-1] <= 16
    assert padded == event + bytes([padded[-1]]) * padded[-1]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_what_nodes_crypto_encrypts_is_decrypted() -> None:
    # The vendor's own sample in reverse: createCipheriv with the secret's text as the key.
    script = """
        const crypto = require('crypto');
        const iv = crypto.randomBytes(16);
        const cipher = crypto.createCipheriv('aes-256-cbc', process.argv[1], iv);
        const body = cipher.update(process.argv[2], 'utf8', 'base64url') + cipher.final('base64url');
        console.log(JSON.stringify({body, iv: iv.toString('base64url')}));
    """
    event = json.dumps({**EVENT, "pad": "x" * 10}, ensure_ascii=False)
    made = subprocess.run(["node", "-e", script, SECRET.decode(), event], check=True, capture_output=True, timeout=30)
    sent = json.loads(made.stdout)
    assert decrypt_event(sent["body"].encode(), sent["iv"], [SECRET]) == json.loads(event)


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "standard": b64encode,
    "unpadded": lambda data: b64encode(data).rstrip(b"="),
    "url_safe": urlsafe_b64encode,
    "url_safe_unpadded": lambda data: urlsafe_b64encode(data).rstrip(b"="),
    "mime": lambda data: b"\r\n".join(re.findall(b".{1,76}", b64encode(data))),
    "short lines": lambda data: b"\n".join(re.findall(b".{1,7}", b64encode(data))),
}
WRAPPINGS = ["%s", " %s", "%s\r\n", "\t%s ", '"%s"', "'%s'", '\ufeff"%s"\n', "\ufeff%s", '" %s "']


@given(iv=st.binary(min_size=16, max_size=16), text=st.text(max_size=40))
def test_every_dialect_of_body_and_iv_is_decrypted(iv: bytes, text: str) -> None:
    event = {**EVENT, "text": text}
    ciphertext = b64decode(encrypt_event(json.dumps(event).encode(), SECRET, iv)[0])
    for wrapping, (name, encode) in product(WRAPPINGS, ENCODINGS.items()):
        body, header = (wrapping % encode(data).decode() for data in (ciphertext, iv))
        assert decrypt_event(body.encode(), header, [SECRET]) == event, (wrapping, name)


@pytest.mark.parametrize("spoil", ["%s!", "!!!!%s", "%s\x00", "%s\u00ff", "QQ=\n=%s", '"%s', "%s'", "\"%s'"])
def test_any_other_character_is_refused(spoil: str) -> None:
    assert reason_for((spoil % BODY.decode()).encode()) == "body_not_base64"
    assert reason_for(iv=spoil % GOOD_IV) == "iv_malformed"


@pytest.mark.parametrize(
    "iv",
    ["", "short", *(b64encode(iv).decode() for iv in (IV[:15], IV + b"x")), f"{GOOD_IV},{GOOD_IV}", "é" * 24, "\ud800"],
)
def test_an_iv_is_16_bytes(iv: str) -> None:
    assert reason_for(iv=iv) == "iv_malformed"


@pytest.mark.parametrize("ciphertext", [b"", b"x" * 15, b"x" * 17])
def test_a_ciphertext_is_whole_blocks(ciphertext: bytes) -> None:
    assert reason_for(b64encode(ciphertext)) == "body_not_blocks"


def test_a_wrong_secret_or_none_decrypts_nothing() -> None:
    assert reason_for(BODY, GOOD_IV, OTHER) == "undecipherable"
    with pytest.raises(UnreadableWebhook, match="undecipherable"):
        decrypt_event(BODY, GOOD_IV, [])


def test_a_wrong_secret_whose_padding_is_valid_by_chance_does_not_hide_the_right_one() -> None:
    for number in range(10_000):
        iv = hashlib.sha256(str(number).encode()).digest()[:16]
        body, header = encrypt_event(json.dumps({**EVENT, "number": number}).encode(), SECRET, iv)
        if raw(body, iv, OTHER)[-1] == 1:
            break
    assert raw(body, iv, OTHER)[-1] == 1
    assert decrypt_event(body, header, [OTHER, SECRET])["number"] == number
    assert reason_for(body, header, OTHER) == "undecipherable"


@pytest.mark.parametrize(("text", "key"), [("k" * 32, b"k" * 32), ("é" * 16, "é".encode() * 16)])
def test_a_secret_is_its_own_bytes(text: str, key: bytes) -> None:
    assert check_secret(text) == key


@pytest.mark.parametrize(
    "text", ["", "k" * 31, "k" * 33, "k" * 32 + "\n", "0f" * 32, b64encode(SECRET).decode(), "é" * 32]
)
def test_a_secret_of_another_length_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_secret(text)
    assert str(caught.value) == "settings: webhook secret: not 32 bytes"
    assert caught.value.__context__ is None
