"""Values in DynamoDB's own notation and back: what JSON can say, its numbers as Decimal, and bytes beside it.

boto3 has the same under its resources. To load those costs a cold start more than this module ever does, and each value
of a ticket's details several calls; a property test holds the two together.
Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

from collections.abc import Mapping
from decimal import Clamped, Context, Decimal, Inexact, Overflow, Rounded, Underflow
from typing import Any

_NUMBERS = Context(prec=38, Emin=-128, Emax=126, traps=[Clamped, Overflow, Inexact, Rounded, Underflow])


def to_attribute(value: Any) -> dict[str, Any]:
    """Raises TypeError for what DynamoDB has no type for (float too), ArithmeticError for numbers beyond its range."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, dict):
        return {"M": {name: to_attribute(each) for name, each in value.items()}}
    if isinstance(value, list):
        return {"L": [to_attribute(each) for each in value]}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, Decimal | int):
        number = _NUMBERS.create_decimal(value)
        if number.is_finite():
            return {"N": str(number)}
    if isinstance(value, bytes):
        return {"B": value}
    raise TypeError(type(value).__name__)


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """Raises TypeError for the kinds that the archive never writes: sets."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL" | "B":
            return value
        case "N":
            return Decimal(value)
        case "M":
            return {name: from_attribute(each) for name, each in value.items()}
        case "L":
            return [from_attribute(each) for each in value]
        case "NULL":
            return None
    raise TypeError(kind)
