"""API Gateway's event: path encoding, trailing slashes, events of other kinds, CORS."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval import app
from retrieval.gateway import route_path
from tests.unit.ingest.test_app import OTHERS
from tests.unit.retrieval.conftest import CONTEXT, Call
from tests.unit.retrieval.fakes import CUSTOMER, TICKET, World, path_of, request, sha256_of
from ticket_archive.event_source import UnsupportedEvent
from ticket_archive.models import ImageType

TICKETS = "/customers/{customer}/tickets"
ODD = ["a b", "a/b", "a%b", "ä", "客户", "😀", 'a"b', "a+b", "a?b#c", "a\\b", "{customer}", "..", "a;b=c,d", "e\u0301"]


def as_decoded(event: dict[str, Any], **values: str) -> dict[str, Any]:
    """Return the event as SAM local and MiniStack pass it on."""
    path = event["resource"]
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return {**event, "path": path, "pathParameters": values}


@pytest.mark.parametrize("code", ODD)
def test_a_customer_code_arrives_encoded_or_decoded(call: Call, handle: Any, world: World, code: str) -> None:
    assert call(TICKETS, {"customer": code}).json["customer"] == code
    assert handle(as_decoded(request(TICKETS, {"customer": "x"}), customer=code)).status == 200
    assert world.tickets.asked == (code, 20, None)


@given(st.text())
def test_a_route_has_only_characters_of_paths(value: str) -> None:
    event = {**as_decoded(request(TICKETS, {"customer": "x"}), customer=value), "path": "/customers/x/tickets"}
    assert re.fullmatch(r"/customers/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*/tickets", route_path(event))


def test_a_path_that_is_not_utf8_is_400(handle: Any) -> None:
    event = request(TICKETS, {"customer": "x"})
    answer = handle({**event, "path": "/customers/%FF/tickets", "pathParameters": {"customer": "%FF"}})
    assert (answer.status, answer.json["detail"]) == (400, "customer: Value should be percent-encoded UTF-8")


def test_a_custom_domains_base_path_is_ignored(handle: Any) -> None:
    event = request("/tickets/{ticket}", {"ticket": TICKET})
    assert handle({**event, "path": f"/archive{event['path']}"}).status == 200


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("/tickets/{ticket}", f"/tickets/{TICKET}/"),
        ("/tickets/{ticket}", f"/tickets//{TICKET}"),
        ("/tickets/{ticket}/details", f"/tickets/{TICKET}/details/"),
        ("/tickets/{ticket}/details", f"/tickets/{TICKET}//details"),
        ("/tickets/{ticket}/details", f"//tickets/{TICKET}/details"),
        ("/tickets/{ticket}/images", f"/tickets/{TICKET}/images/"),
        ("/tickets/{ticket}/images/{sha256}", f"/tickets/{TICKET}/images//{sha256_of(ImageType.DOCUMENT)}"),
        (TICKETS, f"/customers/{CUSTOMER}/tickets//"),
        ("/tickets/{ticket}/details", f"/tickets/{TICKET}/%64etails"),
        ("/tickets/{ticket}/details", f"/tickets/{TICKET}%2Fdetails"),
        ("/tickets/{ticket}/details", f"/archive/tickets/{TICKET}/detail%73"),
        ("/tickets/{ticket}/images", f"/tickets/{TICKET}/image%73"),
        ("/tickets/{ticket}/images/{sha256}", f"/tickets/{TICKET}/%69mages/{sha256_of(ImageType.DOCUMENT)}"),
        ("/tickets/{ticket}/images/{sha256}", f"/tickets/{TICKET}%2Fimages%2F{sha256_of(ImageType.DOCUMENT)}"),
        ("/tickets/{ticket}", f"/%74ickets/{TICKET}"),
        (TICKETS, f"/customers/{CUSTOMER}/ticket%73"),
    ],
)
def test_a_resource_with_an_empty_segment_or_encoded_words_is_404_although_api_gateway_finds_the_route(
    handle: Any, world: World, resource: str, path: str
) -> None:
    """IAM compares the path as sent: a policy that denies /tickets/*/details lets /tickets/T/details/ through, and
    /tickets/T/%64etails.
    """
    answer = handle({**request(resource, path_of(resource)), "path": path})
    assert (answer.status, answer.json["code"]) == (404, "unknown_route")
    assert world.tickets.reads == 0


@pytest.mark.parametrize("resource", ["/tickets/{ticket}", "/tickets/{ticket}/details", TICKETS])
def test_a_test_of_a_method_reads_no_ticket(handle: Any, world: World, resource: str) -> None:
    """TestInvokeMethod needs `apigateway:POST` and not `execute-api:Invoke`; SAM allows every stage to invoke."""
    event = request(resource, path_of(resource))
    event["requestContext"]["stage"] = "test-invoke-stage"
    answer = handle(event)
    assert (answer.status, answer.json["code"]) == (404, "unknown_route")
    assert world.tickets.reads == 0


def test_a_ticket_id_that_is_percent_encoded_is_400(handle: Any, world: World) -> None:
    """Otherwise a policy that denies /tickets/T lets /tickets/%54 through."""
    event, encoded = request("/tickets/{ticket}", {"ticket": TICKET}), f"%{ord(TICKET[0]):X}{TICKET[1:]}"
    answer = handle({**event, "path": f"/tickets/{encoded}", "pathParameters": {"ticket": encoded}})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert world.tickets.reads == 0


QUEUED = {"Records": [{"eventSource": "aws:sqs"}]}
REST: dict[str, Any] = request("/tickets/{ticket}", {"ticket": TICKET})
OTHER_EVENTS = [*((event, source) for event, source in OTHERS.values() if "REST API" not in source), (QUEUED, "SQS")]


@pytest.mark.parametrize(("event", "source"), OTHER_EVENTS)
def test_an_event_of_another_kind_is_one_error_that_names_it_and_what_is_taken(event: Any, source: str) -> None:
    with pytest.raises(UnsupportedEvent, match=f"{source}.* It takes GET requests of a REST API"):
        app.lambda_handler(event, CONTEXT)


@pytest.mark.parametrize(
    ("allowed", "origin", "sent"),
    [
        ("", "https://review.example", None),
        ("https://review.example", "https://review.example", "https://review.example"),
        ("https://a.example,https://review.example", "https://review.example", "https://review.example"),
        ("https://a.example", "https://review.example", None),
    ],
)
def test_cors_headers_are_sent_to_allowed_origins_only(
    handle: Any, monkeypatch: pytest.MonkeyPatch, allowed: str, origin: str, sent: str | None
) -> None:
    configured = app.cors(allowed)
    monkeypatch.setattr(app.app, "_cors", configured)
    for route in app.app._dynamic_routes:
        monkeypatch.setattr(route, "cors", configured is not None)
    answer = handle({**REST, "multiValueHeaders": {"Origin": [origin]}})
    assert answer.headers.get("Access-Control-Allow-Origin") == sent
