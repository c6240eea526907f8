"""Settings of a function, validated from its environment variables."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ticket_archive.errors import SettingsError


class Settings(BaseModel):
    """Base of a function's settings: each field's variable has its name in capitals, and an empty one is not set."""

    model_config = ConfigDict(frozen=True, alias_generator=str.upper, hide_input_in_errors=True)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Validate the environment. Raises SettingsError that names every variable at fault, never a value."""
        try:
            return cls.model_validate({name: value for name, value in environment.items() if value})
        except ValidationError as error:
            faults = {str(each["loc"][0]) for each in error.errors()}
        # Raised outside the handler: pydantic's error holds the values, and must not become this error's context.
        raise SettingsError(", ".join(sorted(faults)))
