"""Point the functions' alias at the version before, which undoes a bad deployment within seconds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

ALIAS = "live"
"""The alias through which every call comes; the output `FunctionAlias`."""


@dataclass(frozen=True, slots=True)
class Change:
    """The alias of one function: the version that it names now, and the one that it would name."""

    function: str
    current: str
    previous: str
    revision: str


def plan(client: "LambdaClient", function: str) -> Change | None:
    """Return the change that rolls a function back, or None if there is no earlier version."""
    alias = client.get_alias(FunctionName=function, Name=ALIAS)
    current = alias["FunctionVersion"]
    earlier = [
        int(version["Version"])
        for page in client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        for version in page["Versions"]
        if version["Version"].isdigit() and int(version["Version"]) < int(current)
    ]
    if not earlier:
        return None
    return Change(function, current, str(max(earlier)), alias["RevisionId"])


def apply(client: "LambdaClient", change: Change) -> None:
    """Point the alias at the earlier version, unless somebody else changed it meanwhile."""
    client.update_alias(
        FunctionName=change.function, Name=ALIAS, FunctionVersion=change.previous, RevisionId=change.revision
    )
