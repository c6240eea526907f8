"""DynamoDB's notation: what goes in comes back the same, written as boto3 writes it."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from ticket_archive.attributes import from_attribute, to_attribute

numbers = st.integers(-(10**38) + 1, 10**38 - 1) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**30), 10**30), st.integers(-60, 60)
)
scalars = st.none() | st.booleans() | st.text() | st.binary() | numbers
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@given(values)
def test_a_value_is_written_as_boto3_writes_it(value: Any) -> None:
    assert to_attribute(value) == TypeSerializer().serialize(value)


@given(values)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert from_attribute(to_attribute(value)) == value


@pytest.mark.parametrize("value", [1.5, {"a": 1.5}, object(), (1,), {1}, Decimal("NaN"), Decimal("Infinity")])
def test_what_dynamodb_has_no_type_for_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        to_attribute(value)


@pytest.mark.parametrize("value", [10**38 + 1, Decimal("1e127"), Decimal("0." + "1" * 39)])
def test_a_number_that_would_come_back_as_another_is_refused(value: Any) -> None:
    with pytest.raises(ArithmeticError):
        to_attribute(value)


def test_booleans_are_no_numbers() -> None:
    assert to_attribute([True, 1]) == {"L": [{"BOOL": True}, {"N": "1"}]}


def test_a_set_is_none_of_ours() -> None:
    with pytest.raises(TypeError, match="SS"):
        from_attribute({"SS": ["a"]})
