"""DynamoDB in memory: it evaluates the expressions that it is given."""

import re
import threading
from collections.abc import Mapping
from functools import cache
from types import CodeType
from typing import Any, cast

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

_serialize, _deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize


class FakeDynamoDB:
    """The part of DynamoDB's client that the ingest function uses, in memory: it evaluates the given expressions.

    `records` holds plain values by the values of the key. `writes` names each write: `put`, and the key's last value.
    """

    def __init__(self, *key: str) -> None:
        self.records: dict[tuple[str, ...], dict[str, Any]] = {}
        self.writes: list[str] = []
        self._key = key
        self._lock = threading.Lock()

    def get_item(self, **call: Any) -> dict[str, Any]:
        record = self.records.get(self._key_of(call["Key"]))
        if record and "ProjectionExpression" in call:
            names = [call["ExpressionAttributeNames"][name] for name in call["ProjectionExpression"].split(", ")]
            record = {name: value for name, value in record.items() if name in names}
        return {"Item": attributes(record)} if record else {}

    def put_item(self, **call: Any) -> dict[str, Any]:
        with self._lock:
            self._check(call, "PutItem")
            self._write("put", call["Item"], plain(call["Item"]))
        return {}

    def update_item(self, **call: Any) -> dict[str, Any]:
        names, values = call.get("ExpressionAttributeNames", {}), plain(call.get("ExpressionAttributeValues", {}))
        with self._lock:
            new = {**plain(call["Key"]), **self._check(call, "UpdateItem")}
            for verb, clause in re.findall(r"(SET|REMOVE|ADD) (.*?)(?= REMOVE | ADD |$)", call["UpdateExpression"]):
                for action in re.split(r", (?![^(]*\))", clause):
                    _act(verb, action, new, names, values)
            self._write("update", call["Key"], new)
            return {"Attributes": attributes(new)}

    def delete_item(self, **call: Any) -> dict[str, Any]:
        with self._lock:
            self._write("delete", call["Key"], {})
            del self.records[self._key_of(call["Key"])]
        return {}

    def query(self, **call: Any) -> dict[str, Any]:
        [(name, wanted)] = plain(call["ExpressionAttributeValues"]).items()
        partition, sort = {"incomplete": ("incomplete", "retry_at"), "by-customer": ("customer", "archived_at")}[
            call["IndexName"]
        ]
        assert call["KeyConditionExpression"] == f"{partition} = {name}"
        with self._lock:
            found = [each for each in self.records.values() if each.get(partition) == wanted and sort in each]
        found.sort(key=lambda record: str(record[sort]), reverse=not call.get("ScanIndexForward", True))
        start, limit = call.get("ExclusiveStartKey"), call["Limit"]
        rest = found[1 + [each["ticket"] for each in found].index(start["ticket"]["S"]) :] if start else found
        last = {"LastEvaluatedKey": attributes(rest[limit - 1])} if len(rest) > limit else {}
        return {"Items": [attributes(record) for record in rest[:limit]], **last}

    def _write(self, verb: str, key: Mapping[str, Any], record: dict[str, Any]) -> None:
        self.records[self._key_of(key)] = record
        self.writes.append(f"{verb} {self._key_of(key)[-1]}")

    def _key_of(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(values[name]["S"] for name in self._key)

    def _check(self, call: Mapping[str, Any], operation: str) -> dict[str, Any]:
        """Return the record that is there. Raises ClientError if the call's condition does not hold."""
        old = self.records.get(self._key_of(call.get("Key", call.get("Item", {}))), {})
        condition = call.get("ConditionExpression")
        names, values = (call.get(f"ExpressionAttribute{kind}", {}) for kind in ("Names", "Values"))
        if condition and not holds(condition, old, names, plain(values)):
            error: Any = {"Error": {"Code": "ConditionalCheckFailedException"}}
            if old:
                error["Item"] = attributes(old)
            raise ClientError(error, operation)
        return old


class _Missing:
    """An attribute that is not there: every comparison with it is false."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _: object) -> bool:
        return False

    __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __eq__


_MISSING = _Missing()
_OPERATORS = {"AND": "and", "OR": "or", "<>": "!=", "=": "==", "IN": "in"}


@cache
def _compiled(python: str) -> CodeType:
    return compile(python, "<condition>", "eval")


def holds(condition: str, item: Mapping[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    def translate(token: re.Match[str]) -> str:
        text = token[0]
        if text.startswith("#"):
            return f"item({names[text]!r})"
        return f"values[{text!r}]" if text.startswith(":") else _OPERATORS[text]

    python = _compiled(re.sub(r"#\w+|:\w+|\bAND\b|\bOR\b|\bIN\b|<>|=", translate, condition))
    scope = {
        "item": lambda name: item.get(name, _MISSING),
        "values": values,
        "attribute_exists": lambda value: value is not _MISSING,
        "attribute_not_exists": lambda value: value is _MISSING,
        "begins_with": lambda value, prefix: isinstance(value, str) and value.startswith(prefix),
    }
    return bool(eval(python, {"__builtins__": {}}, scope))


def _act(verb: str, action: str, item: dict[str, Any], names: Mapping[str, str], values: Mapping[str, Any]) -> None:
    name, _, value = (part.strip() for part in action.partition("=" if verb == "SET" else " "))
    name = names.get(name, name)
    if verb == "REMOVE":
        item.pop(name, None)
    elif verb == "ADD":
        item[name] = item.get(name, 0) + values[value]
    elif found := re.fullmatch(r"if_not_exists\(#\w+, (:\w+)\)", value):
        item.setdefault(name, values[found[1]])
    else:
        item[name] = values[value]


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: _deserialize(value) for name, value in values.items()}
    return {name: cast("Any", value).value if isinstance(value, Binary) else value for name, value in found.items()}


def attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serialize(value) for name, value in values.items()}
