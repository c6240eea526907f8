"""Settings come from the environment, once, as one frozen model per function, with all their faults told together."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ticket_archive.errors import SettingsError


class Settings(BaseModel):
    """The base of both functions' settings: a field `table_name` is the variable TABLE_NAME."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    table_name: str
    bucket_name: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings of `environment`; an empty variable counts as not set.

        Raises SettingsError that names every variable at fault, and never a value.
        """
        values = {name.lower(): value for name, value in environment.items() if value != ""}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = sorted({str(fault["loc"][0] if fault["loc"] else "settings").upper() for fault in error.errors()})
            raise SettingsError(", ".join(faults)) from None
