"""The Python client of the retrieval API, with access to the HTTP responses, for the local stack."""

import boto3
import requests

from local.stack import Stack
from ticket_archive_client import TicketArchive

SECONDS = 30.0


class Api(TicketArchive):
    """Sends signed requests to the retrieval API and plain ones to presigned URLs. Use one per thread."""

    def __init__(self, stack: Stack, session: boto3.Session | None = None) -> None:
        http = requests.Session()
        http.trust_env, http.verify = False, stack.ca_bundle
        super().__init__(stack.api_url, session or stack.account.session(), http=http, timeout=SECONDS)

    def get(self, path: str, *, signed: bool = True, **query: object) -> requests.Response:
        """Return the response to `GET {api_url}{path}`, without following redirects."""
        return self.send(path, query) if signed else self.fetch(f"{self._api_url}{path}")

    def fetch(self, url: str) -> requests.Response:
        """Return the response to a plain GET of a presigned URL."""
        return self._http.get(url, timeout=SECONDS, allow_redirects=False)
