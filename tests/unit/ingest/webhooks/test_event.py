"""What a kept webhook request is opened to, and why it is not."""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ingest.webhooks.event import EventKind, Reason, TicketEvent, Webhook, check_secret, open_webhook, seal_webhook
from ticket_archive.errors import SettingsError, UnreadableWebhook

SECRET = b"the-unit-tests-own-secret-of-32b"
OTHER = b"another-unit-tests-secret-of-32b"
IV = bytes(range(16))
TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
COMPLETED = {
    "ticket": TICKET,
    "event": "ticket.verification.completed",
    "flow_status": "ACCEPTED",
    "disposition": "PASSED",
    "confidence_score": 0.97,
}
CLEAR = Webhook(json.dumps(COMPLETED).encode(), None, "application/json", "2026-01-15T09:30:00Z")


def sealed(event: object = COMPLETED, *, secret: bytes = SECRET, iv: bytes = IV) -> Webhook:
    """A good encrypted request: each test spoils one thing of it."""
    text = event if isinstance(event, bytes) else json.dumps(event).encode()
    body, header = seal_webhook(text, secret, iv)
    return Webhook(body, header, "text/plain", "2026-01-15T09:30:00Z")


def clear(text: bytes | str) -> Webhook:
    return replace(CLEAR, body=text if isinstance(text, bytes) else text.encode())


def opened(webhook: Webhook, *secrets: bytes, plaintext: bool = False) -> TicketEvent:
    return open_webhook(webhook, secrets=secrets or (SECRET,), allow_plaintext=plaintext)


def error_for_response(webhook: Webhook, *secrets: bytes, plaintext: bool = False) -> str:
    with pytest.raises(UnreadableWebhook) as caught:
        opened(webhook, *secrets, plaintext=plaintext)
    assert caught.value.detail in set(Reason)
    return caught.value.detail


def outcome(webhook: Webhook) -> str:
    try:
        opened(webhook, SECRET, OTHER, plaintext=True)
    except UnreadableWebhook as error:
        return error.detail
    return "opened"


# ─── What opens ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_encrypted_completion_opens() -> None:
    event = opened(sealed())

    assert event == TicketEvent(
        ticket=TICKET,
        kind=EventKind.COMPLETED,
        event_id=event.event_id,
        received_at="2026-01-15T09:30:00Z",
        encrypted=True,
        name="ticket.verification.completed",
    )


def test_a_body_may_stand_in_white_space() -> None:
    webhook = sealed()

    assert opened(replace(webhook, body=b" \r\n" + webhook.body + b"\n")).ticket == TICKET


def test_an_iv_means_encrypted_whatever_the_content_type() -> None:
    assert opened(replace(sealed(), content_type="application/json; charset=utf-8")).encrypted


def test_plaintext_opens_where_it_is_allowed() -> None:
    event = opened(CLEAR, plaintext=True)

    assert (event.ticket, event.encrypted) == (TICKET, False)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", " application/json "])
def test_plaintext_is_known_by_its_media_type(content_type: str) -> None:
    assert opened(replace(CLEAR, content_type=content_type), plaintext=True).ticket == TICKET


def test_what_the_older_secret_sealed_opens_during_a_rotation() -> None:
    assert opened(sealed(secret=OTHER), SECRET, OTHER).ticket == TICKET


def test_a_wrong_secret_whose_padding_is_valid_by_chance_does_not_hide_the_right_one() -> None:
    # GIVEN a request that the wrong secret deciphers to valid padding around rubbish
    for number in range(10_000):
        webhook = sealed(iv=hashlib.sha256(str(number).encode()).digest()[:16], event={**COMPLETED, "n": number})
        plain = _deciphered_without_unpadding(webhook, OTHER)
        if plain[-1] == 1:
            break

    # WHEN both are live, the wrong one first
    # THEN the event is opened with the right one
    assert plain[-1] == 1
    assert opened(webhook, OTHER, SECRET).ticket == TICKET
    assert error_for_response(webhook, OTHER) == "undecipherable"


def _deciphered_without_unpadding(webhook: Webhook, secret: bytes) -> bytes:
    assert webhook.iv
    decryptor = Cipher(algorithms.AES(secret), modes.CBC(b64decode(webhook.iv))).decryptor()
    return decryptor.update(b64decode(webhook.body)) + decryptor.finalize()


