"""Settings of the retrieval function. The template documents each variable."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from ticket_archive.settings import Settings

MIN_LIFETIME, MAX_LIFETIME = 60, 900
"""Bounds of a presigned URL's lifetime in seconds, both for callers (`expires_in`) and for the template's parameter."""


class RetrievalSettings(Settings):
    """Where tickets are stored, and the default lifetime of presigned URLs in seconds."""

    table_name: str
    bucket_name: str
    # CloudFormation accepts a fraction for a number.
    url_life_seconds: Annotated[
        int, BeforeValidator(lambda text: text.partition(".")[0]), Field(ge=MIN_LIFETIME, le=MAX_LIFETIME)
    ] = 300
