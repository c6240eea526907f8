"""The bucket. Objects are content-addressed and created once."""

import base64
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ticket_archive.errors import WriteConflict
from ticket_archive.retention import TAG_KEY, TAG_VALUE

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_EXISTS = {"PreconditionFailed", "412"}
_RACE = {"ConditionalRequestConflict", "409"}


class Bucket:
    """Creates and reads objects.

    `on_put` is called for every PutObject request, whether the key is free or not: S3 bills both.
    """

    def __init__(self, client: "S3Client", name: str, on_put: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self.name = name
        self._on_put = on_put

    def create(
        self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, expiring: bool = False
    ) -> bool:
        """Store an object unless its key is taken; return whether it was stored.

        `sha256` is the body's digest if it is known already. `expiring` objects expire with their ticket.

        S3 verifies the SHA-256, and If-None-Match makes a second write of the same content a no-op: no second version,
        no second event (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
        Raises WriteConflict if another write of the key is in flight, and otherwise ClientError.
        """
        try:
            self._put(key, body, content_type, sha256, expiring=expiring, IfNoneMatch="*")
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _EXISTS:
                return False
            if code in _RACE:
                raise WriteConflict("object") from None
            raise
        return True

    def store(self, key: str, body: bytes, content_type: str, sha256: bytes | None = None, *, expiring: bool) -> None:
        """Store an object that its key identifies by its content, unless it exists. Raises as `create` does.

        An `expiring` object replaces an existing one: S3 counts its age from when it was stored, so an object that is
        only reused would expire before its ticket.
        """
        if expiring:
            self._put(key, body, content_type, sha256, expiring=True)
        else:
            self.create(key, body, content_type, sha256)

    def _put(
        self, key: str, body: bytes, content_type: str, sha256: bytes | None, *, expiring: bool, **more: Any
    ) -> None:
        self._on_put()
        if expiring:
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
        """Return an object's bytes. Raises ClientError with code NoSuchKey if there is none."""
        return self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
