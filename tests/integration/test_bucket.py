"""The bucket on S3: objects are created once, and with the stack's key."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import pytest
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


def test_second_create_changes_nothing(stack: LocalStack, bucket: Bucket) -> None:
    at = key()
    assert bucket.create(at, b"first", "image/jpeg") is True
    assert bucket.create(at, b"second", "image/png") is False
    assert bucket.read(at) == b"first"
    versions = stack.s3.list_object_versions(Bucket=stack.at.bucket, Prefix=at)["Versions"]
    assert len(versions) == 1


def test_concurrent_creates_store_one_object(bucket: Bucket) -> None:
    at, together = key(), threading.Barrier(8)

    def write(_: int) -> bool:
        together.wait()
        with suppress(WriteConflict):
            return bucket.create(at, b"same", "image/jpeg")
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1


def test_object_encrypted_with_another_key_is_denied(stack: LocalStack) -> None:
    """With S3's own key; the emulator does not pass another KMS key to the bucket policy."""
    with pytest.raises(ClientError, match="AccessDenied"):
        stack.s3.put_object(Bucket=stack.at.bucket, Key=key(), Body=b"x", ServerSideEncryption="AES256")
