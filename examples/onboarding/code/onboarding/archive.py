"""The ticket archive as a consumer uses it: manifests from S3, images through the retrieval API."""

import hashlib
import json
import os
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from onboarding.states import Image, State

_TIMEOUT = 10  # seconds


class ArchiveError(Exception):
    """An unusable response of the archive. Retry the event."""


class Archive:
    """Reads manifests and fetches images. It needs nothing but botocore, whose HTTP client follows no redirect."""

    def __init__(self, session: boto3.Session, config: Config, bucket: str, api_url: str) -> None:
        self._s3 = session.client("s3", config=config)
        self._bucket = bucket
        self._api_url = api_url
        self._session = session
        ca_bundle: Any = os.environ.get("AWS_CA_BUNDLE") or True
        self._http = URLLib3Session(verify=ca_bundle, timeout=_TIMEOUT)

    def manifest(self, key: str) -> State | None:
        """Return the state in the manifest `key`, or None if the object does not exist."""
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            # Without permission to list the whole bucket, S3 may respond with AccessDenied for a missing object.
            if error.response["Error"]["Code"] in ("NoSuchKey", "AccessDenied") and not self._exists(key):
                return None
            raise
        return State.read(json.loads(found["Body"].read()))

    def state(self, ticket: str, version: str) -> State | None:
        """Return a ticket's state by its version, or None if its manifest does not exist."""
        return self.manifest(f"tickets/{ticket}/manifests/{version}.json")

    def portrait(self, state: State) -> str | None:
        """Fetch the first selfie of a state, compare it with the manifest, and return its SHA-256.

        Returns None if the state has no selfie, or if the ticket has a newer version: its event is on the way. Raises
        ArchiveError for any other response, and for bytes that differ from the manifest's hash.
        """
        image = next((each for each in state.images if each.type == "SELF_PORTRAITS"), None)
        if image is None:
            return None
        response = self._get(f"{self._api_url}/tickets/{state.ticket}/images/{image.sha256}", signed=True)
        if response.status_code in (404, 410):
            return None
        if response.status_code != 200:
            raise ArchiveError(f"the retrieval API responded with {response.status_code}")
        self._check(image, self._get(json.loads(response.content)["url"], signed=False))
        return image.sha256

    def _exists(self, key: str) -> bool:
        return bool(self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)["KeyCount"])

    def _check(self, image: Image, response: AWSResponse) -> None:
        body = response.content
        if response.status_code != 200 or hashlib.sha256(body).hexdigest() != image.sha256:
            raise ArchiveError(f"S3 responded with {response.status_code} and {len(body)} bytes that do not match")

    def _get(self, url: str, *, signed: bool) -> AWSResponse:
        """Send a GET request. A presigned URL must not get a second signature."""
        request = AWSRequest("GET", url)
        if signed:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise ArchiveError("no credentials to sign with")
            SigV4Auth(credentials, "execute-api", self._session.region_name).add_auth(request)
        return self._http.send(request.prepare())
