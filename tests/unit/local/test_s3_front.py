"""The local stack refuses presigned requests as S3 does, and lets the documented clients' requests through."""

from typing import Any

import pytest

from local.front.s3_front import refusal

PRESIGNED = b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature=ab"


def request(query: bytes = PRESIGNED, **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "query_string": query, "headers": named}


def test_a_presigned_url_alone_is_passed_on() -> None:
    """curl, urllib, requests and Node's fetch send no more than this."""
    assert refusal(request(host="127.0.0.1", user_agent="curl/8", accept="*/*")) is None


@pytest.mark.parametrize("header", ["x_amz_date", "X_Amz_Security_Token", "x_amz_content_sha256"])
def test_an_unsigned_amz_header_is_403_as_after_a_redirect_that_requests_or_curl_followed(header: str) -> None:
    refused = refusal(request(PRESIGNED, host="h", **{header: "v"}))

    assert refused is not None
    assert refused[:2] == (403, "AccessDenied")


def test_a_signed_amz_header_is_passed_on() -> None:
    query = PRESIGNED.replace(b"=host", b"=host%3Bx-amz-date")

    assert refusal(request(query, host="h", x_amz_date="v")) is None


def test_two_credentials_are_400_as_after_a_redirect_that_urllib_followed() -> None:
    refused = refusal(request(host="h", authorization="AWS4-HMAC-SHA256 x"))

    assert refused is not None
    assert refused[:2] == (400, "InvalidArgument")
