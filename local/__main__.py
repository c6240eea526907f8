"""`python -m local`: the local stack's command line."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local import STATE, stack
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
        running = stack.up(STATE, Steps(console), vendor=vendor, port=port)
    except AlreadyUp as already:
        console.print(f"{already}")
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
