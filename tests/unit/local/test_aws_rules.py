"""The front passes on what S3 allows; tests/e2e/test_clients.py has requests that it refuses."""

from local.front.aws_rules import refusal


def test_a_presigned_request_with_signed_amz_headers_is_passed_on() -> None:
    query = b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host%3Bx-amz-date&X-Amz-Signature=ab"
    headers = [(b"host", b"h"), (b"x-amz-date", b"v")]
    assert refusal({"type": "http", "query_string": query, "headers": headers}) is None
