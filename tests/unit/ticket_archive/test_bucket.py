"""Objects are created once, and S3 checks what arrives."""

import base64
import hashlib
import io

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from tests.support.stubbing import client, stubbed
from ticket_archive.bucket import Bucket
from ticket_archive.errors import WriteConflict

KEY, BODY = "tickets/T-1/images/DOCUMENT/ab.jpg", b"picture"
SHA256 = hashlib.sha256(BODY).digest()
PUT = {"Bucket": "archive", "Key": KEY, "Body": BODY, "ContentType": "image/jpeg"}
PUT["ChecksumSHA256"] = base64.b64encode(SHA256).decode()
s3 = stubbed("s3")


@pytest.fixture
def bucket(s3: Stubber) -> Bucket:
    return Bucket(client("s3"), "archive")


@pytest.mark.parametrize(("known", "sent"), [(None, PUT["ChecksumSHA256"]), (b"known", "a25vd24=")])
def test_an_object_is_created_with_its_checksum_and_only_where_there_is_none(
    known: bytes | None, sent: str, s3: Stubber, bucket: Bucket
) -> None:
    s3.add_response("put_object", {}, {**PUT, "ChecksumSHA256": sent, "IfNoneMatch": "*"})
    assert bucket.create(KEY, BODY, "image/jpeg", known) is True


@pytest.mark.parametrize("code", ["PreconditionFailed", "412"])
def test_an_existing_object_stays_and_costs_one_request(code: str, s3: Stubber) -> None:
    requests: list[str] = []
    s3.add_client_error("put_object", code, http_status_code=412)
    assert Bucket(client("s3"), "archive", lambda: requests.append("PUT")).create(KEY, BODY, "image/jpeg") is False
    assert requests == ["PUT"]


@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "409"])
def test_a_concurrent_write_is_a_write_conflict(code: str, s3: Stubber, bucket: Bucket) -> None:
    s3.add_client_error("put_object", code, http_status_code=409)
    with pytest.raises(WriteConflict, match="object"):
        bucket.create(KEY, BODY, "image/jpeg")


@pytest.mark.parametrize(
    "code", ["AccessDenied", "SlowDown", "InternalError", "BadDigest", "NoSuchBucket", "OperationAborted"]
)
def test_every_other_error_is_raised_unchanged(code: str, s3: Stubber, bucket: Bucket) -> None:
    s3.add_client_error("put_object", code)
    with pytest.raises(ClientError) as refusal:
        bucket.create(KEY, BODY, "image/jpeg")
    assert refusal.value.response["Error"].get("Code") == code


def test_an_object_is_read_whole(s3: Stubber, bucket: Bucket) -> None:
    body = StreamingBody(io.BytesIO(b"details"), 7)
    s3.add_response("get_object", {"Body": body}, {"Bucket": "archive", "Key": KEY})
    assert bucket.read(KEY) == b"details"


def test_an_expiring_object_has_the_tag_of_the_buckets_lifecycle_rule(s3: Stubber, bucket: Bucket) -> None:
    """`store` replaces the object: a condition would keep the old one and its age."""
    s3.add_response("put_object", {}, {**PUT, "Tagging": "retention=limited", "IfNoneMatch": "*"})
    assert bucket.create(KEY, BODY, "image/jpeg", expiring=True) is True
    s3.add_response("put_object", {}, {**PUT, "Tagging": "retention=limited"})
    bucket.store(KEY, BODY, "image/jpeg", expiring=True)


def test_an_object_that_does_not_expire_is_created_once(s3: Stubber, bucket: Bucket) -> None:
    s3.add_response("put_object", {}, {**PUT, "IfNoneMatch": "*"})
    bucket.store(KEY, BODY, "image/jpeg", expiring=False)
