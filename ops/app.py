"""The Typer application: common options in any position, errors as one line and an exit code."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from ops.context import Context
from ops.errors import Exit, Failure, explain
from ticket_archive.models import customer_id, ticket_id

_FLAGS = {"--json", "--local"}
_WITH_VALUE = {"--profile", "--region", "--stack-name", "--stack-file"}
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class Commands(TyperGroup):
    """The group of all commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the common options to the front, where Typer expects a group's options."""
        return super().parse_args(ctx, hoist_common_options(args))

    def invoke(self, ctx: Any) -> Any:
        """Run a command; print any error as one line on stderr and exit with its code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _print_error("interrupted")
            raise typer.Exit(Exit.INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise  # Typer handles its own
        except Exception as error:  # noqa: BLE001 - an exception's own text may quote a ticket's content
            failure = explain(error)
            _print_error(str(failure))
            raise typer.Exit(failure.exit_code) from None


app = typer.Typer(
    cls=Commands,
    help="Find, view, export, recover and erase tickets of the IDV archive.",
    epilog=(
        "The options above may stand before or after the command. Exit codes: 0 done; 1 failed or not found; "
        "2 wrong usage; 3 access denied or AWS not reachable; 130 interrupted."
    ),
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _valid_ticket(ticket: str) -> str:
    return ticket_id(ticket)


def _valid_customer(customer: str | None) -> str | None:
    if customer is None or (code := customer_id(customer)) is not None:
        return customer and code
    raise Failure("not a customer code: use 1 to 256 printable characters", Exit.USAGE)


def _valid_code(code: str | None) -> str | None:
    if code is None or _CODE.fullmatch(code):
        return code
    raise Failure("a case or reason is a code: 1 to 64 of A-Z a-z 0-9 _ . -, no free text", Exit.USAGE)


Ticket = Annotated[str, typer.Argument(help="The ticket's id.", show_default=False, callback=_valid_ticket)]
Tickets = Annotated[list[str] | None, typer.Argument(help="Ticket ids.", show_default=False)]
IdFile = Annotated[typer.FileText | None, typer.Option(help="A file with one ticket id per line; - is stdin.")]
Customer = Annotated[str | None, typer.Option(help="All tickets of this customer.", callback=_valid_customer)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it. Without this option nothing is changed.")]
Rate = Annotated[float, typer.Option(min=0.01, max=1000, help="Messages per second at most.")]
Code = typer.Option(help="A code of your own, such as a case number. No free text.", callback=_valid_code)


def context_of(ctx: typer.Context) -> Context:
    """Return the context that the common options made."""
    context: Context = ctx.obj
    return context


def hoist_common_options(args: list[str]) -> list[str]:
    """Return the arguments with the common options first. Arguments after `--` keep their places."""
    common: list[str] = []
    others: list[str] = []
    remaining = iter(args)
    for arg in remaining:
        if arg == "--":
            others += [arg, *remaining]
        elif arg in _FLAGS or arg.partition("=")[0] in _WITH_VALUE:
            common.append(arg)
            if arg in _WITH_VALUE:
                common += [value for value in [next(remaining, None)] if value is not None]
        else:
            others.append(arg)
    return common + others


@contextmanager
def partial_results() -> Iterator[list[Failure]]:
    """Collect the failure that ends the block, so that the caller can print what was done and then raise it."""
    failures: list[Failure] = []
    try:
        yield failures
    except KeyboardInterrupt:
        failures.append(Failure("interrupted", Exit.INTERRUPTED))
    except Exception as error:  # noqa: BLE001 - the caller raises it
        failures.append(explain(error))


def _print_error(text: str) -> None:
    Console(stderr=True, highlight=False, emoji=False).print(text, style="red", markup=False, soft_wrap=True)
