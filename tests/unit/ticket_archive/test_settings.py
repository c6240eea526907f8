"""Settings from the environment: all faults in one error, by name and without values."""

from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from ticket_archive.errors import SettingsError
from ticket_archive.settings import Settings


class Example(Settings):
    table_name: str
    number: Annotated[int, Field(ge=1, le=900)] = 7
    flag: bool = False
    queue_url: str | None = None


def test_each_field_is_read_from_the_variable_of_its_name_in_capitals() -> None:
    settings = Example.read({"TABLE_NAME": "tickets", "NUMBER": "12", "FLAG": "true", "PATH": "/bin"})
    assert (settings.table_name, settings.number, settings.flag, settings.queue_url) == ("tickets", 12, True, None)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Example.read({"TABLE_NAME": "tickets"}).number = 3  # type: ignore[misc]


def test_all_faults_are_in_one_error_that_holds_no_value() -> None:
    with pytest.raises(SettingsError) as caught:
        Example.read({"QUEUE_URL": "canary-url", "NUMBER": "canary-number", "FLAG": "canary-flag"})
    assert caught.value.detail == "FLAG, NUMBER, TABLE_NAME"
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None
