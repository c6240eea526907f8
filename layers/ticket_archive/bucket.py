"""The bucket: objects that are created once under names that say what is in them, and read back by those names."""

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from ticket_archive.errors import WriteConflict
from ticket_archive.retention import TAG_KEY, TAG_VALUE

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_EXISTS = {"PreconditionFailed", "412"}
_RACE = {"ConditionalRequestConflict", "409"}


class Renewing(Protocol):
    """What `ExpiringBucket` needs of a bucket."""

    def overwrite(self, key: str, body: bytes, content_type: str, sha256: bytes | None = None) -> None:
        """Stores an object over itself."""
        ...


class Bucket:
    """Creates and reads the archive's objects. Signing URLs is the retrieval function's own business.

    `on_put` hears of every object that is sent, whether its key is free or not: S3 bills both.
    """

    def __init__(self, client: "S3Client", name: str, on_put: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self.name = name
        self._on_put = on_put

    def create(
        self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, limited: bool = False
    ) -> bool:
        """Stores `body` under `key` unless something is there already; says whether it did.

        `sha256` is the body's digest where it is known already, `limited` whether the object ends with its ticket.

        S3 compares the SHA-256 that is sent along with what arrives, and If-None-Match makes the second writer of the
        same content a no-op: no second version, no second event
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
        Raises WriteConflict where another writer is at it this very moment, botocore's ClientError otherwise.
        """
        try:
            self._put(key, body, content_type, sha256, limited=limited, IfNoneMatch="*")
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _EXISTS:
                return False
            if code in _RACE:
                raise WriteConflict("object") from None
            raise
        return True

    def overwrite(self, key: str, body: bytes, content_type: str, sha256: bytes | None = None) -> None:
        """Stores an object that ends with its ticket, over the same one if that is there: its age begins anew.

        The bucket counts from when an object was stored. One that is only found there would end before its ticket.
        """
        self._put(key, body, content_type, sha256, limited=True)

    def _put(
        self, key: str, body: bytes, content_type: str, sha256: bytes | None, *, limited: bool, **more: Any
    ) -> None:
        self._on_put()
        if limited:
            more["Tagging"] = f"{TAG_KEY}={TAG_VALUE}"
        self._client.put_object(
            Bucket=self.name,
            Key=key,
            Body=body,
            ContentType=content_type,
            ChecksumSHA256=base64.b64encode(sha256 or hashlib.sha256(body).digest()).decode(),
            **more,
        )

    def read(self, key: str) -> bytes:
        """The object's bytes. Raises botocore's ClientError (NoSuchKey) where there is none."""
        return self._client.get_object(Bucket=self.name, Key=key)["Body"].read()


class ExpiringBucket:
    """The bucket as a ticket's images and details see it that come to an end: whatever is stored begins its age."""

    def __init__(self, bucket: "Renewing") -> None:
        self._bucket = bucket

    def create(self, key: str, body: bytes, content_type: str, sha256: bytes | None = None) -> bool:
        """Stores `body` under `key`, over the same one if that is there."""
        self._bucket.overwrite(key, body, content_type, sha256)
        return True
