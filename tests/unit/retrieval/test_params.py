"""What a caller may ask for. The OpenAPI document says the same as the code: each is the other's oracle."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval import params
from tests.unit.retrieval.conftest import DOCUMENT
from ticket_archive.errors import InvalidRequest
from ticket_archive.models import ImageType

NAMES = st.sampled_from([*ImageType, "ALL"])
NOISE = st.text(alphabet="ALDOCUMENT_,S ", max_size=30)


def schema(route: str, name: str) -> dict[str, Any]:
    (found,) = [one["schema"] for one in DOCUMENT["paths"][route]["get"]["parameters"] if one["name"] == name]
    return dict(found)


@given(st.lists(NAMES, min_size=1, max_size=8))
def test_types_joined_by_commas_are_those_types(names: list[str]) -> None:
    expected = set(ImageType) if "ALL" in names else {ImageType(name) for name in names}

    assert params.image_types(",".join(names)) == expected


@given(st.one_of(NOISE, st.text(max_size=30), st.lists(st.one_of(NAMES, NOISE), max_size=4).map(",".join)))
def test_a_type_is_accepted_where_the_document_accepts_it(text: str) -> None:
    documented = re.search(schema("/tickets/{ticket}/images", "type")["pattern"].replace("$", r"\Z"), text)
    try:
        params.image_types(text)
    except InvalidRequest:
        assert not documented
    else:
        assert documented


def test_every_type_is_asked_for_by_default() -> None:
    assert params.image_types(None) == set(ImageType)
    assert schema("/tickets/{ticket}/images", "type")["default"] == "ALL"


@given(number=st.integers(-10, 2000))
@pytest.mark.parametrize(
    ("route", "name", "parse"),
    [
        ("/tickets/{ticket}/images", "expires_in", params.expires_in),
        ("/customers/{customer}/tickets", "limit", params.limit),
    ],
)
def test_a_number_is_accepted_where_the_document_accepts_it(route: str, name: str, parse: Any, number: int) -> None:
    bounds = schema(route, name)

    if bounds["minimum"] <= number <= bounds["maximum"]:
        assert parse(str(number)) == number
    else:
        with pytest.raises(InvalidRequest, match=name):
            parse(str(number))


@given(st.text(max_size=8).filter(lambda text: not re.fullmatch(r"[0-9]+", text)))
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="expires_in"):
        params.expires_in(text)
    with pytest.raises(InvalidRequest, match="limit"):
        params.limit(text)


def test_what_is_not_given_has_its_default() -> None:
    assert params.expires_in(None) is None
    assert params.limit(None) == schema("/customers/{customer}/tickets", "limit")["default"]
    assert params.cursor(None) is None
