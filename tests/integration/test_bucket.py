"""The bucket on S3's own terms: created once, compared by hash, closed to plain HTTP and to the unsigned."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import pytest
import requests
from botocore.exceptions import ClientError

from tests.support.stack import LocalStack
from ticket_archive.bucket import Bucket
from ticket_archive.errors import WriteConflict

pytestmark = pytest.mark.stack


@pytest.fixture
def bucket(stack: LocalStack) -> Bucket:
    return Bucket(stack.s3, stack.at.bucket)


def key() -> str:
    return f"tickets/{uuid4()}/images/DOCUMENT/aa.jpg"


def test_the_first_writer_creates_and_the_second_changes_nothing(stack: LocalStack, bucket: Bucket) -> None:
    at = key()
    assert bucket.create(at, b"first", "image/jpeg") is True
    assert bucket.create(at, b"second", "image/png") is False
    assert bucket.read(at) == b"first"
    versions = stack.s3.list_object_versions(Bucket=stack.at.bucket, Prefix=at)["Versions"]
    assert len(versions) == 1


def test_of_many_writers_at_once_one_creates(bucket: Bucket) -> None:
    at, together = key(), threading.Barrier(8)

    def write(_: int) -> bool:
        together.wait()
        with suppress(WriteConflict):
            return bucket.create(at, b"same", "image/jpeg")
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1


def test_an_object_carries_the_type_of_its_bytes(stack: LocalStack, bucket: Bucket) -> None:
    at = key()
    bucket.create(at, b"image", "image/webp")
    assert stack.s3.head_object(Bucket=stack.at.bucket, Key=at)["ContentType"] == "image/webp"


def test_an_unsigned_request_reads_nothing(stack: LocalStack, bucket: Bucket) -> None:
    at = key()
    bucket.create(at, b"image", "image/jpeg")
    url = f"{stack.at.endpoint_url}/{stack.at.bucket}/{at}"
    assert requests.get(url, verify=stack.at.ca_bundle, timeout=10).status_code == 403


def test_what_is_not_there_is_an_error_of_its_own(bucket: Bucket) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        bucket.read(key())


def test_nothing_is_stored_under_a_key_that_is_not_ours(stack: LocalStack) -> None:
    """S3's own key; of another key of KMS the emulator does not tell the policy."""
    with pytest.raises(ClientError, match="AccessDenied"):
        stack.s3.put_object(Bucket=stack.at.bucket, Key=key(), Body=b"x", ServerSideEncryption="AES256")
