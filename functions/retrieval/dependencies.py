"""What the routes work with, each made when it is first needed: nothing at import, and S3 only where S3 is asked.

A snapshot of the initialised function (SnapStart) therefore holds neither connections nor credentials.
"""

import re
from collections.abc import Mapping
from functools import cached_property

from botocore.config import Config
from botocore.session import Session, get_session

from retrieval.presign import Links
from retrieval.settings import RetrievalSettings
from ticket_archive import aws
from ticket_archive.bucket import Bucket
from ticket_archive.errors import SettingsError
from ticket_archive.table import TicketTable

# Three tries fit into the function's time-out even where each of them is silent.
_PATIENCE = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


class Collaborators:
    """Made from an environment; raises SettingsError on first use where that does not fit."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @cached_property
    def tickets(self) -> TicketTable:
        """The table."""
        return TicketTable(aws.client("dynamodb", _PATIENCE), self._settings.table_name)

    @cached_property
    def objects(self) -> Bucket:
        """The bucket. Only details that are too large for the table are read from it."""
        return Bucket(aws.client("s3", _PATIENCE), self._settings.bucket_name)

    @cached_property
    def links(self) -> Links:
        """Signs with the very credentials whose end it reads."""
        credentials, region = self._session.get_credentials(), self._session.get_config_variable("region")
        if credentials is None or not region:
            raise SettingsError("AWS credentials")
        return Links(
            self._bucket_address(region),
            region,
            credentials,
            usual=self._settings.url_life_seconds,
            at_most=self._settings.url_life_max_seconds,
        )

    @cached_property
    def _settings(self) -> RetrievalSettings:
        return RetrievalSettings.read(self._environment)

    @cached_property
    def _session(self) -> Session:
        return get_session()

    def _bucket_address(self, region: str) -> str:
        """On the region's own host, so that a URL works as it is, without a redirect.

        An endpoint that is not AWS's may not know a bucket by its host: there it is in the path.
        """
        bucket = self._settings.bucket_name
        for name in _ENDPOINTS:
            if endpoint := self._environment.get(name):
                return f"{endpoint.rstrip('/')}/{bucket}"
        partitions = self._session.get_component("data_loader").load_data("partitions")["partitions"]
        suffixes = (each["outputs"]["dnsSuffix"] for each in partitions if re.match(each["regionRegex"], region))
        return f"https://{bucket}.s3.{region}.{next(suffixes, 'amazonaws.com')}"
