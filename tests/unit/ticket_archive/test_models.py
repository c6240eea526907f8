"""Which ids and codes get any further."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_archive.errors import InvalidRequest
from ticket_archive.models import customer_id, ticket_id

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize("text", ["762ebbda-0edb-4e48-86bc-11a280273601", "a", "T_1", "9", "x" * 128])
def test_a_valid_ticket_id_is_returned_unchanged(text: str) -> None:
    assert ticket_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("-a", "_a", ".", "..", "a/b", "a\\b", "a.b", "../a", "a%2fb", "a?b", "a#b", "é", "\u0661", "\u212a"),
        *("", "a b", " a", "a\n", "a\r\nb", "a\0", "x" * 129),
        *(None, 7, True, b"a", ["a"]),
    ],
)
def test_any_other_value_is_an_invalid_ticket_id(text: object) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        ticket_id(text)
    assert refusal.value.detail == "ticket"


@given(ANY_TEXT | st.from_regex(r"[A-Za-z0-9_./%?-]{1,140}", fullmatch=True))
def test_a_valid_ticket_id_needs_no_escaping_in_a_url_or_a_key(text: str) -> None:
    with suppress(InvalidRequest):
        accepted = ticket_id(text)
        assert quote(accepted, safe="") == accepted
        assert len(accepted.encode()) <= 128


@pytest.mark.parametrize(
    ("text", "customer"),
    [
        *((code, code) for code in ("C-1", "á/%", "x" * 256)),
        (" C 1 ", "C 1"),
        (4711, "4711"),
        (0, "0"),
        *((text, None) for text in ("x" * 257, "", "   ", "a\nb", "a\0b", "\ud800", True, 1.5, None, ["C-1"])),
    ],
)
def test_a_customers_code_is_short_and_printable(text: object, customer: str | None) -> None:
    assert customer_id(text) == customer


@given(ANY_TEXT)
def test_a_customers_code_fits_dynamodbs_partition_key_and_is_stable(text: str) -> None:
    code = customer_id(text)
    if code is not None:
        assert 0 < len(code.encode()) <= 2048
        assert customer_id(code) == code
