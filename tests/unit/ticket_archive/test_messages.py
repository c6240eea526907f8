"""The ticket queue's messages: the written forms are read, and no others."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.support.strategies import json_values
from ticket_archive.errors import InvalidRequest, UnreadableWebhook
from ticket_archive.messages import TicketRequest, Webhook, read_message, ticket_message, webhook_message
from ticket_archive.models import ImageType

WEBHOOK = {"body": "aGVsbG8=", "iv": "aXY=", "content_type": "text/plain", "received_at": "2026-01-15T09:30:00.123456Z"}
SCHEMA = Path(__file__).parents[3] / "docs" / "queue-message.schema.json"
KEPT = Webhook(body=b"hello", iv="aXY=", content_type="text/plain", received_at="2026-01-15T09:30:00.123456Z")


def error_for_response(message: object) -> str:
    with pytest.raises(UnreadableWebhook) as caught:
        read_message(message if isinstance(message, str) else json.dumps(message))
    assert caught.value.__context__ is None, "pydantic's error holds the message"
    return caught.value.detail


def documented(text: str) -> bool:
    """Whether a message is one by the schema that senders are given."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return bool(Draft202012Validator(schema).is_valid(json.loads(text)))


# Messages stay in queues across deployments: these exact texts must be read for as long as version 1 is.
@pytest.mark.parametrize(
    ("text", "read"),
    [
        (
            '{"v":1,"webhook":{"body":"aGVsbG8=","iv":"aXY=","content_type":"text/plain",'
            '"received_at":"2026-01-15T09:30:00.123456Z"}}',
            KEPT,
        ),
        (
            '{"v":1,"webhook":{"body":"e30=","iv":null,"content_type":"application/json","received_at":"2026-01-15T09:30:00Z"}}',
            Webhook(body=b"{}", iv=None, content_type="application/json", received_at="2026-01-15T09:30:00Z"),
        ),
        (
            '{"v":1,"webhook":{"body":"aGVsbG8","iv":null,"content_type":null,"received_at":"2026-01-15T09:30:00Z"}}',
            Webhook(body=b"hello", received_at="2026-01-15T09:30:00Z"),
        ),
        (
            '{"v":1,"webhook":{"body":"_-8=","received_at":"2026-01-15T09:30:00Z"}}',
            Webhook(body=b"\xff\xef", received_at="2026-01-15T09:30:00Z"),
        ),
        ('{"ticket":"T-1"}', TicketRequest(ticket="T-1")),
        (
            '{"v":1,"ticket":"T-1","kind":"backfill","force":true}',
            TicketRequest(ticket="T-1", kind="backfill", force=True),
        ),
        ('{"ticket":"T-1","kind":null,"force":false}', TicketRequest(ticket="T-1")),
    ],
)
def test_golden_messages_are_read(text: str, read: object) -> None:
    assert read_message(text) == read
    assert documented(text)


def test_documented_image_types_are_the_archives_own() -> None:
    settle = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]["ticket_request"]["properties"]["settle"]
    assert settle["items"]["enum"] == [each.value for each in ImageType]


def test_unknown_keys_are_ignored() -> None:
    assert read_message(json.dumps({"v": 1, "webhook": {**WEBHOOK, "more": 1}, "trace": "x"})) == KEPT
    assert read_message('{"ticket": "T-1", "trace": "x"}') == TicketRequest(ticket="T-1")


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.0, [1]])
@pytest.mark.parametrize("message", [{"webhook": WEBHOOK}, {"ticket": "T-1"}])
def test_another_version_has_its_own_reason(message: dict[str, Any], version: object) -> None:
    assert error_for_response({**message, "v": version}) == "message_version"


ENVELOPE = {"version": "0", "detail-type": "Ticket wanted", "source": "onboarding", "detail": {"ticket": "T-1"}}


@pytest.mark.parametrize("text", ["", "T-1", "{", "[]", "null", "[" * 100_000], ids=lambda text: text[:9])
def test_what_is_no_json_object_is_malformed(text: str) -> None:
    assert error_for_response(text) == "message_malformed"


