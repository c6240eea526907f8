"""The Python client of the retrieval API on the local stack, for tests that want its responses as they come."""

from typing import Self

import requests

from local.stack import Stack
from ticket_archive_client import TicketArchive

SECONDS = 30.0


class Api:
    """Sends signed requests to the retrieval API and plain ones to presigned URLs. Use one per thread."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.api_url
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = stack.ca_bundle
        self._archive = TicketArchive(self._url, stack.account.session(), http=self._http, timeout=SECONDS)

    def get(self, path: str, *, signed: bool = True, **query: object) -> requests.Response:
        """Return the response to `GET {api_url}{path}`, without following redirects."""
        return self._archive.send(path, query) if signed else self.download(f"{self._url}{path}")

    def download(self, url: str) -> requests.Response:
        """Return the response to a plain GET of a presigned URL."""
        return self._http.get(url, timeout=SECONDS, allow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
