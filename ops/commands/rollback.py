"""`rollback`: point the functions' alias at the version before, which undoes a bad deployment within seconds."""

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group

from ops.app import app, context_of
from ops.arguments import Yes
from ops.context import table
from ops.errors import Failure

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

ALIAS = "live"
"""The alias through which every call comes; the output `FunctionAlias`."""


class Function(StrEnum):
    """The functions of the stack."""

    INGEST = "ingest"
    RETRIEVAL = "retrieval"

    @property
    def output(self) -> str:
        """The output with the function's name."""
        return f"{self.value.capitalize()}FunctionName"


@app.command()
def rollback(
    ctx: typer.Context,
    only: Annotated[Function | None, typer.Option(help="Roll back this function alone.")] = None,
    yes: Yes = False,
) -> None:
    """Point the functions' alias `live` at the versions before the current ones. Tables and queues are unchanged."""
    context = context_of(ctx)
    client = context.stack.account.client("lambda")
    names = [context.stack.output(each.output) for each in ([only] if only else Function)]
    changes = list(plan(client, names))
    first = [name for name in names if name not in {change["function"] for change in changes}]
    if not changes:
        raise Failure(f"no version before the current one: {', '.join(first)}; deploy the earlier code instead")
    for name in first:  # a deployment that changed one function gave the other no version
        context.note(f"{name} has no earlier version and stays as it is.", "yellow")
    for change in changes if yes else ():
        client.update_alias(  # unless somebody else changed it meanwhile
            FunctionName=change["function"],
            Name=ALIAS,
            FunctionVersion=change["previous"],
            RevisionId=change["revision"],
        )
    rows = [[change[name] for name in ("function", "current", "previous")] for change in changes]
    shown = table(["function", "from version", "to version"], rows)
    done = "Done." if yes else "Nothing was changed. Add --yes to do it."
    context.print_result({"dry_run": not yes, "changes": changes}, Group(shown, "", done))


def plan(client: "LambdaClient", functions: list[str]) -> Iterator[dict[str, str]]:
    """Return the changes that roll functions back. A function without an earlier version has none."""
    for function in functions:
        alias = client.get_alias(FunctionName=function, Name=ALIAS)
        current = alias["FunctionVersion"]
        pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        numbers = [version["Version"] for page in pages for version in page["Versions"]]
        earlier = [int(each) for each in numbers if each.isdigit() and int(each) < int(current)]
        if earlier:
            versions = {"current": current, "previous": str(max(earlier))}
            yield {"function": function, **versions, "revision": alias["RevisionId"]}
