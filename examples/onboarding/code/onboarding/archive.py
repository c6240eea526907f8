"""The ticket archive as a consumer sees it: manifests in S3, pictures through the retrieval API."""

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

from onboarding.states import Picture, State

SECONDS = 10


class ArchiveError(Exception):
    """The archive answered with something that cannot be used; the event is to be tried again."""


class Archive:
    """Reads manifests, and fetches pictures with nothing but botocore, whose HTTP client follows no redirect."""

    def __init__(self, session: boto3.Session, times: Config, bucket: str, api_url: str) -> None:
        self._s3 = session.client("s3", config=times)
        self._bucket = bucket
        self._api_url = api_url
        self._session = session
        trusted: Any = os.environ.get("AWS_CA_BUNDLE") or True
        self._http = URLLib3Session(verify=trusted, timeout=SECONDS)

    def manifest(self, key: str) -> State | None:
        """Return the state in the manifest `key`; None if it is gone."""
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            # S3 tells what is missing from what is forbidden only to those who may list, and a list of this key it is.
            if error.response["Error"]["Code"] in ("NoSuchKey", "AccessDenied") and not self._exists(key):
                return None
            raise
        return State.read(json.loads(found["Body"].read()))

    def _exists(self, key: str) -> bool:
        return bool(self._s3.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)["KeyCount"])

    def state(self, ticket: str, version: str) -> State | None:
        """A ticket's state by its version; None where its manifest is gone."""
        return self.manifest(f"tickets/{ticket}/manifests/{version}.json")

    def portrait(self, state: State) -> str | None:
        """Fetch the first selfie of a state and compare it with the manifest; returns its hash.

        None where the state has none, or where the archive has moved on: then another event is on its way. Raises
        ArchiveError for any other answer, and for a picture that is not the manifest's.
        """
        picture = next((each for each in state.pictures if each.type == "SELF_PORTRAITS"), None)
        if picture is None:
            return None
        answer = self._get(f"{self._api_url}/tickets/{state.ticket}/images/{picture.sha256}", signed=True)
        if answer.status_code in (404, 410):
            return None
        if answer.status_code != 200:
            raise ArchiveError(f"the retrieval API answered {answer.status_code}")
        self._check(picture, self._get(json.loads(answer.content)["url"], signed=False))
        return picture.sha256

    def _check(self, picture: Picture, answer: AWSResponse) -> None:
        body = answer.content
        if answer.status_code != 200 or hashlib.sha256(body).hexdigest() != picture.sha256:
            raise ArchiveError(f"a picture came with {answer.status_code} and {len(body)} bytes")

    def _get(self, url: str, *, signed: bool) -> AWSResponse:
        """A signed URL needs no signature of ours, and must not get one."""
        request = AWSRequest("GET", url)
        if signed:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise ArchiveError("no credentials to sign with")
            SigV4Auth(credentials, "execute-api", self._session.region_name).add_auth(request)
        return self._http.send(request.prepare())
