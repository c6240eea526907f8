"""The bucket with the operators' operations: list and delete object versions, set or remove the retention tag."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from ops.errors import error_code
from ticket_archive.bucket import Bucket
from ticket_archive.retention import TAG_KEY, TAG_VALUE

_BATCH = 1000  # the limit of DeleteObjects
MISSING = ("404", "NoSuchKey", "NoSuchVersion")
"""S3's codes for an object or a version that does not exist."""


class Version(NamedTuple):
    """One version of an object, or one delete marker."""

    key: str
    version_id: str


class OperatorBucket(Bucket):
    """Reads objects, and lists, tags and deletes a ticket's objects with all their versions."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Return the keys that begin with `prefix`, in alphabetical order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        yield from filter(None, pages.search("Contents[].Key"))

    def versions(self, ticket: str, *, delete_markers: bool = True) -> Iterator[Version]:
        """Return every version of every object of the ticket, and the delete markers."""
        prefix = f"tickets/{ticket}/"  # with the slash: `tickets/12` is also a prefix of ticket 123
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix)
        found = pages.search("[Versions, DeleteMarkers][]" if delete_markers else "Versions[]")
        yield from (Version(each["Key"], each["VersionId"]) for each in filter(None, found))

    def set_expiring(self, version: Version, *, expiring: bool) -> bool:
        """Add or remove the retention rule's tag, keeping other tags; return False if the version no longer exists."""
        at: Any = {"Bucket": self.name, "Key": version.key, "VersionId": version.version_id}
        try:
            tags: Any = self._client.get_object_tagging(**at)["TagSet"]
            others = [tag for tag in tags if tag["Key"] != TAG_KEY]
            wanted: Any = [*others, {"Key": TAG_KEY, "Value": TAG_VALUE}] if expiring else others
            if sorted(tags, key=str) != sorted(wanted, key=str):
                self._client.put_object_tagging(**at, Tagging={"TagSet": wanted})
        except ClientError as error:
            if error_code(error) in MISSING:
                return False
            raise
        return True

    def delete(self, versions: Sequence[Version]) -> list[Version]:
        """Delete versions permanently; return those that S3 did not delete. A missing version is no error."""
        refused: list[Version] = []
        for begin in range(0, len(versions), _BATCH):
            objects: Any = [{"Key": key, "VersionId": version} for key, version in versions[begin : begin + _BATCH]]
            answer = self._client.delete_objects(Bucket=self.name, Delete={"Objects": objects, "Quiet": True})
            refused += [Version(error["Key"], error["VersionId"]) for error in answer.get("Errors", ())]
        return refused
