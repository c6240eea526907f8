"""The fuzzing targets: each parses bytes, and raises no error that the parser does not document."""

import random
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress

from ingest.files.decoding import inline_file
from ingest.files.parsing import parse_files
from ingest.webhooks.event import open_webhook
from tests.support.sample_files import FILES, SVG
from ticket_archive.errors import UnreadableWebhook, UnrecognizedResponse, VendorUnavailable
from ticket_archive.messages import Webhook, read_message
from ticket_archive.models import ImageType
from ticket_archive.webhook_encryption import encrypt_event

SECRET = bytes(range(32))
IV = bytes(16)
RECEIVED_AT = "2026-01-15T09:00:00.000000Z"


def webhook(data: bytes) -> None:
    """Open the data as a plaintext body, an encrypted event, ciphertext, base64, an IV, and a queue message."""
    sealed, iv = encrypt_event(data, SECRET, IV)
    aligned = data[: len(data) // 16 * 16]
    for body, vector, content_type in (
        (data, None, "application/json"),
        (sealed, iv, "text/plain"),
        (b64encode(aligned), iv, "text/plain"),
        (data, iv, "text/plain"),
        (sealed, data.decode("latin-1"), "text/plain"),
    ):
        try:
            open_webhook(
                Webhook(body=body, iv=vector, content_type=content_type, received_at=RECEIVED_AT),
                secrets=[SECRET[::-1], SECRET],
                allow_plaintext=True,
            )
        except UnreadableWebhook as error:
            if error.__context__ is not None:  # a traceback would print the body
                raise AssertionError("the error has a context") from None
    with suppress(UnreadableWebhook):
        read_message(data.decode("utf-8", "surrogateescape"))


def image(data: bytes) -> None:
    """Parse the data as a file, and as responses that contain it."""
    inline_file(data)  # raises nothing
    encoded = b64encode(data)
    for body, content_type in (
        (data, "image/jpeg"),
        (data, "application/json"),
        (encoded, "text/plain"),
        (b'{"images": ["' + encoded + b'"]}', "application/json"),
        (b'["data:image/png;base64,' + encoded + b'"]', "application/json"),
    ):
        with suppress(UnrecognizedResponse, VendorUnavailable):
            parse_files(body, content_type, ImageType.DOCUMENT)


TARGETS: dict[str, Callable[[bytes], None]] = {"webhook": webhook, "image": image}

_EVENTS = (
    b'{"ticket": "762ebbda-0edb", "event": "ticket.verification.completed", "flow_status": "ACCEPTED", "n": 1e3}',
    b'{"invitation_state": "COMPLETED", "ticket": "T-1", "a": {"b": [1, null, true, "\\ud800"]}}',
    b'{"v": 1, "ticket": "T-1", "kind": "backfill", "force": true}',
    b'{"v": 1, "webhook": {"body": "e30=", "iv": null, "content_type": "text/plain", '
    b'"received_at": "2026-01-15T09:00:00Z"}}',
)
SEEDS: dict[str, Sequence[bytes]] = {"webhook": _EVENTS, "image": [SVG, *(data for data, _ in FILES.values())]}
_WORDS = (
    b"\x00", b"\xff", b"\xff\xd8", b"\xff\xd9", b"[" * 2000, b"9" * 5000, b"NaN", b"1e400", b'"', b"\\u0000",
    b"\xef\xbb\xbf",
)  # fmt: skip


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """Return the seed with one to eight random changes, sometimes truncated."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.randrange(256)
            case 2:
                del data[at : at + rng.randint(1, 16)]
            case 3:
                data[at:at] = data[at : at + rng.randint(1, 64)]
            case 4:
                data[at:at] = rng.choice(_WORDS)
            case _:
                data[at:at] = rng.randbytes(rng.randint(1, 16))
    return bytes(data[: rng.randrange(len(data) + 1)]) if rng.random() < 0.1 else bytes(data)


def run(name: str, count: int, seed: int) -> None:
    """Pass `count` mutations of its seeds to a target. Raises the target's error, with the input in a note."""
    rng = random.Random(f"{name} {seed}")
    for number in range(count):
        data = mutated(rng.choice(SEEDS[name]), rng)
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"{name}, seed {seed}, number {number}: {data[:2000]!r}")
            raise
