"""The retrieval function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ticket_archive.settings import Variables

LIFE_MIN, LIFE_MAX = 60, 900
"""Seconds that a signed URL may live: the bounds of what is asked for, and of what an installation may set."""


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """Where tickets are, and how long signed URLs live, in seconds: unless asked otherwise, and at most."""

    table_name: str
    bucket_name: str
    url_life_seconds: int
    url_life_max_seconds: int

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """From the variables of the fields' names in capitals. Raises SettingsError that names those at fault."""
        variables = Variables(environment)
        settings = cls(
            table_name=variables.text("TABLE_NAME"),
            bucket_name=variables.text("BUCKET_NAME"),
            url_life_seconds=variables.number("URL_LIFE_SECONDS", 300, LIFE_MIN, LIFE_MAX),
            url_life_max_seconds=variables.number("URL_LIFE_MAX_SECONDS", LIFE_MAX, LIFE_MIN, LIFE_MAX),
        )
        variables.check()
        return settings
