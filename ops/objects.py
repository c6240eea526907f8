"""The bucket as operators use it: what is there in which versions, when it ends, and its deletion for good."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from ticket_archive.retention import TAG_KEY, TAG_VALUE

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_AT_ONCE = 1000  # S3's own limit of one DeleteObjects
_NOT_THERE = {"NoSuchKey", "NoSuchVersion"}


class Version(NamedTuple):
    """One version of an object, or one delete marker."""

    key: str
    version_id: str


def prefix_of(ticket: str) -> str:
    """Where a ticket's objects are."""
    return f"tickets/{ticket}/"  # the slash, or the ticket 12 would take 123 with it


class Objects:
    """Finds and deletes objects with all their versions."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def exists(self, key: str) -> bool:
        """Whether there is such an object. Who may not list the bucket is refused (403) where there is none."""
        try:
            self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey"):
                return False
            raise
        return True

    def versions(self, prefix: str) -> Iterator[Version]:
        """Everything under `prefix` that an erasure has to remove: each version, and each delete marker."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
        for page in pages:
            for found in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield Version(found["Key"], found["VersionId"])

    def kept(self, prefix: str) -> Iterator[Version]:
        """Every version of an object under `prefix`, without the delete markers."""
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix):
            for found in page.get("Versions", ()):
                yield Version(found["Key"], found["VersionId"])

    def limit(self, version: Version, *, limited: bool) -> bool:
        """Puts the tag on a version by which the bucket's rule ends it, or takes it off; other tags stay.

        Says False where the version is gone meanwhile.
        """
        at: Any = {"Bucket": self._bucket, "Key": version.key, "VersionId": version.version_id}
        try:
            tags: Any = self._client.get_object_tagging(**at)["TagSet"]
            others = [tag for tag in tags if tag["Key"] != TAG_KEY]
            wanted: Any = [*others, {"Key": TAG_KEY, "Value": TAG_VALUE}] if limited else others
            if sorted(tags, key=str) != sorted(wanted, key=str):
                self._client.put_object_tagging(**at, Tagging={"TagSet": wanted})
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_THERE:
                return False
            raise
        return True

    def delete(self, versions: Sequence[Version]) -> list[Version]:
        """Deletes versions for good; returns those that S3 refused to delete. What is not there is no fault."""
        refused: list[Version] = []
        for begin in range(0, len(versions), _AT_ONCE):
            part = versions[begin : begin + _AT_ONCE]
            answer = self._client.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": [{"Key": key, "VersionId": version} for key, version in part], "Quiet": True},
            )
            refused += [Version(error["Key"], error["VersionId"]) for error in answer.get("Errors", ())]
        return refused
