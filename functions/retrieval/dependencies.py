"""The routes' dependencies, each created on first use.

Nothing is created at import, so a SnapStart snapshot holds neither connections nor credentials.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from botocore.config import Config

from retrieval.presign import Presigner
from retrieval.settings import RetrievalSettings
from ticket_archive import aws
from ticket_archive.bucket import Bucket
from ticket_archive.errors import SettingsError
from ticket_archive.table import TicketTable

# Three attempts fit into the function's timeout even if all time out.
_CONFIG = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3})


def s3_config(addressing_style: str) -> Config:
    """Return the S3 configuration; with `virtual`, URLs name the bucket's regional host and need no redirect."""
    s3: Any = {"addressing_style": addressing_style, "us_east_1_regional_endpoint": "regional"}
    return _CONFIG.merge(Config(signature_version="s3v4", s3=s3))


class Dependencies:
    """Created from environment variables; attributes raise SettingsError if these are missing or invalid."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @cached_property
    def tickets(self) -> TicketTable:
        """The ticket table."""
        return TicketTable(aws.client("dynamodb", _CONFIG), self._settings.table_name)

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket, for details that the table cannot hold."""
        return Bucket(self._s3, self._settings.bucket_name)

    @cached_property
    def presigner(self) -> Presigner:
        """Signs with the S3 client's own credentials."""
        credentials = aws.session().get_credentials()
        if credentials is None:
            raise SettingsError("AWS credentials")
        settings = self._settings
        return Presigner(self._s3, settings.bucket_name, credentials, settings.url_life_seconds)

    @cached_property
    def _s3(self) -> Any:
        # An endpoint other than AWS's, such as the emulator, does not resolve a bucket's host name.
        other = any(self._environment.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
        return aws.client("s3", s3_config("path" if other else "virtual"))

    @cached_property
    def _settings(self) -> RetrievalSettings:
        return RetrievalSettings.read(self._environment)
