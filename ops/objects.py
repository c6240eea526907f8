"""The bucket with the operators' operations: list and delete object versions, set or remove the retention tag."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from ticket_archive.retention import TAG_KEY, TAG_VALUE

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_BATCH = 1000  # the limit of DeleteObjects
_MISSING = {"NoSuchKey", "NoSuchVersion"}


class Version(NamedTuple):
    """One version of an object, or one delete marker."""

    key: str
    version_id: str


def prefix_of(ticket: str) -> str:
    """Return the prefix of a ticket's objects."""
    return f"tickets/{ticket}/"  # with the slash: `tickets/12` is also a prefix of ticket 123


class Objects:
    """Lists, tags and deletes objects with all their versions."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def exists(self, key: str) -> bool:
        """Return whether there is such an object. S3 answers 403 to a caller without `s3:ListBucket`."""
        try:
            self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey"):
                return False
            raise
        return True

    def versions(self, prefix: str, *, delete_markers: bool = True) -> Iterator[Version]:
        """Return every version of every object under `prefix`, and the delete markers."""
        kinds = ("Versions", "DeleteMarkers") if delete_markers else ("Versions",)
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix):
            found: Any = page
            for kind in kinds:
                for each in found.get(kind, ()):
                    yield Version(each["Key"], each["VersionId"])

    def set_expiring(self, version: Version, *, expiring: bool) -> bool:
        """Add or remove the tag that the bucket's retention rule looks for, keeping other tags.

        Returns False if the version no longer exists.
        """
        at: Any = {"Bucket": self._bucket, "Key": version.key, "VersionId": version.version_id}
        try:
            tags: Any = self._client.get_object_tagging(**at)["TagSet"]
            others = [tag for tag in tags if tag["Key"] != TAG_KEY]
            wanted: Any = [*others, {"Key": TAG_KEY, "Value": TAG_VALUE}] if expiring else others
            if sorted(tags, key=str) != sorted(wanted, key=str):
                self._client.put_object_tagging(**at, Tagging={"TagSet": wanted})
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                return False
            raise
        return True

    def delete(self, versions: Sequence[Version]) -> list[Version]:
        """Delete versions permanently; return those that S3 did not delete. A missing version is no error."""
        refused: list[Version] = []
        for begin in range(0, len(versions), _BATCH):
            part = versions[begin : begin + _BATCH]
            answer = self._client.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": [{"Key": key, "VersionId": version} for key, version in part], "Quiet": True},
            )
            refused += [Version(error["Key"], error["VersionId"]) for error in answer.get("Errors", ())]
        return refused
