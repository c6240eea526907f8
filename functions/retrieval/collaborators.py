"""What the routes work with, each made when it is first needed: nothing at import, and S3 only where S3 is asked.

A snapshot of the initialised function (SnapStart) therefore holds neither connections nor credentials.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.session import Session, get_session

from retrieval.links import Links
from retrieval.settings import RetrievalSettings
from ticket_archive import aws
from ticket_archive.bucket import Bucket
from ticket_archive.errors import SettingsError
from ticket_archive.table import TicketTable

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Three tries fit into the function's time-out even where each of them is silent.
_PATIENCE = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


class Collaborators:
    """Made from an environment; raises SettingsError on first use where that does not fit."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @cached_property
    def tickets(self) -> TicketTable:
        """The table."""
        return TicketTable(aws.client(self._session, "dynamodb", _PATIENCE), self._settings.table_name)

    @cached_property
    def objects(self) -> Bucket:
        """The bucket."""
        return Bucket(self._s3, self._settings.bucket_name)

    @cached_property
    def links(self) -> Links:
        """Signs with the very credentials whose end it reads."""
        credentials = self._session.get_credentials()
        if credentials is None:
            raise SettingsError("AWS credentials")
        return Links(
            self._s3,
            credentials,
            self._settings.bucket_name,
            usual=self._settings.url_life_seconds,
            at_most=self._settings.url_life_max_seconds,
        )

    @cached_property
    def _settings(self) -> RetrievalSettings:
        return RetrievalSettings.read(self._environment)

    @cached_property
    def _session(self) -> Session:
        return get_session()

    @cached_property
    def _s3(self) -> "S3Client":
        """Signs with version 4 for the region's own host, so that a URL works as it is, without a redirect.

        Left alone, botocore signs URLs for the global host. It does not where virtual addressing is asked for, which an
        endpoint that is not AWS's may not know.
        """
        elsewhere = any(self._environment.get(name) for name in _ENDPOINTS)
        signing = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if elsewhere else "virtual", "us_east_1_regional_endpoint": "regional"},
        )
        s3: S3Client = aws.client(self._session, "s3", _PATIENCE.merge(signing))
        return s3
