"""The retrieval function's settings."""

from pydantic import Field

from ticket_archive.settings import Settings

LIFE_MIN, LIFE_MAX = 60, 900
"""Seconds that a signed URL may live: the bounds of what is asked for, and of what an installation may set."""


class RetrievalSettings(Settings):
    """TABLE_NAME, BUCKET_NAME, and how long signed URLs live, in seconds: unless asked otherwise, and at most."""

    url_life_seconds: int = Field(default=300, ge=LIFE_MIN, le=LIFE_MAX)
    url_life_max_seconds: int = Field(default=LIFE_MAX, ge=LIFE_MIN, le=LIFE_MAX)
