"""Calling the retrieval API as any client with AWS credentials does, and fetching what its signed URLs lead to."""

from typing import Self
from urllib.parse import quote, urlencode

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.stack import Stack

SECONDS = 30.0


class Api:
    """Signed GETs of the retrieval API, and plain GETs of the URLs that it hands out. One for each thread."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.api_url
        credentials = Credentials(stack.access_key_id, stack.secret_access_key)
        self._signer = SigV4Auth(credentials, "execute-api", stack.region)
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = stack.ca_bundle

    def get(self, path: str, *, signed: bool = True, **query: object) -> requests.Response:
        """The answer to `GET {api_url}{path}`; redirects are the caller's to follow, without the signature."""
        # AWS signs what it decodes and encodes again: a comma must be sent as %2C.
        url = f"{self._url}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        request = AWSRequest("GET", url, headers={"Accept": "application/json"})
        if signed:
            self._signer.add_auth(request)
        return self._http.get(url, headers=dict(request.headers.items()), timeout=SECONDS, allow_redirects=False)

    def download(self, url: str) -> requests.Response:
        """The answer to a plain GET, with nothing of ours but the URL."""
        return self._http.get(url, timeout=SECONDS, allow_redirects=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
