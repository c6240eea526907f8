"""No response helps to decrypt a webhook: a padding-oracle attack on the handlers with 3 keys (ALL_ORACLE_KEYS=1: 20).

CBC without a MAC is open to the attack if the response or its time differs for valid and invalid padding. The webhook
handler decrypts nothing, so its time does not differ either.
"""

import json
import os
import random
from base64 import b64encode
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ingest import dependencies
from ingest.handlers import webhook as webhook_handler
from ingest.threads import ContextThreadPool
from tests.security.vaudenay import BLOCK, attack
from tests.support.archive_harness import RECEIVED_AT, ArchiveHarness, handle_batch
from tests.support.fakes import FakeQueue, sqs_record
from tests.support.logs import log_lines
from ticket_archive.messages import Webhook, webhook_message
from ticket_archive.telemetry import metrics
from ticket_archive.webhook_encryption import IV_HEADER, encrypt_event

KEYS = [random.Random(seed).randbytes(32) for seed in range(20 if os.environ.get("ALL_ORACLE_KEYS") else 3)]
EVENT = json.dumps({"ticket": "762ebbda-0edb", "event": "ticket.verification.completed"}).encode()


@pytest.fixture(autouse=True)
def _captured_log() -> Iterator[None]:
    with log_lines():
        yield


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> FakeQueue:
    queue = FakeQueue()
    monkeypatch.setattr(dependencies, "webhook", lambda: (queue, lambda: None))
    return queue


def post(body: bytes, iv: str | None) -> Hashable:
    """Return what a caller sees of the webhook handler: status, headers and body."""
    headers = {"Content-Type": "text/plain"} | ({IV_HEADER: iv} if iv is not None else {})
    event = {"body": body.decode("latin-1"), "isBase64Encoded": False, "headers": headers}
    answer = webhook_handler.handle(event)
    metrics.clear_metrics()
    return json.dumps(answer, sort_keys=True)


def at_the_webhook_handler(asked: Sequence[tuple[bytes, bytes]]) -> list[Hashable]:
    return [post(b64encode(ciphertext), b64encode(iv).decode()) for iv, ciphertext in asked]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_the_webhook_handler_reveals_no_byte(key: bytes, queue: FakeQueue) -> None:
    # GIVEN a webhook that somebody recorded
    iv = random.Random(key).randbytes(BLOCK)
    ciphertext = sealed(key, iv)
    recovered = attack(ciphertext, iv, at_the_webhook_handler)
    assert recovered == b""
    assert len(queue.bodies) == 256 * len(ciphertext) // BLOCK, "every guess was accepted"


def test_the_attack_works_on_a_vulnerable_handler() -> None:
    """GIVEN a handler that decrypts, and responds to padding and content differently, THEN it reveals everything."""
    key, iv = KEYS[0], bytes(range(BLOCK))

    def leaky(asked: Sequence[tuple[bytes, bytes]]) -> list[Hashable]:
        return [400 if padding_is_wrong(key, *each) else 422 for each in asked]

    assert attack(sealed(key, iv), iv, leaky) == padded()


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_the_sqs_handler_treats_bad_padding_and_bad_content_alike(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """GIVEN an attacker who can send to the queue, and observes the batch response and the quarantine."""
    iv = random.Random(key).randbytes(BLOCK)
    with ContextThreadPool(1, "call") as calls:
        oracle = SqsOracle(key, calls)
        monkeypatch.setattr(dependencies, "sqs", lambda: oracle.sqs)
        assert attack(sealed(key, iv), iv, oracle.ask) == b""
        assert oracle.outcomes == {((), "undecipherable")}


class SqsOracle:
    """The SQS handler with this key as its secret, and what can be observed of each message."""

    def __init__(self, key: bytes, calls: ContextThreadPool) -> None:
        harness = ArchiveHarness()
        self.queue = harness.queue
        self.outcomes: set[Hashable] = set()
        self.sqs = harness.sqs_dependencies(calls, harness.processor(secrets=lambda: [key]))

    def ask(self, asked: Sequence[tuple[bytes, bytes]]) -> list[Hashable]:
        """Return the batch's failures and the quarantine reason of each message, sent in batches of ten."""
        outcomes: list[Hashable] = []
        for begin in range(0, len(asked), 10):
            before = len(self.queue.quarantined)
            sent = partial(Webhook, content_type="text/plain", received_at=RECEIVED_AT)
            bodies = [
                webhook_message(sent(body=b64encode(ciphertext), iv=b64encode(iv).decode()))
                for iv, ciphertext in asked[begin : begin + 10]
            ]
            failed = tuple(handle_batch(*map(sqs_record, bodies)))
            reasons = {json.loads(body)["webhook"]["body"]: reason for body, reason in self.queue.quarantined[before:]}
            outcomes += [(failed, reasons.get(json.loads(body)["webhook"]["body"])) for body in bodies]
        metrics.clear_metrics()
        self.outcomes.update(outcomes)
        return outcomes


def test_ten_thousand_bad_bodies_have_one_response(queue: FakeQueue) -> None:
    """GIVEN bodies with each fault that can be found only by decoding them, THEN all have the same response."""
    rng, key = random.Random(8), KEYS[0]
    block = partial(rng.randbytes, BLOCK)

    def junk(*, blocks: bool = False) -> bytes:
        return b64encode(rng.randbytes(BLOCK * rng.randrange(1, 9) if blocks else rng.randrange(1, 200)))

    def iv() -> str:
        return b64encode(block()).decode()

    bad: list[Callable[[], tuple[bytes, str | None]]] = [
        lambda: (junk(blocks=True), iv()),  # wrong padding, nearly always
        lambda: encrypt_event(junk(), key, block()),  # right padding, wrong content
        lambda: encrypt_event(EVENT, KEYS[1], block()),  # sealed with another key
        lambda: (b64encode(rng.randbytes(BLOCK * rng.randrange(1, 9) + 1)), iv()),  # not blocks
        lambda: (b"!" + junk(), iv()),  # not base64
        lambda: (junk(blocks=True), junk().decode()),  # no such IV
        lambda: (junk(blocks=True), None),  # no IV at all
        lambda: encrypt_event(b'{"event":"x","n":%d}' % rng.randrange(10**9), key, block()),  # without a ticket
        lambda: (EVENT, None),  # in clear
    ]
    answers = {post(*bad[number % 9]()) for number in range(10_000)}
    assert len(answers) == 1
    assert len(queue.bodies) == 10_000


def sealed(key: bytes, iv: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return cipher.update(padded()) + cipher.finalize()


def padded() -> bytes:
    padder = PKCS7(BLOCK * 8).padder()
    return padder.update(EVENT) + padder.finalize()


def padding_is_wrong(key: bytes, iv: bytes, ciphertext: bytes) -> bool:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(BLOCK * 8).unpadder()
    try:
        unpadder.update(decryptor.update(ciphertext) + decryptor.finalize())
        unpadder.finalize()
    except ValueError:
        return True
    return False
