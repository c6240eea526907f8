"""A client of the retrieval API with AWS credentials, and of the presigned URLs in its responses."""

from typing import Self
from urllib.parse import quote, urlencode

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.stack import Stack

SECONDS = 30.0


class Api:
    """Sends signed requests to the retrieval API and plain ones to presigned URLs. Use one per thread."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.api_url
        credentials = Credentials(stack.access_key_id, stack.secret_access_key)
        self._signer = SigV4Auth(credentials, "execute-api", stack.region)
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = stack.ca_bundle

    def get(self, path: str, *, signed: bool = True, **query: object) -> requests.Response:
        """Return the response to `GET {api_url}{path}`, without following redirects."""
        # AWS signs the query after decoding and encoding it again: a comma must be sent as %2C.
        url = f"{self._url}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        request = AWSRequest("GET", url, headers={"Accept": "application/json"})
        if signed:
            self._signer.add_auth(request)
        return self._http.get(url, headers=dict(request.headers.items()), timeout=SECONDS, allow_redirects=False)

    def download(self, url: str) -> requests.Response:
        """Return the response to a plain GET of a presigned URL."""
        return self._http.get(url, timeout=SECONDS, allow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
