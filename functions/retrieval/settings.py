"""Settings of the retrieval function. The template documents each variable."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from ticket_archive.settings import Settings

MIN_LIFETIME, MAX_LIFETIME = 60, 900
"""Bounds of a presigned URL's lifetime in seconds, both for callers (`expires_in`) and for the template's parameter."""

# CloudFormation accepts a fraction for a number.
Lifetime = Annotated[int, BeforeValidator(lambda text: text.partition(".")[0]), Field(ge=MIN_LIFETIME, le=MAX_LIFETIME)]


class RetrievalSettings(Settings):
    """Where tickets are stored, and the lifetime of presigned URLs in seconds: by default, and at most."""

    table_name: str
    bucket_name: str
    url_life_seconds: Lifetime = 300
    url_life_max_seconds: Lifetime = MAX_LIFETIME
