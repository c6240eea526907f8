"""Opening a webhook: decryption, parsing, the kind of its event, and the reason if it is unreadable."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.webhooks.event import EventKind, TicketEvent, open_webhook, request_for
from tests.support.strategies import json_values
from ticket_archive.errors import UnreadableWebhook
from ticket_archive.messages import Webhook
from ticket_archive.webhook_encryption import encrypt_event

SECRET = b"the-unit-tests-own-secret-of-32b"
OTHER = b"another-unit-tests-secret-of-32b"
IV = bytes(range(16))
TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
RECEIVED_AT = "2026-01-15T09:30:00Z"
NEW, OLD, ONBOARDING = "ticket.verification.completed", "verification.completed", "onboarding.completed"
COMPLETED = {"ticket": TICKET, "event": NEW, "flow_status": "ACCEPTED", "confidence_score": 0.97}


def encrypted(event: object = COMPLETED, *, secret: bytes = SECRET, iv: bytes = IV) -> Webhook:
    text = event if isinstance(event, bytes) else json.dumps(event).encode()
    body, header = encrypt_event(text, secret, iv)
    return Webhook(body=body, iv=header, content_type="text/plain", received_at=RECEIVED_AT)


def plaintext(event: object = COMPLETED, content_type: str | None = "application/json") -> Webhook:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return Webhook(body=body, content_type=content_type, received_at=RECEIVED_AT)


def opened(webhook: Webhook, *, allow_plaintext: bool = True) -> TicketEvent:
    event = open_webhook(webhook, secrets=[SECRET, OTHER], allow_plaintext=allow_plaintext)
    assert isinstance(event, TicketEvent)
    return event


def outcome(webhook: Webhook, *, allow_plaintext: bool = True) -> str:
    try:
        return opened(webhook, allow_plaintext=allow_plaintext).kind.value
    except UnreadableWebhook as error:
        return error.detail


# ─── Encrypted and in clear ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_encrypted_completion_is_opened() -> None:
    event = opened(encrypted(), allow_plaintext=False)
    assert event == TicketEvent(
        ticket=TICKET,
        kind=EventKind.COMPLETED,
        event_id=event.event_id,
        received_at=RECEIVED_AT,
        encrypted=True,
        name="ticket.verification.completed",
    )


CONTENT_TYPES = [None, "", "text/plain", "application/json; charset=utf-8", "application/octet-stream", "*/*", "é"]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_the_content_type_has_no_effect(content_type: str | None) -> None:
    assert outcome(encrypted().model_copy(update={"content_type": content_type}), allow_plaintext=False) == "completed"
    assert outcome(plaintext(content_type=content_type)) == "completed"
    assert outcome(plaintext(content_type=content_type), allow_plaintext=False) == "plaintext_refused"


@pytest.mark.parametrize("start", [b"", b" \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf "])
def test_json_in_clear_may_have_white_space_or_a_byte_order_mark_before_it(start: bytes) -> None:
    body = start + json.dumps(COMPLETED).encode()
    assert outcome(plaintext(body)) == "completed"


@pytest.mark.parametrize("allow", [True, False])
def test_a_body_that_is_neither_json_nor_has_an_iv_misses_its_iv(allow: bool) -> None:
    webhook = encrypted().model_copy(update={"iv": None})
    assert outcome(webhook, allow_plaintext=allow) == "iv_missing"
    assert outcome(plaintext(b"hello"), allow_plaintext=allow) == "iv_missing"


def test_a_request_with_an_iv_is_always_decrypted() -> None:
    assert outcome(plaintext().model_copy(update={"iv": encrypted().iv})) == "body_not_base64"


TEXTS = {
    b"{\0\xd8\xd8": "not_utf8",
    b' "\xc3"': "iv_missing",
    b'{"ticket": "' + TICKET.encode(): "not_json",
    b'{"score": ' + b"9" * 5_000 + b"}": "not_json",
    b'{"ticket": "a\x00b"}': "not_json",
    b"[]": "not_an_object",
    b"[[{}]]": "not_an_object",
    b'"text"': "iv_missing",
    b"[1, 2]": "not_an_object",
    b"[{}, {}]": "not_an_object",
    b'{"a": 1}\n{"b": 2}': "not_an_object",
    b'{"ticket": "A"}\n{"ticket"': "not_json",
    b"[" * 100_000 + b"]" * 100_000: "too_deep",
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000: "too_deep",
}


@pytest.mark.parametrize(("text", "reason"), TEXTS.items(), ids=lambda value: str(value[:20]))
def test_plaintext_that_is_no_json_object_has_its_own_reason(text: bytes, reason: str) -> None:
    assert outcome(plaintext(text)) == reason
    assert outcome(encrypted(text)) == "undecipherable"


# ─── Several events in one request ──────────────────────────────────────────────────────────────────────────────────

OTHER_TICKET = {"ticket": "another", "event": "ticket.verification.completed"}


def split(webhook: Webhook) -> list[Webhook]:
    events = open_webhook(webhook, secrets=[OTHER, SECRET], allow_plaintext=True)
    assert isinstance(events, list)
    return [request_for(each, webhook, [OTHER, SECRET]) for each in events]


def on_lines(events: list[object]) -> bytes:
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\r\n\n" for each in events)


@pytest.mark.parametrize("request_of", [encrypted, plaintext])
@pytest.mark.parametrize(
    "wrap", [list, on_lines, *(lambda each, name=name: {name: each} for name in ("events", "data", "detail"))]
)
def test_each_of_several_events_becomes_a_request_with_the_id_that_it_has_alone(
    request_of: Callable[[object], Webhook], wrap: Callable[[object], object]
) -> None:
    events = [COMPLETED, {**OTHER_TICKET, "name": "é\u2028"}]
    requests = split(request_of(wrap(events)))
    assert [opened(each).event_id for each in requests] == [opened(request_of(each)).event_id for each in events]
    assert all((each.iv is None) == (request_of is plaintext) for each in requests)
    sent = {(each.received_at, each.content_type) for each in requests}
    assert sent == {(RECEIVED_AT, request_of(COMPLETED).content_type)}


def test_fields_beside_several_events_apply_to_each() -> None:
    document = {"event": "ticket.verification.completed", "data": [{"ticket": TICKET}, {"ticket": "another"}]}
    found = [opened(each) for each in split(encrypted(document))]
    assert [each.ticket for each in found] == [TICKET, "another"]
    assert {each.kind for each in found} == {EventKind.COMPLETED}


A, B, C, D = ({"ticket": name} for name in "ABCD")


@pytest.mark.parametrize(
    ("document", "tickets"),
    [
        ({"ticket": "Z", "events": [A, {"ticket_id": "Z"}, 7, {"step": 2}, B]}, "ZAB"),
        ({"ticket": "Z", "events": [A]}, "ZA"),
        ({"ticket": "Z", "data": {"events": [A, B]}}, "ZAB"),
        ({"data": {"ticket": "Z", "events": [A, B]}}, "ZAB"),
        ({"data": {"ticket": "Z"}, "payload": {"events": [A, B]}}, "ZAB"),
        ({"data": {"events": [A, B]}}, "AB"),
        ({"data": json.dumps({"events": [A, B]})}, "AB"),
        ({"events": [A, B], "data": {"events": [C, D]}}, "ABCD"),
    ],
)
def test_every_ticket_beside_and_in_lists_has_an_event_with_its_name(document: dict[str, Any], tickets: str) -> None:
    found = [opened(each) for each in split(plaintext({"event": "ticket.verification.completed", **document}))]
    assert "".join(each.ticket for each in found) == tickets
    assert {each.kind for each in found} == {EventKind.COMPLETED}


def test_a_tickets_history_is_no_list_of_events() -> None:
    for history in ({"events": [A] * 101}, {"data": {"events": [{**A, "step": 1}, {**A, "step": 2}, {"step": 3}]}}):
        assert outcome(plaintext({"event": "ticket.verification.completed", **A, **history})) == "completed"


def test_the_parts_of_a_split_webhook_are_not_split_again() -> None:
    several = [A, *[0] * 9]
    document = {"data": several, "payload": several, "event": several, "events": several}
    requests = split(plaintext(document))
    assert len(requests) == 40
    assert [outcome(each) for each in requests].count("no_ticket") == 36


def test_an_unreadable_event_among_several_hides_no_other() -> None:
    requests = split(plaintext([COMPLETED, 7, {"event": "x"}]))
    assert [outcome(each) for each in requests] == ["completed", "no_ticket", "no_ticket"]


@pytest.mark.parametrize("request_of", [encrypted, plaintext])
def test_over_a_hundred_events_are_refused(request_of: Callable[[object], Webhook]) -> None:
    assert len(split(request_of([COMPLETED] * 100))) == 100
    assert outcome(request_of([COMPLETED] * 101)) == "too_many_events"


@given(st.lists(json_values(), min_size=1, max_size=6))
def test_each_value_beside_an_event_becomes_a_request_of_its_own(values: list[Any]) -> None:
    requests = split(plaintext([*values, COMPLETED]))
    assert len(requests) == len(values) + 1
    assert opened(requests[-1]).ticket == TICKET


# ─── Tickets ────────────────────────────────────────────────────────────────────────────────────────────────────────

NO_TICKETS: list[object] = [None, "", 17, [], "../../etc", "a b", "a\u0000b", "\ud800", "é", "-a", "a" * 129, " \n"]
NO_TICKETS += [
    form.format(TICKET) for form in ("{{{}", "{}}}", "{{{{{}}}}}", "urn:uuid:{}}}", "urn:{}", "uuid:{}", "({})")
]
NO_TICKETS += ["{T-1}", "urn:uuid:T-1", "{}", TICKET.replace("e", "E", 1), f"{{{TICKET.replace('b', 'B', 1)}}}"]


@pytest.mark.parametrize(
    "document",
    [
        *({"id": "x", envelope: COMPLETED} for envelope in ("data", "payload", "event", "detail", "Message")),
        *({"event": "ticket.verification.completed", name: {"ticket": TICKET}} for name in ("data", "payload")),
    ],
)
def test_an_event_may_be_inside_one_envelope_with_its_name_outside(document: dict[str, Any]) -> None:
    event = opened(encrypted(document))
    assert (event.ticket, event.kind, event.name) == (TICKET, EventKind.COMPLETED, "ticket.verification.completed")


@pytest.mark.parametrize(
    "wrap", [lambda text: {"data_base64": text}, lambda text: {"message": {"data": text}, "subscription": "projects/p"}]
)
def test_an_event_may_be_in_base64_in_a_platforms_envelope(wrap: Callable[[str], dict[str, Any]]) -> None:
    def envelope(event: object) -> dict[str, Any]:
        return {"specversion": "1.0", **wrap(b64encode(json.dumps(event).encode()).decode())}

    event = opened(encrypted(envelope(COMPLETED)))
    assert (event.ticket, event.kind, event.name) == (TICKET, EventKind.COMPLETED, "ticket.verification.completed")
    assert opened(encrypted({**envelope(OTHER_TICKET), **COMPLETED})).ticket == TICKET
    for several in ([envelope(COMPLETED), envelope(OTHER_TICKET)], envelope({"events": [COMPLETED, OTHER_TICKET]})):
        requests = split(plaintext(several))
        assert [opened(each).ticket for each in requests] == [TICKET, "another"]
    assert all(b"base64" not in each.body and b"message" not in each.body for each in requests), "not all in each"
    for text in ("", "é", "AAA", "/w==", b64encode(b"[" * 100_001).decode(), 7, None):
        assert outcome(encrypted(wrap(text))) == "no_ticket"  # type: ignore[arg-type]
    assert outcome(encrypted(envelope({"data": COMPLETED}))) == "no_ticket", "two envelopes"


@pytest.mark.parametrize("wrap", [lambda each: [each], json.dumps, lambda each: json.dumps([each])])
def test_an_object_may_be_in_a_list_of_one_or_in_a_json_string(wrap: Callable[[object], object]) -> None:
    for request_of in (encrypted, plaintext):
        assert opened(request_of(json.dumps(wrap(COMPLETED)).encode())) == opened(request_of(COMPLETED))
    for envelope in ("data", "payload", "event"):
        event = opened(encrypted({"id": "x", envelope: wrap(COMPLETED)}))
        assert (event.ticket, event.kind) == (TICKET, EventKind.COMPLETED)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_an_event_may_be_in_another_encoding(encoding: str) -> None:
    event = {**COMPLETED, "full_name": "José"}
    text = json.dumps(event, ensure_ascii=False)
    assert opened(encrypted(text.encode(encoding))) == opened(encrypted(event))
    for ticket in ("é", "\xc3("):
        assert outcome(encrypted(json.dumps({"ticket": ticket}, ensure_ascii=False).encode(encoding))) == "no_ticket"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
def test_an_event_may_contain_nan_and_infinity(number: bytes) -> None:
    text = b'{"ticket": "%s", "event": "verification.completed", "confidence_score": %s}' % (TICKET.encode(), number)
    assert outcome(encrypted(text)) == outcome(plaintext(text)) == "completed"
    assert opened(encrypted(text)).event_id != opened(encrypted(text.replace(number, b"1"))).event_id


@pytest.mark.parametrize("name", ["ticket_id", "ticketId", "TicketId", "TICKET_ID", "ticketID"])
@pytest.mark.parametrize("other", [{}, {"ticket": 17}, {"ticket": {"flow": "WF-01"}}])
def test_the_ticket_may_have_any_name_that_it_has_in_details(name: str, other: dict[str, object]) -> None:
    named = {"event": "ticket.verification.completed", name: TICKET}
    assert opened(encrypted({**other, **named})).ticket == TICKET
    assert opened(encrypted({"data": {**named, **other}})).ticket == TICKET
    for documented in ({"ticket": TICKET}, {"data": {"ticket": TICKET}}):
        assert opened(encrypted({name: "another", **documented})).ticket == TICKET, "the documented name counts first"


@pytest.mark.parametrize("form", [" {}\n", "urn:uuid:{}", "{{{}}}", " URN:UUID:{} ", "\t{{{}}}"])
def test_white_space_braces_and_the_urn_prefix_are_removed_from_a_ticket_id(form: str) -> None:
    for ticket in (TICKET, TICKET.upper()):
        assert opened(encrypted({**COMPLETED, "ticket": form.format(ticket)})).ticket == ticket


@pytest.mark.parametrize(
    "name", ["ticket.verification.completed", "ticket.archived", "ticket.verification.in_progress"]
)
def test_an_event_without_a_valid_ticket_id_is_unreadable(name: str) -> None:
    for ticket in NO_TICKETS:
        without = {**COMPLETED, "event": f"ticket.{name}", "ticket": ticket}
        assert outcome(encrypted(without)) == "no_ticket", ticket
        assert outcome(encrypted({"data": without})) == "no_ticket", ticket
    assert outcome(encrypted({"data": {"data": COMPLETED}})) == "no_ticket", "two envelopes"


def test_the_last_of_equal_keys_counts() -> None:
    text = b'{"ticket": "another", "event": "verification.completed", "ticket": "%s"}' % TICKET.encode()
    assert opened(plaintext(text)).ticket == TICKET


# ─── Kinds ──────────────────────────────────────────────────────────────────────────────────────────────────────────

INVITATION = {"id": "i-1", "cifcod": "C-1", "full_name": "Jon Doe", "transaction_status": "ACCEPTED", "attempts": 1}


@pytest.mark.parametrize(
    ("event", "kind", "name"),
    [
        ({"event": NEW, "flow_status": "REJECTED"}, "completed", NEW),
        ({"event": NEW}, "completed", NEW),
        ({"event": "ticket.verification.in_progress"}, "in_progress", "ticket.verification.in_progress"),
        *(
            ({"event": "ticket.verification.in_progress", "flow_status": word}, kind, "ticket.verification.in_progress")
            for word, kind in (
                ("IN_PROGRESS", "in_progress"),
                ("ACCEPTED", "unrecognized"),
                ("REJECTED", "unrecognized"),
            )
        ),
        ({"event": OLD, "status": "FAILED"}, "completed", OLD),
        ({"event": ONBOARDING, "status": "SUCCESSFUL"}, "completed", ONBOARDING),
        ({"event": ONBOARDING, "status": "AWAITING"}, "in_progress", ONBOARDING),
        ({"event": ONBOARDING}, "completed", ONBOARDING),
        ({"event": "anything.else.completed"}, "completed", "other"),
        ({**INVITATION, "invitation_state": "COMPLETED"}, "completed", "invitation"),
        ({**INVITATION, "invitation_state": "SENT"}, "unrecognized", "invitation"),
        ({**INVITATION, "invitation_state": None}, "unrecognized", "other"),
        ({"flow_status": "IN_PROGRESS"}, "in_progress", "other"),
        ({"event": "ticket.new", "flow_status": "IN_PROGRESS"}, "in_progress", "other"),
        ({"event": "ticket.verification.expired"}, "unrecognized", "other"),
        ({"event": "completed"}, "unrecognized", "other"),
        ({"event": ["ticket.verification.completed"]}, "unrecognized", "other"),
        ({"event": "Jon Doe"}, "unrecognized", "other"),
        ({}, "unrecognized", "other"),
    ],
)
def test_every_form_of_event_has_its_kind_and_name(event: dict[str, object], kind: str, name: str) -> None:
    found = opened(encrypted({"ticket": TICKET, **event}))
    assert (found.kind, found.name, found.ticket) == (kind, name, TICKET)


JSON_VALUES = json_values(st.text(st.characters(categories=["Cs"])))
FIELDS = st.dictionaries(
    st.sampled_from([*COMPLETED, "invitation_state", "status", "data", "payload", "x"]), JSON_VALUES
)


@given(event=FIELDS)
def test_any_json_object_has_a_kind_or_no_ticket(event: dict[str, Any]) -> None:
    assert outcome(encrypted({**event, "ticket": TICKET})) in set(EventKind)
    assert outcome(encrypted(event)) in {*EventKind, "no_ticket"}
    assert outcome(plaintext(event)) in {*EventKind, "no_ticket"}


# ─── The event's id ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_id_is_the_hash_of_the_canonical_event() -> None:
    event = {"ticket": TICKET, "event": "verification.completed", "n": 1.50, "who": "Zoë", "list": [1, None, True]}
    canonical = (
        '{"event":"verification.completed","list":[1,null,true],"n":1.5,'
        '"ticket":"762ebbda-0edb-4e48-86bc-11a280273601","who":"Zoë"}'
    )
    assert opened(encrypted(event)).event_id == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    "again",
    [
        encrypted(iv=bytes(16)),
        encrypted(secret=OTHER),
        encrypted(dict(reversed(COMPLETED.items()))),
        encrypted(json.dumps(COMPLETED, indent=4).encode()),
        encrypted(json.dumps(COMPLETED).replace("0.97", "9.7e-1").encode()),
        encrypted(json.dumps(COMPLETED).replace("ticket", "\\u0074icket").encode()),
        plaintext(),
    ],
)
def test_the_same_event_has_the_same_id_however_it_was_sent(again: Webhook) -> None:
    assert opened(again).event_id == opened(encrypted()).event_id


@pytest.mark.parametrize("change", [{"flow_status": "REJECTED"}, {"confidence_score": 0.98}, {"more": None}])
def test_another_event_has_another_id(change: dict[str, object]) -> None:
    assert opened(encrypted({**COMPLETED, **change})).event_id != opened(encrypted()).event_id


# ─── Nothing leaks ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "webhook",
    [
        encrypted(secret=b"x" * 32),
        plaintext(b'{"full_name": "Jon Doe" \xff'),
        plaintext(b'{"full_name": "Jon Doe" oops'),
        encrypted({**COMPLETED, "ticket": "Jon Doe"}),
        encrypted().model_copy(update={"iv": "Jon Doe"}),
        encrypted().model_copy(update={"body": b"Jon Doe"}),
    ],
)
def test_no_error_holds_what_it_was_given(webhook: Webhook) -> None:
    with pytest.raises(UnreadableWebhook) as caught:
        opened(webhook)
    error: BaseException | None = caught.value
    while error:
        assert "Jon Doe" not in repr(vars(error)) + str(error)
        assert "Jon Doe" not in str(getattr(error, "doc", "")) + str(getattr(error, "object", ""))
        error = error.__context__


def test_the_repr_of_a_webhook_shows_neither_body_nor_iv() -> None:
    shown = repr(Webhook(body=b"Jon Doe", iv="the iv", received_at=RECEIVED_AT))
    assert "Jon Doe" not in shown
    assert "the iv" not in shown
