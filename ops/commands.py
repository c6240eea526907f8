"""How commands are called and how they end: common options anywhere, errors as one line and an exit code."""

from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from ops.context import Desk
from ops.errors import Exit, explain
from ticket_archive.models import ticket_id

_FLAGS = {"--json", "--local"}
_VALUED = {"--profile", "--region", "--stack-name", "--stack-file"}


class Commands(TyperGroup):
    """The group of all commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the common options in front, where Typer looks for a group's."""
        return super().parse_args(ctx, in_front(args))

    def invoke(self, ctx: Any) -> Any:
        """Runs a command; whatever it raises becomes a line on stderr and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _complain("interrupted")
            raise typer.Exit(Exit.INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise  # Typer's own affairs
        except Exception as error:  # noqa: BLE001 - an exception's own text may quote a ticket's content
            failure = explain(error)
            _complain(str(failure))
            raise typer.Exit(failure.exit_code) from None


app = typer.Typer(
    cls=Commands,
    help="Tickets of the IDV archive, for its operators: look, get out, bring back, erase.",
    epilog=(
        "These options may stand before or after the command. Exit codes: 0 done; 1 something failed or was not found; "
        "2 wrong usage; 3 not allowed or out of reach; 130 interrupted."
    ),
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _checked(ticket: str) -> str:
    """Checked before anything else: bad input needs no network. Raises InvalidRequest."""
    return ticket_id(ticket)


Ticket = Annotated[str, typer.Argument(help="The ticket's id.", show_default=False, callback=_checked)]


def desk_of(ctx: typer.Context) -> Desk:
    """What the common options made."""
    desk: Desk = ctx.obj
    return desk


def in_front(args: list[str]) -> list[str]:
    """The arguments with the common options first; what follows `--` is left alone."""
    common: list[str] = []
    others: list[str] = []
    waiting = iter(args)
    for arg in waiting:
        if arg == "--":
            others += [arg, *waiting]
        elif arg in _FLAGS or arg.partition("=")[0] in _VALUED:
            common.append(arg)
            if arg in _VALUED:
                common += [value for value in [next(waiting, None)] if value is not None]
        else:
            others.append(arg)
    return common + others


def _complain(text: str) -> None:
    Console(stderr=True, highlight=False, emoji=False).print(text, style="red", markup=False, soft_wrap=True)
