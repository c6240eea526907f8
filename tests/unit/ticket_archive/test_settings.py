"""Settings: one model, every fault told at once, no value told at all."""

import pytest
from pydantic import Field, ValidationError

from ticket_archive.errors import SettingsError
from ticket_archive.settings import Settings


class Example(Settings):
    number: int = Field(default=7, ge=1)
    flag: bool = False


GOOD = {"TABLE_NAME": "tickets", "BUCKET_NAME": "bucket"}


def test_a_field_is_the_variable_of_its_name_in_capitals() -> None:
    settings = Example.read({**GOOD, "NUMBER": "12", "FLAG": "true", "PATH": "/bin"})
    assert (settings.table_name, settings.bucket_name, settings.number, settings.flag) == (
        "tickets",
        "bucket",
        12,
        True,
    )


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Example.read({**GOOD, "NUMBER": ""}).number == 7
    with pytest.raises(SettingsError, match=r"^settings: TABLE_NAME$"):
        Example.read({**GOOD, "TABLE_NAME": ""})


def test_all_faults_are_told_together_and_no_value_is() -> None:
    with pytest.raises(SettingsError) as refusal:
        Example.read({"BUCKET_NAME": "canary-bucket", "NUMBER": "canary-number", "FLAG": "canary-flag"})
    assert refusal.value.detail == "FLAG, NUMBER, TABLE_NAME"
    assert "canary" not in repr(refusal.value)
    assert refusal.value.__suppress_context__


def test_settings_do_not_change() -> None:
    settings = Example.read(GOOD)
    with pytest.raises(ValidationError):
        settings.table_name = "other"  # type: ignore[misc]