@pytest.mark.parametrize(
    "message",
    [
        {}, {"v": 1}, {"webhook": WEBHOOK}, {"v": 1, "webhook": None}, {"v": 1, "webhook": "aGVsbG8="},
        {"v": 1, "webhook": WEBHOOK, "ticket": "T-1"}, {"v": 1, "webhook": None, "ticket": "T-1"}, ENVELOPE,
        {"ticket": None}, *({"ticket": "T-1", "kind": kind} for kind in ("Back fill", "", "a" * 33, 1)),
        *({"ticket": "T-1", "force": force} for force in (1, "true", None)),
        {"v": 1, "webhook": {"received_at": WEBHOOK["received_at"]}}, {"v": 1, "webhook": {"body": WEBHOOK["body"]}},
    ],
    ids=str,
)  # fmt: skip
def test_any_other_form_is_malformed_by_the_schema_too(message: dict[str, Any]) -> None:
    assert error_for_response(message) == "message_malformed"
    assert not documented(json.dumps(message))


SPOILED: dict[str, list[object]] = {
    "body": [None, "aGVsbG9", "aGVs bG8=", "!!!!", "é", "\ud800"],
    "iv": [17],
    "content_type": [17],
    "received_at": [
        *(None, "", "2026-01-15", "2026-01-15T09:30:00+00:00", "2026-01-15T09:30:00.Z", "2026-01-15 09:30:00Z"),
        *("2026-13-15T09:30:00Z", "2026-01-15T09:30:00Z\n", "٢٠٢٦-01-15T09:30:00Z"),
    ],
}


@pytest.mark.parametrize(("part", "value"), [(part, value) for part, values in SPOILED.items() for value in values])
def test_a_webhook_with_a_malformed_part_is_malformed(part: str, value: object) -> None:
    assert error_for_response({"v": 1, "webhook": {**WEBHOOK, part: value}}) == "message_malformed"


def test_a_kind_is_one_line() -> None:
    assert error_for_response({"ticket": "T-1", "kind": "a\n"}) == "message_malformed"


@pytest.mark.parametrize("ticket", [17, "", "../..", "a b", "T-1\n", "a" * 129])
def test_a_malformed_ticket_id_is_rejected(ticket: object) -> None:
    assert error_for_response({"ticket": ticket}) == "ticket_malformed"


@given(
    body=st.binary(max_size=500),
    iv=st.none() | st.text(),
    content_type=st.text(),
    received_at=st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)),
)
def test_every_webhook_is_read_as_written(body: bytes, iv: str | None, content_type: str, received_at: str) -> None:
    webhook = Webhook(body=body, iv=iv, content_type=content_type, received_at=received_at)
    text = webhook_message(webhook)
    assert read_message(text) == webhook
    assert documented(text)
    assert text.isascii()
    assert min(text) >= " ", "SQS refuses control characters"


@given(
    ticket=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", fullmatch=True),
    kind=st.none() | st.from_regex(r"[a-z_]{1,32}", fullmatch=True),
    force=st.booleans(),
    settle=st.lists(st.sampled_from(ImageType)).map(tuple),
)
def test_every_request_is_read_as_written(ticket: str, **given: Any) -> None:
    text = ticket_message(ticket, **given)
    assert read_message(text) == TicketRequest(ticket=ticket, **given)
    assert documented(text)


def test_no_repr_shows_a_request() -> None:
    assert "hello" not in repr(KEPT)
    assert "aXY=" not in repr(KEPT)


@pytest.mark.parametrize(("ticket", "kind"), [("../..", None), ("T-1", "Back fill"), ("T-1", ""), ("T-1", "a\n")])
def test_no_malformed_request_is_written(ticket: str, kind: str | None) -> None:
    with pytest.raises(InvalidRequest):
        ticket_message(ticket, kind=kind)


JSON_VALUES = json_values()
MEMBERS = {"v": st.just(1) | JSON_VALUES, **dict.fromkeys(("ticket", "kind", "force"), JSON_VALUES)}
WEBHOOKS = st.fixed_dictionaries({}, optional={key: st.just(value) | JSON_VALUES for key, value in WEBHOOK.items()})


@given(
    st.text()
    | JSON_VALUES.map(json.dumps)
    | st.fixed_dictionaries({}, optional=MEMBERS | {"webhook": WEBHOOKS}).map(json.dumps)
)
def test_any_text_is_read_or_rejected(text: str) -> None:
    with suppress(UnreadableWebhook):
        assert isinstance(read_message(text), Webhook | TicketRequest)
        assert documented(text)
