"""Settings of the retrieval function. The template documents each variable."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from ticket_archive.settings import Settings

MIN_LIFETIME, MAX_LIFETIME = 60, 900
"""Bounds of a presigned URL's life in seconds, both for callers (`expires_in`) and for the template's parameter."""

# CloudFormation accepts a fraction for a number.
UrlLife = Annotated[int, BeforeValidator(lambda text: text.partition(".")[0]), Field(ge=MIN_LIFETIME, le=MAX_LIFETIME)]


class RetrievalSettings(Settings):
    """Where tickets are stored, and how many seconds presigned URLs live: by default, and at most."""

    table_name: str
    bucket_name: str
    url_life_seconds: UrlLife = 300
    url_life_max_seconds: UrlLife = MAX_LIFETIME
