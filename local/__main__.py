"""`python -m local`: the local stack's command line."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local import STATE, sam, stack
from local.errors import AlreadyUp, LocalStackError
from local.terminal import Steps
from local.vendor.credential import Credential

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(highlight=False)


@app.command()
def up(
    vendor_url: Annotated[str | None, typer.Option(help="A vendor to ask instead of the simulator.")] = None,
    vendor_credential: Annotated[
        Path | None, typer.Option(help="JSON file with api_key, secret, tenant, env and banknu.", exists=True)
    ] = None,
    port: Annotated[int | None, typer.Option(help="The emulator's port; a free one by default.")] = None,
    docker: Annotated[bool, typer.Option("--docker", help="Open it to this machine's containers, too.")] = False,
) -> None:
    """Start the emulator and the vendor simulator, deploy template.yaml, write .local/stack.json."""
    if (vendor_url is None) != (vendor_credential is None):
        raise typer.BadParameter("--vendor-url and --vendor-credential go together")
    try:
        credential = Credential.load(vendor_credential) if vendor_credential else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    vendor = stack.Vendor(vendor_url, credential) if vendor_url and credential else None
    try:
        running = stack.up(STATE, Steps(console), vendor=vendor, port=port, docker=docker)
    except AlreadyUp as already:
        console.print(f"{already}")
        if docker and not (vendor or port):
            stack.open_to_containers(STATE, Steps(console))
        raise typer.Exit(1 if vendor or port else 0) from None
    console.print(f"\nWebhooks    {running.webhook_url}\nRetrieval   {running.api_url}", soft_wrap=True)
    console.print(f"Vendor      {running.vendor_url}\nAll of it   {STATE / 'stack.json'}", soft_wrap=True)
    console.print("\n`make down` stops it.")


@app.command()
def down() -> None:
    """Stop what `up` started, and nothing else."""
    ended = stack.down(STATE)
    console.print(f"Stopped: {', '.join(ended)}." if ended else "Nothing was running.")


@app.command()
def demo() -> None:
    """From an encrypted webhook to downloaded images, compared byte by byte; leaves nothing running that it started."""
    from local.demo import run

    raise typer.Exit(run(STATE, console))


_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
sam_app = typer.Typer(help="`sam local` against the stack that is up; what is not known here is handed on to it.")
app.add_typer(sam_app, name="sam", no_args_is_help=True)


@sam_app.command(context_settings=_PASSED_ON)
def invoke(context: typer.Context, event: Annotated[str, typer.Argument(help="Of .local/events, or a file.")]) -> None:
    """Hand an event to its function, once."""
    _sam(sam.invoke(sam.event_file(event, STATE / sam.EVENTS), context.args))


@sam_app.command(context_settings=_PASSED_ON)
def api(context: typer.Context) -> None:
    """Serve the API's routes on 127.0.0.1:3000."""
    _sam(sam.start_api(context.args))


@sam_app.command("lambda", context_settings=_PASSED_ON)
def lambda_(context: typer.Context) -> None:
    """Serve Lambda's own API on 127.0.0.1:3001."""
    _sam(sam.start_lambda(context.args))


@sam_app.command(context_settings=_PASSED_ON)
def invoke_all(context: typer.Context) -> None:
    """Hand every sample event to its function, one after the other."""
    running = stack.open_to_containers(STATE, Steps(console))
    failed = []
    for event in sorted((STATE / sam.EVENTS).glob("*.json")):
        console.rule(event.stem)
        if sam.run(sam.invoke(event, context.args), STATE / sam.SETTINGS, running.account):
            failed.append(event.stem)
    console.print(f"`sam local invoke` failed for: {', '.join(failed)}" if failed else "Every event had its answer.")
    raise typer.Exit(bool(failed))


def _sam(arguments: list[str]) -> None:
    running = stack.open_to_containers(STATE, Steps(console))
    raise typer.Exit(sam.run(arguments, STATE / sam.SETTINGS, running.account))


def main() -> None:
    """Run a command; a LocalStackError is told without a traceback."""
    # Ended politely is ended cleanly: what was started is stopped first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.umask(0o077)
    try:
        app()
    except LocalStackError as error:
        Console(stderr=True, highlight=False).print(f"{error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
