"""`rollback`: point the functions' alias at the version before, which undoes a bad deployment within seconds."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import typer
from rich.console import Group

from ops.app import app, context_of, partial_results
from ops.arguments import Yes
from ops.context import Rows
from ops.errors import Failure

ALIAS = "live"
"""The alias that every caller invokes; the output `FunctionAlias`."""
OUTPUTS = {"ingest": "IngestFunctionName", "retrieval": "RetrievalFunctionName"}
_TOGETHER = timedelta(minutes=30)
"""Within this time, a deployment publishes a version of each function that it changes."""
_SHOWN = ("function", "current", "deployed", "previous", "modified")


@app.command()
def rollback(
    ctx: typer.Context,
    only: Annotated[Literal["ingest", "retrieval"] | None, typer.Option(help="Roll back this function alone.")] = None,
    yes: Yes = False,
) -> None:
    """Point the functions' alias `live` at the versions before the current ones. Tables and queues are unchanged."""
    context = context_of(ctx)
    client = context.stack.client("lambda")
    names = [context.stack.output(OUTPUTS[each]) for each in ([only] if only else OUTPUTS)]
    changes = list(plan(client, names))
    first = [name for name in names if name not in {change["function"] for change in changes}]
    if not changes:
        raise Failure(f"no version before the current one: {', '.join(first)}; deploy the earlier code instead")
    for name in first:  # a deployment that changed one function gave the other no version
        context.note(f"{name} has no earlier version and stays as it is.", "yellow")
    last = max(datetime.fromisoformat(change["deployed"]) for change in changes)
    for change in list(changes):
        name, deployed = change["function"], change["deployed"]
        if last - datetime.fromisoformat(deployed) > _TOGETHER:  # the last deployment did not change it
            changes.remove(change)
            context.note(f"{name} stays as it is: its version is of {deployed}. --only rolls it back.", "yellow")
        elif change["state"] == "Inactive":
            context.note(
                f"Version {change['previous']} was not invoked for 14 days: it fails until it has a snapshot again. "
                f"Invoke it first: aws lambda invoke --function-name {name} "
                f"--qualifier {change['previous']} /dev/null",
                "yellow",
            )
    with partial_results() as failures:
        for change in changes if yes else ():
            client.update_alias(  # unless it has changed since it was read
                FunctionName=change["function"],
                Name=ALIAS,
                FunctionVersion=change["previous"],
                RevisionId=change["revision"],
            )
            change["done"] = True
    rows = [[*(change[name] for name in _SHOWN), "done" if change["done"] else "not changed"] for change in changes]
    shown = Rows(["function", "from version", "modified", "to version", "modified", ""], rows)
    hint = [] if yes else ["", "Nothing was changed. Add --yes to do it."]
    context.print_result({"dry_run": not yes, "changes": changes}, Group(shown, *hint))
    if failures:
        raise failures[0]


def plan(client: Any, functions: list[str]) -> Iterator[dict[str, Any]]:
    """Return the changes that roll functions back. A function without an earlier version has none.

    Raises Failure if an alias leads to two versions: CodeDeploy is shifting traffic from the current one to a newer
    one, and would continue.
    """
    for function in functions:
        alias = client.get_alias(FunctionName=function, Name=ALIAS)
        current = alias["FunctionVersion"]
        if newer := alias.get("RoutingConfig", {}).get("AdditionalVersionWeights"):
            raise Failure(
                f"CodeDeploy is shifting {function} from version {current} to {', '.join(newer)}: "
                "`aws deploy stop-deployment --auto-rollback-enabled --deployment-id ID` ends that; "
                "`aws deploy list-deployments --include-only-statuses InProgress` has the id"
            )
        pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        modified = {each["Version"]: each["LastModified"] for page in pages for each in page["Versions"]}
        earlier = [int(each) for each in modified if each.isdigit() and int(each) < int(current)]
        if earlier:
            previous = str(max(earlier))
            state = client.get_function_configuration(FunctionName=function, Qualifier=previous).get("State")
            versions = {"current": current, "previous": previous, "revision": alias["RevisionId"]}
            times = {"deployed": modified[current], "modified": modified[previous]}
            yield {"function": function, **versions, **times, "state": state, "done": False}
