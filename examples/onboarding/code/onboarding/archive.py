"""The ticket archive as this flow uses it: manifests from S3, images through the retrieval API."""

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ticket_archive_client import ArchiveApiError, Manifest, TicketArchive


class Archive:
    """Reads manifests and fetches images."""

    def __init__(self, session: boto3.Session, config: Config, bucket: str, api_url: str) -> None:
        self._s3 = session.client("s3", config=config)
        self._bucket = bucket
        self._api = TicketArchive(api_url, session)

    def manifest(self, key: str) -> Manifest | None:
        """Return the manifest `key`, or None if the object does not exist."""
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            # Without permission to list the whole bucket, S3 may respond with AccessDenied for a missing object.
            if error.response["Error"]["Code"] in ("NoSuchKey", "AccessDenied") and not self._exists(key):
                return None
            raise
        return Manifest.model_validate_json(found["Body"].read())

    def state(self, ticket: str, version: str) -> Manifest | None:
        """Return a ticket's state by its version, or None if its manifest does not exist."""
        return self.manifest(f"tickets/{ticket}/manifests/{version}.json")

    def portrait(self, state: Manifest) -> str | None:
        """Fetch the first selfie of a state, which the client compares with its hash, and return its SHA-256.

        Returns None if the state has no selfie, or if the ticket has a newer version: its event is on the way.
        """
        image = next((each for each in state.images if each.type == "SELF_PORTRAITS"), None)
        if image is None:
            return None
        try:
            self._api.download(self._api.image(state.ticket, image.sha256))
        except ArchiveApiError as error:
            if error.status in (404, 410):
                return None
            raise
        return image.sha256

    def _exists(self, key: str) -> bool:
        return bool(self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)["KeyCount"])
