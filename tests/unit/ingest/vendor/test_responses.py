"""The error that each response means, and the seconds that Retry-After asks for."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.vendor.http import Response
from ingest.vendor.responses import MAX_RETRY_AFTER, Call, error_for_response, retry_after
from ticket_archive.errors import (
    InvalidVendorResponse,
    RetryableError,
    TicketInProgress,
    TicketNotFound,
    VendorAuthError,
    VendorThrottled,
    VendorUnavailable,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOT_FOUND = b'{"status": 400, "code": "TCKTNTFND", "message": "Ticket not found"}'


def answer(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Response:
    return Response(status, headers or {}, body, "application/json")


MEANINGS: dict[type[RetryableError] | None, list[int]] = {
    None: [200, 201, 204],
    InvalidVendorResponse: [202, 206, 299, 300, 301, 304, 400, 402, 405, 410, 422],
    VendorAuthError: [401, 403],
    TicketNotFound: [404],
    VendorThrottled: [429],
    VendorUnavailable: [408, 425, 500, 502, 503, 504, 599, 999],
}


@pytest.mark.parametrize(
    ("status", "meaning"), [(status, meaning) for meaning, statuses in MEANINGS.items() for status in statuses]
)
@pytest.mark.parametrize(("value", "pause"), [(None, None), ("7", 7.0), ("soon", None)])
def test_status_gives_its_error_and_retry_after(
    status: int, meaning: type[RetryableError] | None, value: str | None, pause: float | None
) -> None:
    error = error_for_response(Call.DETAILS, answer(status, {"Retry-After": value} if value else None), NOW)
    if meaning is None:
        assert error is None
        return
    assert type(error) is meaning
    assert error.detail == str(status)
    waits = meaning in (VendorThrottled, VendorUnavailable)
    assert error.retry_after == (pause if waits else None)


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 500, 503])
def test_4xx_with_the_not_found_code_is_ticket_not_found_and_5xx_is_not(status: int) -> None:
    error = error_for_response(Call.DETAILS, answer(status, body=NOT_FOUND), NOW)
    assert type(error) is (TicketNotFound if status < 500 else VendorUnavailable)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"TCKTNTFND", b"[]", b'"TCKTNTFND"', b"\xff\xfe", b"[" * 10_000, b"9" * 5000),
        b'{"code": ["TCKTNTFND"]}',
        b'{"message": "TCKTNTFND"}',
        b'{"code": "BDRQST", "message": "TCKTNTFND"}',
        b" " * 10_000 + NOT_FOUND,
        b'{"status": 400.5, "code": "TCKTNTFND"}',
    ],
)
def test_400_with_any_other_body_is_invalid_response(body: bytes) -> None:
    assert type(error_for_response(Call.DETAILS, answer(400, body=body), NOW)) is InvalidVendorResponse


@given(st.integers(100, 999), st.binary())
def test_error_never_contains_response_content(status: int, body: bytes) -> None:
    error = error_for_response(Call.DETAILS, answer(status, {"Retry-After": "canary"}, b"canary" + body), NOW)
    assert (error is None) is (status in (200, 201, 203, 204))  # the body is no JSON
    assert "canary" not in repr(error)


RETRY_AFTER: dict[float | None, list[str | None]] = {
    None: [
        *(None, "", "0", "-5", "+5", "5.5", "1e3", "0x10", "\u0665", "soon", "5, 6"),
        "Fri, 02 Jan 2026 03:04:05 GMT",
        "Thu, 01 Jan 2026 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 02 Jan 99999999999999999999 03:05:05 GMT",
        "Fri, 02 Jan 2026 03:05:05 +99999999999999999999",
        "Fri, 99 Jan 2026 03:05:05 GMT",
    ],
    1.0: ["1"],
    30.0: [" 30 "],
    45.0: [format_datetime(NOW + timedelta(seconds=45), usegmt=True)],
    60.0: [
        "Fri, 02 Jan 2026 03:05:05 +0000",
        "Fri, 02 Jan 2026 04:05:05 +0100",
        "Fri, 02 Jan 2026 03:05:05 -0000",
        "Friday, 02-Jan-26 03:05:05 GMT",
        "Fri Jan  2 03:05:05 2026",
    ],
    900.0: ["900", "901", "86400", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359"],
}


@pytest.mark.parametrize("seconds", RETRY_AFTER)
def test_retry_after_reads_seconds_or_a_date(seconds: float | None) -> None:
    values = RETRY_AFTER[seconds]
    assert {value: retry_after(value, NOW) for value in values} == dict.fromkeys(values, seconds)


dates = st.datetimes(timezones=st.just(UTC)).map(lambda moment: format_datetime(moment, usegmt=True))
date_like = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Xxx", ""]),
    st.integers(-1, 40),
    st.sampled_from(["Jan", "Feb", "Foo"]),
    st.integers(-1, 10**10),
    st.integers(-1, 30),
    st.integers(-1, 70),
    st.integers(-1, 70),
    st.one_of(st.sampled_from(["GMT", "UT", "EST", "Z", ""]), st.integers(-(10**8), 10**8).map("{:+05d}".format)),
)


@given(st.one_of(st.text(), st.integers().map(str), dates, date_like), st.datetimes(timezones=st.just(UTC)))
@example("Mon, 1 Jan 1 00:00:00 +2359", datetime.max.replace(tzinfo=UTC))
def test_retry_after_is_none_or_at_most_the_maximum(value: str, now: datetime) -> None:
    pause = retry_after(value, now)
    assert pause is None or 0 < pause <= MAX_RETRY_AFTER


TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
NOT_FOUND_200 = {"status": 200, "code": "TCKTNTFND", "message": ["Ticket not found"], "ticket": TICKET}


def error_in_200(call: Call, body: dict[str, Any]) -> tuple[type[RetryableError], str] | None:
    error = error_for_response(call, answer(200, body=json.dumps(body).encode()), NOW)
    return (type(error), error.detail) if error else None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (NOT_FOUND_200, (TicketNotFound, "404")),
        (NOT_FOUND_200 | {"token": None, "expiracy": None, "user": None, "success": False}, (TicketNotFound, "404")),
        (NOT_FOUND_200 | {"data": {}, "images": []}, (TicketNotFound, "404")),
        ({"status": "TCKTNTFND", "ticket": TICKET}, (TicketNotFound, "404")),
        ({"code": "tcktntfnd "}, (TicketNotFound, "404")),
        ({"status": 404, "code": "NTFND", "message": "no"}, (TicketNotFound, "404")),
        ({"status": 500, "code": "INTRNL", "message": "no"}, (VendorUnavailable, "500")),
        ({"status": 200, "code": 503, "message": "no"}, (VendorUnavailable, "503")),
        ({"status": 429, "code": "THRTTL"}, (VendorThrottled, "429")),
        ({"status": 401, "code": "UNTHRZD"}, (VendorAuthError, "401")),
        ({"status": 403, "code": "FRBDN"}, (VendorAuthError, "403")),
        (
            {"status": 404, "title": "Not Found", "detail": f"Transaction {TICKET} does not exist"},
            (TicketNotFound, "404"),
        ),
        ({"status": "500", "error": "Internal Server Error", "path": f"/{TICKET}"}, (VendorUnavailable, "500")),
        ({"code": 400, "message": "no", "data": None}, (InvalidVendorResponse, "400")),
        ({"data": {"code": "TCKTNTFND", "ticket": TICKET}}, (TicketNotFound, "404")),
        ({"error": {"code": "TCKTNTFND", "message": "no"}, "ticket": TICKET}, (TicketNotFound, "404")),
        ({"errors": [{"code": "TCKTNTFND"}], "data": None, "ticket": TICKET}, (TicketNotFound, "404")),
        ({"statusCode": 404, "body": json.dumps({"message": "no", "ticket": TICKET})}, (TicketNotFound, "404")),
        ({"statusCode": 500, "message": "no", "ticket": TICKET}, (VendorUnavailable, "500")),
    ],
)
@pytest.mark.parametrize("call", [Call.DETAILS, Call.IMAGES])
def test_200_with_an_error_envelope_is_that_error(
    call: Call, body: dict[str, Any], error: tuple[type[RetryableError], str]
) -> None:
    assert error_in_200(call, body) == error
    with_mark = error_for_response(call, answer(200, body=b"\xef\xbb\xbf" + json.dumps(body).encode()), NOW)
    assert type(with_mark) is error[0]
    in_a_list = error_for_response(call, answer(200, body=json.dumps([body]).encode()), NOW)
    assert type(in_a_list) is error[0]


@pytest.mark.parametrize("more", [{"meta": {"trace": "1-67"}}, {"errors": [{"ticket": TICKET}]}, {"user": {"id": 1}}])
def test_not_found_code_in_a_200_counts_unless_there_are_facts_of_a_ticket(more: dict[str, Any]) -> None:
    assert error_in_200(Call.DETAILS, {**NOT_FOUND_200, **more}) == (TicketNotFound, "404")
    assert error_in_200(Call.DETAILS, {**NOT_FOUND_200, **more, "user": {"fullname": "Jon Doe"}}) is None


@pytest.mark.parametrize(
    ("body", "of_details"),
    [
        ({"status": 400, "code": "BDRQST", "message": "no", "ticket": TICKET}, (InvalidVendorResponse, "400")),
        ({"status": 200, "code": "CANCELLED_BY_USER", "ticket": TICKET}, (InvalidVendorResponse, "400")),
        ({"status": 200, "code": "PROCESSING", "ticket": TICKET}, (TicketInProgress, "")),
        ({"success": False, "message": "no", "ticket": TICKET}, (InvalidVendorResponse, "400")),
        ({"error": "timeout", "ticket": TICKET}, (InvalidVendorResponse, "400")),
        ({"error": {"message": "timeout"}, "ticket": TICKET}, (InvalidVendorResponse, "400")),
        ({"result": {"error": "timeout", "ticket": TICKET}}, (InvalidVendorResponse, "400")),
        ({"code": "BDRQST", "errors": [{"field": "x"}] * 2, "ticket": TICKET}, (InvalidVendorResponse, "400")),
        ({"status": "error", "message": "timeout", "ticket": TICKET}, (InvalidVendorResponse, "400")),
    ],
)
def test_permanent_error_in_a_200_is_an_error_of_details_only(
    body: dict[str, Any], of_details: tuple[type[RetryableError], str]
) -> None:
    assert error_in_200(Call.DETAILS, body) == of_details
    assert error_in_200(Call.IMAGES, body) is None


@pytest.mark.parametrize("code", ["IMGNTFND", "FACE_NOT_FOUND", "imageNotFound"])
@pytest.mark.parametrize("status", [200, 400, 404, 422])
def test_an_image_type_may_be_not_found_by_a_code_of_its_own(code: str, status: int) -> None:
    body = json.dumps({"status": status, "code": code, "message": "no"}).encode()
    error = error_for_response(Call.IMAGES, answer(status, body=body), NOW)
    assert type(error) is TicketNotFound
    of_details = error_for_response(Call.DETAILS, answer(status, body=body), NOW)
    assert type(of_details) is (TicketNotFound if status == 404 else InvalidVendorResponse)
    assert type(error_for_response(Call.IMAGES, answer(500, body=body), NOW)) is VendorUnavailable


@pytest.mark.parametrize("code", ["INTRNL", "TCKTNTFND", "IMGNTFND", 503])
@pytest.mark.parametrize("file", ["data:image/png;base64,iVBORw0KGgo=", "https://images.example.com/1.jpg"])
def test_a_file_beside_an_error_s_code_is_the_answer_for_an_image_type(code: object, file: str) -> None:
    body = {"status": 500, "code": code, "message": "no"}
    assert error_in_200(Call.IMAGES, {**body, "image": file}) is None
    assert error_in_200(Call.IMAGES, {**body, "image": "none"}) is not None


@pytest.mark.parametrize(
    ("call", "status", "body", "kept"),
    [
        (Call.DETAILS, 200, {"status": 500, "code": "INTRNL"}, True),
        (Call.IMAGES, 200, {"status": 500, "code": "INTRNL"}, True),
        (Call.DETAILS, 200, {"status": 200, "code": "CANCELLED_BY_USER"}, True),
        (Call.DETAILS, 200, {"status": 401, "code": "UNTHRZD"}, False),
        (Call.DETAILS, 200, {"status": 429, "code": "THRTTL"}, False),
        (Call.IMAGES, 403, {"message": "Forbidden"}, True),
        (Call.IMAGES, 200, {"status": 403, "code": "FRBDN"}, True),
        (Call.IMAGES, 401, {"message": "Unauthorized"}, False),
        (Call.DETAILS, 403, {"message": "Forbidden"}, False),
        (Call.TOKEN, 403, {"message": "Forbidden"}, False),
        (Call.DETAILS, 200, NOT_FOUND_200, False),
        (Call.DETAILS, 200, {"code": "PROCESSING"}, False),
        (Call.TOKEN, 200, {"status": 500, "code": "INTRNL"}, False),
        (Call.DETAILS, 500, {"status": 500, "code": "INTRNL"}, False),
        (Call.DETAILS, 400, {"status": 400, "code": "BDRQST"}, True),
        (Call.IMAGES, 422, {"message": "no"}, True),
        (Call.IMAGES, 202, {"message": "wait"}, True),
        (Call.TOKEN, 400, {"status": 400, "code": "BDRQST"}, False),
    ],
)
def test_only_a_permanent_error_has_the_response_body(
    call: Call, status: int, body: dict[str, Any], kept: bool
) -> None:
    content = json.dumps(body).encode()
    error = error_for_response(call, answer(status, body=content), NOW)
    assert error is not None
    assert error.body == (content if kept else None)


@pytest.mark.parametrize(
    "body",
    [
        {"status": 200, "code": "SUCCESS", "message": "OK", "data": {"ticket": TICKET, "flow_status": "ACCEPTED"}},
        {"status": 200, "code": "SUCCESS", "ticket": TICKET},
        {"status": 200, "code": 0, "ticket": TICKET},
        {"status": 200, "code": "200", "ticket": TICKET},
        {"status": 200, "code": None, "ticket": TICKET},
        {"status": "VERIFIED", "code": "A1", "ticket": TICKET},
        {"ticket": TICKET, "code": "A1", "flow_status": "ACCEPTED"},
        {"ticket": TICKET, "code": "A1", "fullname": "Jon Doe"},
        {"ticket": TICKET, "code": "A1", "documents": [{"number": 1}]},
        {"ticket": TICKET, "code": "A1", "user": {"fullname": "Jon Doe"}},
        {"ticket": TICKET, "code": ["A1"]},
        {"ticket": TICKET, "success": True, "error": None, "errors": []},
        {"ticket": TICKET, "error": "face not clear", "fullname": "Jon Doe"},
        {"ticket": TICKET, "error": {"code": "A1"}, "fullname": "Jon Doe"},
        {"status": 200, "code": "SUCCESS", "data": {"ticket": TICKET, "code": "A1"}},
        {"data": {"ticket": TICKET, "code": "A1", "documents": [{"number": 1}]}},
        NOT_FOUND_200 | {"flow_status": "ACCEPTED"},
        {},
    ],
)
def test_details_with_a_code_and_facts_of_a_ticket_are_details(body: dict[str, Any]) -> None:
    assert error_in_200(Call.DETAILS, body) is None
    assert error_for_response(Call.DETAILS, answer(200, body=json.dumps([body]).encode()), NOW) is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"status": 200, "code": "UNTHRZD", "token": "t"}, None),
        ({"status": 200, "code": "X", "access_token": "t"}, None),
        ({"status": 200, "code": "X", "data": {"token": "t"}}, None),
        ({"status": 200, "code": "X", "data": {"access_token": "t"}}, None),
        ({"status": 200, "code": "X", "data": {"trace": "1-67"}}, (InvalidVendorResponse, "400")),
        ({"status": 200, "code": "X", "token": {"value": "t"}}, None),
        ({"status": 200, "code": "X", "token": {"trace": "t"}}, (InvalidVendorResponse, "400")),
        ({"status": 200, "code": "X", "token": ""}, (InvalidVendorResponse, "400")),
        (NOT_FOUND_200, (InvalidVendorResponse, "404")),
    ],
)
def test_token_beside_a_code_is_a_token(body: dict[str, Any], error: tuple[type[RetryableError], str] | None) -> None:
    assert error_in_200(Call.TOKEN, body) == error


@pytest.mark.parametrize("status", [401, 403, 404])
def test_error_of_a_link_is_an_invalid_response(status: int) -> None:
    error = error_for_response(Call.LINK, answer(status, body=NOT_FOUND), NOW)
    assert (type(error), error and error.detail) == (InvalidVendorResponse, str(status))
    assert error_in_200(Call.LINK, NOT_FOUND_200) is None
