"""The local stack refuses presigned requests as S3 does, and lets the documented clients' requests through."""

from typing import Any

from local.front.aws_rules import refusal

PRESIGNED = b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature=ab"


def request(query: bytes = PRESIGNED, **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "query_string": query, "headers": named}


def test_a_signed_amz_header_is_passed_on() -> None:
    query = PRESIGNED.replace(b"=host", b"=host%3Bx-amz-date")

    assert refusal(request(query, host="h", x_amz_date="v")) is None
