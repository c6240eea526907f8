"""The retrieval function's settings."""

from typing import Annotated

from pydantic import Field

from ticket_archive.settings import Settings

LIFE_MIN, LIFE_MAX = 60, 900
"""Seconds that a signed URL may live: the bounds of what is asked for, and of what an installation may set."""

_Life = Annotated[int, Field(ge=LIFE_MIN, le=LIFE_MAX)]


class RetrievalSettings(Settings):
    """Where tickets are, and how long signed URLs live, in seconds: unless asked otherwise, and at most."""

    table_name: str
    bucket_name: str
    url_life_seconds: _Life = 300
    url_life_max_seconds: _Life = LIFE_MAX
