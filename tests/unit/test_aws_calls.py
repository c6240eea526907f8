"""Calls to AWS have the operations and parameters of botocore's service models.

mypy checks nested properties too, with stubs that are generated from the same models, where a client has its type; this
test reads every call, and the clients check the values, because none turns `parameter_validation` off.
"""

import ast
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from botocore import xform_name

from local import ROOT

FOLDERS = ("functions", "layers/ticket_archive", "ops", "clients/python", "examples")
SERVICES = ("cloudformation", "cloudwatch", "dynamodb", "kms", "lambda", "logs", "s3", "secretsmanager", "sqs", "sts")
BOTO3_OWN = {"get_paginator", "get_waiter", "generate_presigned_url"}


@cache
def operations() -> dict[str, list[tuple[set[str], set[str]]]]:
    """Return the known and the required parameters of each operation, by the client's method, in every service."""
    found: dict[str, list[tuple[set[str], set[str]]]] = {}
    session = botocore.session.Session()
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            shape = model.operation_model(name).input_shape
            known = set(shape.members) if shape else set()
            required = set(shape.required_members) if shape else set()
            found.setdefault(xform_name(name), []).append((known, required))
    return found


def calls(source: str) -> Iterator[tuple[str, int, set[str], bool]]:
    """Yield calls of methods named like operations: name, line, keywords, and whether more come from a mapping.

    AWS's parameters begin with a capital letter, which tells them from the project's own functions.
    """
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        named = {each.arg for each in node.keywords if each.arg}
        if node.func.attr in operations() and (any(name[0].isupper() for name in named) or not node.args):
            receiver = ast.unparse(node.func.value)
            if any(word in receiver.lower() for word in ("client", "sqs", "s3", "dynamodb", "secrets", "sts")):
                yield node.func.attr, node.lineno, named, any(each.arg is None for each in node.keywords)


def faults(source: str) -> Iterator[str]:
    for name, line, named, open_ended in calls(source):
        if not any(named <= known and (open_ended or required <= named) for known, required in operations()[name]):
            yield f"line {line}: {name}({', '.join(sorted(named))})"


FILES = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]


def test_every_call_has_parameters_that_its_operation_knows() -> None:
    assert {str(file.relative_to(ROOT)): found for file in FILES if (found := [*faults(file.read_text())])} == {}


def test_the_calls_of_functions_and_commands_are_read() -> None:
    read = {name for file in FILES for name, *_ in calls(file.read_text())}
    assert read >= {"put_item", "update_item", "get_item", "query", "put_object", "get_object", "send_message"}
    assert read >= {"get_secret_value", "batch_get_item", "delete_objects", "receive_message", "update_alias"}


@pytest.mark.parametrize(
    "call",
    ["client.get_item(TableName='t', Key={}, ConsistentReads=True)", "client.put_object(Key='k', Body=b'')"],
)
def test_a_wrong_or_missing_parameter_is_found(call: str) -> None:
    assert len([*faults(call)]) == 1


def test_no_client_turns_validation_off() -> None:
    assert [file.name for file in FILES if "parameter_validation" in file.read_text()] == []