@given(
    event=st.binary(max_size=300), secret=st.binary(min_size=32, max_size=32), iv=st.binary(min_size=16, max_size=16)
)
def test_sealing_is_what_the_vendor_documents(event: bytes, secret: bytes, iv: bytes) -> None:
    body, header = seal_webhook(event, secret, iv)

    plain = _deciphered_without_unpadding(Webhook(body, header, "text/plain", ""), secret)
    padding = plain[-1]
    assert b64decode(header) == iv
    assert 1 <= padding <= 16
    assert plain == event + bytes([padding]) * padding


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_what_nodes_crypto_enciphered_opens() -> None:
    # GIVEN what the vendor's own sample does, the other way round: createCipheriv with the secret's text as the key
    script = """
        const crypto = require('crypto');
        const iv = crypto.randomBytes(16);
        const cipher = crypto.createCipheriv('aes-256-cbc', process.argv[1], iv);
        const body = cipher.update(process.argv[2], 'utf8', 'base64') + cipher.final('base64');
        console.log(JSON.stringify({body, iv: iv.toString('base64')}));
    """
    event = {**COMPLETED, "data": {"fullname": "Zoë Пример"}}
    made = subprocess.run(
        ["node", "-e", script, SECRET.decode(), json.dumps(event, ensure_ascii=False)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    sent = json.loads(made.stdout)

    # WHEN it is opened
    event_opened = opened(Webhook(sent["body"].encode(), sent["iv"], "text/plain", "2026-01-15T09:30:00Z"))

    # THEN it is the event
    assert (event_opened.ticket, event_opened.event_id) == (TICKET, opened(sealed(event)).event_id)


# ─── What does not, and the reason ──────────────────────────────────────────────────────────────────────────────────


def test_text_without_an_iv_is_refused() -> None:
    assert error_for_response(replace(sealed(), iv=None), plaintext=True) == "iv_missing"


def test_a_body_without_a_content_type_is_never_plaintext() -> None:
    assert error_for_response(replace(CLEAR, content_type=""), plaintext=True) == "iv_missing"


def test_plaintext_is_refused_unless_it_is_allowed() -> None:
    assert error_for_response(CLEAR) == "plaintext_refused"


def test_plaintext_does_not_pass_for_encrypted() -> None:
    assert error_for_response(replace(CLEAR, iv=sealed().iv), plaintext=True) == "body_not_base64"


GOOD_IV = b64encode(IV).decode()


@pytest.mark.parametrize(
    "iv",
    [
        "",
        "short",
        b64encode(IV[:15]).decode(),
        b64encode(IV + b"x").decode(),
        GOOD_IV + " ",
        GOOD_IV[:-1],
        GOOD_IV[:4] + "\n" + GOOD_IV[4:],
        GOOD_IV[:4] + "!" + GOOD_IV[4:],
        b64encode(b"\xff" * 16).decode().replace("/", "_"),
        f"{GOOD_IV},{GOOD_IV}",
        "é" * 24,
        "\ud800" * 24,
    ],
)
def test_an_iv_is_the_strict_base64_of_16_bytes(iv: str) -> None:
    assert error_for_response(replace(sealed(), iv=iv)) == "iv_malformed"


@pytest.mark.parametrize("spoil", [b"%s!", b"!!!!%s", b"\xef\xbb\xbf%s", b"%s\x00", b"%s=", b"%s\xff", b"QQ=\n=%s"])
def test_a_body_is_strict_base64(spoil: bytes) -> None:
    webhook = sealed()

    assert error_for_response(replace(webhook, body=spoil % webhook.body)) == "body_not_base64"


def test_a_body_broken_into_lines_is_not_strict_base64() -> None:
    webhook = sealed()

    assert error_for_response(replace(webhook, body=webhook.body[:64] + b"\n" + webhook.body[64:])) == "body_not_base64"


@pytest.mark.parametrize("ciphertext", [b"", b"x" * 15, b"x" * 17])
def test_a_ciphertext_is_whole_blocks(ciphertext: bytes) -> None:
    assert error_for_response(replace(sealed(), body=b64encode(ciphertext))) == "body_not_blocks"


def test_a_wrong_secret_opens_nothing() -> None:
    assert error_for_response(sealed(), OTHER) == "undecipherable"


def test_without_a_secret_nothing_encrypted_opens() -> None:
    with pytest.raises(UnreadableWebhook, match="undecipherable"):
        open_webhook(sealed(), secrets=(), allow_plaintext=True)


TEXTS = {
    b"\xff\xfe{\x00}\x00": "not_utf8",
    b'{"ticket": "\xc3("}': "not_utf8",
    b'{"ticket": "\xed\xa0\x80"}': "not_utf8",
    "{}".encode("utf-16-le"): "not_json",
    b"\xef\xbb\xbf{}": "not_json",
    b"": "not_json",
    b"hello": "not_json",
    b'{"ticket": "' + TICKET.encode(): "not_json",
    b'{"score": NaN}': "not_json",
    b'{"score": -Infinity}': "not_json",
    b'{"score": 1e400}': "not_json",
    b'{"score": ' + b"9" * 5_000 + b"}": "not_json",
    b'{"ticket": "a\x00b"}': "not_json",
    b"[]": "not_an_object",
    b"null": "not_an_object",
    b'"ticket"': "not_an_object",
    b"17": "not_an_object",
    b"[" * 100_000 + b"]" * 100_000: "too_deep",
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000: "too_deep",
}
TEXT_IDS = [text[:20].decode("latin-1").encode("unicode_escape").decode() or "empty" for text in TEXTS]


@pytest.mark.parametrize(("text", "reason"), TEXTS.items(), ids=TEXT_IDS)
def test_plaintext_that_is_no_event_has_its_own_reason(text: bytes, reason: str) -> None:
    assert error_for_response(clear(text), plaintext=True) == reason


@pytest.mark.parametrize("text", TEXTS, ids=TEXT_IDS)
def test_bad_padding_and_bad_content_are_one_reason(text: bytes) -> None:
    # GIVEN rubbish that is well enciphered, and rubbish in place of padding
    well_enciphered = sealed(text)
    body = bytearray(b64decode(sealed().body))
    body[-17] ^= 0x55  # the last byte of the block before the last: it turns the padding over
    badly_padded = replace(sealed(), body=b64encode(body))

    # THEN nobody learns which it was
    assert error_for_response(well_enciphered) == error_for_response(badly_padded) == "undecipherable"


@given(at=st.integers(0, 47), guess=st.integers(1, 255))
def test_every_bent_byte_has_the_same_reason_or_opens(at: int, guess: int) -> None:
    # GIVEN an attacker without the secret who bends the IV or the ciphertext of a request that was good
    good = sealed({"event": "x", "padding": "to a second block"})
    assert good.iv
    bent = bytearray(b64decode(good.iv) + b64decode(good.body))
    bent[at] ^= guess
    webhook = replace(good, iv=b64encode(bent[:16]).decode(), body=b64encode(bent[16:]))

    # THEN all that is not an event has one reason
    assert outcome(webhook) in ("opened", "undecipherable")


def test_depth_is_refused_in_a_thread_too() -> None:
    reasons: list[str] = []

    thread = threading.Thread(target=lambda: reasons.append(error_for_response(clear(b"[" * 100_000), plaintext=True)))
    thread.start()
    thread.join()

    assert reasons == ["too_deep"]


@pytest.mark.parametrize(
    "ticket", [None, "", 17, [], "../../etc", "a b", "a\u0000b", "\ud800", "é", "-a", "a" * 129, "a\n"]
)
def test_a_completion_without_a_ticket_id_is_refused(ticket: object) -> None:
    assert error_for_response(sealed({**COMPLETED, "ticket": ticket})) == "ticket_malformed"


def test_no_error_holds_what_it_was_given() -> None:
    webhooks = [
        sealed(secret=OTHER),
        clear(b'{"full_name": "Jon Doe" \xff'),
        clear('{"full_name": "Jon Doe" oops'),
        sealed({**COMPLETED, "ticket": "Jon Doe"}),
        replace(sealed(), iv="Jon Doe"),
        replace(sealed(), body=b"Jon Doe"),
    ]

    for webhook in webhooks:
        with pytest.raises(UnreadableWebhook) as caught:
            opened(webhook, plaintext=True)
        error: BaseException | None = caught.value
        while error:
            assert "Jon Doe" not in repr(vars(error)) + str(error)
            assert "Jon Doe" not in str(getattr(error, "doc", "")) + str(getattr(error, "object", ""))
            error = error.__context__


def test_a_repr_shows_neither_body_nor_iv() -> None:
    webhook = Webhook(b"Jon Doe", "the iv", "text/plain", "2026-01-15T09:30:00Z")

    assert repr(webhook) == "Webhook(content_type='text/plain', received_at='2026-01-15T09:30:00Z')"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.text(st.characters(categories=["Cs"])),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(
    body=st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    iv=st.none() | st.just(GOOD_IV) | st.text(max_size=30),
    content_type=st.sampled_from(["text/plain", "application/json", "", "é"]),
)
def test_whatever_comes_is_opened_or_refused(body: bytes, iv: str | None, content_type: str) -> None:
    assert outcome(Webhook(body, iv, content_type, "2026-01-15T09:30:00Z")) in {"opened", *Reason}


@given(event=st.dictionaries(st.sampled_from([*COMPLETED, "invitation_state", "x"]), JSON_VALUES))
def test_whatever_an_event_holds_it_is_opened_or_refused(event: dict[str, Any]) -> None:
    assert outcome(sealed(event)) in ("opened", "undecipherable", "ticket_malformed")
    assert outcome(clear(json.dumps(event))) in ("opened", "not_json", "ticket_malformed")


# ─── The event's id ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_id_is_the_hash_of_the_canonical_event() -> None:
    event = {"ticket": TICKET, "event": "verification.completed", "n": 1.50, "who": "Zoë", "list": [1, None, True]}
    canonical = (
        '{"event":"verification.completed","list":[1,null,true],"n":1.5,'
        '"ticket":"762ebbda-0edb-4e48-86bc-11a280273601","who":"Zoë"}'
    )

    assert opened(sealed(event)).event_id == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    "again",
    [
        sealed(iv=bytes(16)),
        sealed(secret=OTHER),
        sealed(dict(reversed(COMPLETED.items()))),
        sealed(json.dumps(COMPLETED, indent=4).encode()),
        sealed(json.dumps(COMPLETED).replace("0.97", "9.7e-1").encode()),
        sealed(json.dumps(COMPLETED).replace("ticket", "\\u0074icket").encode()),
        CLEAR,
    ],
)
def test_the_same_event_has_the_same_id_however_it_was_sent(again: Webhook) -> None:
    assert opened(again, SECRET, OTHER, plaintext=True).event_id == opened(sealed()).event_id


@pytest.mark.parametrize("change", [{"flow_status": "REJECTED"}, {"confidence_score": 0.98}, {"more": None}])
def test_another_event_has_another_id(change: dict[str, object]) -> None:
    assert opened(sealed({**COMPLETED, **change})).event_id != opened(sealed()).event_id


def test_a_lone_surrogate_does_not_keep_a_completion_out() -> None:
    assert opened(sealed({**COMPLETED, "full_name": "\ud800"})).ticket == TICKET


def test_of_a_repeated_key_the_last_counts() -> None:
    text = '{"ticket": "another", "event": "verification.completed", "ticket": "%s"}' % TICKET  # noqa: UP031

    assert opened(clear(text), plaintext=True).ticket == TICKET


# ─── Its kind ───────────────────────────────────────────────────────────────────────────────────────────────────────

INVITATION = {"id": "i-1", "cifcod": "C-1", "full_name": "Jon Doe", "transaction_status": "ACCEPTED", "attempts": 1}


@pytest.mark.parametrize(
    ("event", "kind", "name"),
    [
        (
            {"event": "ticket.verification.completed", "flow_status": "REJECTED"},
            "completed",
            "ticket.verification.completed",
        ),
        ({"event": "ticket.verification.completed"}, "completed", "ticket.verification.completed"),
        ({"event": "ticket.verification.in_progress"}, "in_progress", "ticket.verification.in_progress"),
        ({"event": "verification.completed", "status": "FAILED"}, "completed", "verification.completed"),
        ({"event": "onboarding.completed", "status": "SUCCESSFUL"}, "completed", "onboarding.completed"),
        ({"event": "onboarding.completed", "status": "AWAITING"}, "in_progress", "onboarding.completed"),
        ({"event": "onboarding.completed"}, "completed", "onboarding.completed"),
        ({**INVITATION, "invitation_state": "COMPLETED"}, "completed", "invitation"),
        ({**INVITATION, "invitation_state": "SENT"}, "unknown", "invitation"),
        ({**INVITATION, "invitation_state": None}, "unknown", "invitation"),
        ({"flow_status": "IN_PROGRESS"}, "in_progress", "other"),
        ({"event": "ticket.new", "flow_status": "IN_PROGRESS"}, "in_progress", "other"),
        ({"event": "ticket.archived"}, "unknown", "other"),
        ({"event": ["ticket.verification.completed"]}, "unknown", "other"),
        ({"event": "Jon Doe"}, "unknown", "other"),
        ({}, "unknown", "other"),
    ],
)
def test_every_known_form_has_its_kind_and_name(event: dict[str, object], kind: str, name: str) -> None:
    found = opened(sealed({"ticket": TICKET, **event}))

    assert (found.kind, found.name, found.ticket) == (kind, name, TICKET)


@pytest.mark.parametrize("event", [{"event": "ticket.verification.in_progress"}, {"event": "ticket.archived"}, {}])
def test_only_a_completion_needs_a_ticket(event: dict[str, object]) -> None:
    assert opened(sealed({**event, "ticket": "../.."})).ticket is None


# ─── Secrets ────────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_keeping_a_request_loads_no_cryptography() -> None:
    # The webhook door keeps requests and opens none: its cold start must not pay for the cipher.
    script = "import sys, ingest.messaging.messages, ingest.webhooks.event; sys.exit('cryptography' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; {script}"]).returncode == 0
