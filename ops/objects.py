"""The bucket as operators use it: what is there in which versions, and its deletion for good."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_AT_ONCE = 1000  # S3's own limit of one DeleteObjects


class Version(NamedTuple):
    """One version of an object, or one delete marker."""

    key: str
    version_id: str


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
