"""The Typer application: common options in any position, errors as one line and an exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ops.context import Context, console
from ops.errors import Failure, explain
from ops.stack import LOCAL

_FLAGS = {"--json", "--local"}
_WITH_VALUE = {"--profile", "--region", "--stack-name", "--stack-file"}


class Commands(TyperGroup):
    """The group of all commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the common options to the front, where Typer expects a group's options."""
        return super().parse_args(ctx, hoist_common_options(args))

    def invoke(self, ctx: Any) -> Any:
        """Run a command; print any error as one line on stderr and exit with its code."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise  # Typer handles its own
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - its own text may quote a ticket's content
            failure = explain(error)
            console(stderr=True).print(str(failure), style="red", soft_wrap=True)
            raise typer.Exit(failure.exit_code) from None


app = typer.Typer(
    cls=Commands,
    help="Find, view, export, recover and erase tickets of the IDV archive.",
    epilog=(
        "The options above may come before or after the command. Exit codes: 0 done; 1 failed or not found; "
        "2 wrong usage; 3 access denied or AWS not reachable; 130 interrupted."
    ),
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def common(
    ctx: typer.Context,
    profile: Annotated[str | None, typer.Option(help="AWS profile.")] = None,
    region: Annotated[str | None, typer.Option(help="AWS region. Default: the profile's.")] = None,
    stack_name: Annotated[str, typer.Option(help="The CloudFormation stack.")] = Context.stack_name,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Use the local stack that `make up` started.")] = False,
    stack_file: Annotated[Path | None, typer.Option(help="Use another local stack's stack.json.")] = None,
) -> None:
    """Store the common options for the command."""
    ctx.obj = Context(profile, region, stack_name, stack_file or (LOCAL if local else None), as_json)


def context_of(ctx: typer.Context) -> Context:
    """Return the context that the common options made."""
    context: Context = ctx.obj
    return context


def hoist_common_options(args: list[str]) -> list[str]:
    """Return the arguments with the common options first. Arguments after `--` keep their places.

    An option without its value is returned alone, so that Typer names it instead of taking the command as the value.
    """
    common: list[str] = []
    others: list[str] = []
    remaining = iter(args)
    for arg in remaining:
        if arg == "--":
            others += [arg, *remaining]
        elif arg in _FLAGS or arg.partition("=")[0] in _WITH_VALUE:
            common.append(arg)
            if arg in _WITH_VALUE:
                if (value := next(remaining, None)) is None:
                    return [arg]
                common.append(value)
        else:
            others.append(arg)
    return common + others


@contextmanager
def partial_results() -> Iterator[list[Failure]]:
    """Collect the failure that ends the block, so that the caller can print what was done and then raise it."""
    failures: list[Failure] = []
    try:
        yield failures
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the caller raises it
        failures.append(explain(error))
