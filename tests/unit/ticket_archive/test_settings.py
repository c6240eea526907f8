"""Settings: every fault told at once, no value told at all."""

import pytest

from ticket_archive.errors import SettingsError
from ticket_archive.settings import Variables


def number(text: str) -> int:
    variables = Variables({"NUMBER": text})
    found = variables.number("NUMBER", 7, least=1, most=900)
    variables.check()
    return found


def test_a_variable_is_read_by_its_name() -> None:
    variables = Variables({"TABLE_NAME": "tickets", "NUMBER": "12", "FLAG": "true", "PATH": "/bin"})
    assert variables.text("TABLE_NAME") == "tickets"
    assert variables.optional("PATH") == "/bin"
    assert variables.number("NUMBER", 7, least=1) == 12
    assert variables.flag("FLAG", False) is True
    variables.check()


def test_an_empty_variable_counts_as_not_set() -> None:
    variables = Variables({"NUMBER": "", "TABLE_NAME": "", "FLAG": ""})
    assert variables.number("NUMBER", 7, least=1) == 7
    assert variables.flag("FLAG", True) is True
    assert variables.optional("TABLE_NAME") is None
    variables.check()
    variables.text("TABLE_NAME")
    with pytest.raises(SettingsError, match=r"^settings: TABLE_NAME$"):
        variables.check()


@pytest.mark.parametrize("text", ["0", "901", "-1", "+1", "1.0", "1e2", " 1", "1_0", "٣", "x", "9" * 5000])
def test_a_number_is_decimal_digits_within_its_bounds(text: str) -> None:
    with pytest.raises(SettingsError):
        number(text)
    assert (number("1"), number("900")) == (1, 900)


@pytest.mark.parametrize("text", ["True", "1", "yes", "on", "TRUE"])
def test_a_flag_is_true_or_false(text: str) -> None:
    variables = Variables({"FLAG": text})
    variables.flag("FLAG", False)
    with pytest.raises(SettingsError, match="FLAG"):
        variables.check()


def test_all_faults_are_told_together_and_no_value_is() -> None:
    variables = Variables({"BUCKET_NAME": "canary-bucket", "NUMBER": "canary-number", "FLAG": "canary-flag"})
    variables.text("TABLE_NAME")
    variables.text("BUCKET_NAME")
    variables.number("NUMBER", 7, least=1)
    variables.flag("FLAG", False)
    with pytest.raises(SettingsError) as refusal:
        variables.check()
    assert refusal.value.detail == "FLAG, NUMBER, TABLE_NAME"
    assert "canary" not in repr(refusal.value)
    assert refusal.value.__context__ is None
