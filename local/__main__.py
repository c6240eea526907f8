"""`python -m local`: the local stack's command line."""

import os
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local import STATE, stack
from local.containers import find_engine
from local.errors import AlreadyUp, LocalStackError
from local.sam import EVENTS, SETTINGS, SamLocal, event_file, install_debugger
from local.terminal import SILENT, recorder, save_svg, step
from local.vendor.credential import Credential

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console = Console(highlight=False)


@app.command()
def up(
    vendor_url: Annotated[str | None, typer.Option(help="A vendor to call instead of the simulator.")] = None,
    vendor_credential: Annotated[
        Path | None, typer.Option(help="JSON file with api_key, secret, tenant, env and banknu.", exists=True)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The emulator's port; a free one by default.")
    ] = None,
    docker: Annotated[bool, typer.Option("--docker", help="Let this machine's containers reach the stack.")] = False,
) -> None:
    """Start the emulator and the vendor simulator, deploy template.yaml, write .local/stack.json."""
    if (vendor_url is None) != (vendor_credential is None):
        raise typer.BadParameter("--vendor-url and --vendor-credential go together")
    try:
        credential = Credential.load(vendor_credential) if vendor_credential else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    vendor = stack.Vendor(vendor_url, credential) if vendor_url and credential else None
    if docker:
        find_engine()  # fail before the minute that a deployment takes
    try:
        running = stack.up(STATE, console, vendor=vendor, port=port)
    except AlreadyUp as already:
        console.print(f"{already}")
        if vendor or port:
            raise typer.Exit(1) from None
    else:
        console.print(f"\nWebhooks    {running.webhook_url}\nRetrieval   {running.api_url}", soft_wrap=True)
        console.print(f"Vendor      {running.vendor_url}\nDetails     {STATE / 'stack.json'}", soft_wrap=True)
        console.print("\n`make env` prints what a program needs to call it; `make down` stops it.")
    if docker:
        stack.open_to_containers(STATE, console)


@app.command()
def down() -> None:
    """Stop what `up` started."""
    ended = stack.down(STATE)
    console.print(f"Stopped: {', '.join(ended)}." if ended else "Nothing was running.")


@app.command("env")
def stack_env() -> None:
    """Print the variables for programs that call the stack, for `eval "$(make --silent env)"`."""
    _print_exports(stack.Stack.load(STATE).variables)


@app.command()
def demo(
    tickets: Annotated[int | None, typer.Option(min=1, help="How many tickets; by default one of every kind.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Record the output in this file.")] = None,
) -> None:
    """Post encrypted webhooks, download the images and compare every byte; stop what it started."""
    from local.demo import run

    shown = recorder() if svg else console
    status = run(STATE, shown, tickets)
    if svg:
        save_svg(shown, svg, "make demo")
    raise typer.Exit(status)


EXTRA = {"allow_extra_args": True, "ignore_unknown_options": True}
sam_app = typer.Typer(help="`sam local` against the running stack; other options are passed on to it.")
app.add_typer(sam_app, name="sam", no_args_is_help=True)

Event = Annotated[str, typer.Argument(help="A sample event of .local/events, or a file.")]
Port = Annotated[int, typer.Option("--port", "-p", min=1, max=65535, help="The port to listen on.")]


@sam_app.command()
def check() -> None:
    """Check that the stack is running and a container engine answers, and let its containers reach the stack."""
    _sam()


@sam_app.command(context_settings=EXTRA)
def invoke(context: typer.Context, event: Event) -> None:
    """Pass an event to its function, once."""
    raise typer.Exit(_sam().invoke(event_file(event, STATE / EVENTS), *context.args))


@sam_app.command(context_settings=EXTRA)
def invoke_all(context: typer.Context) -> None:
    """Pass every sample event to its function and check the responses."""
    failed = 0
    for name, problem in _sam().invoke_all(STATE / EVENTS, STATE / "logs" / "sam-invoke-all.log", *context.args):
        console.print(f"[red]✗[/] {name}: {problem}" if problem else f"[green]✓[/] {name}", soft_wrap=True)
        failed += bool(problem)
    console.print(f"{failed} events failed." if failed else "Every event had the expected response.")
    raise typer.Exit(bool(failed))


@sam_app.command(context_settings=EXTRA)
def debug(
    context: typer.Context,
    event: Event,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port that the debugger attaches to.")] = 5678,
) -> None:
    """Pass an event to its function under debugpy, which waits for a debugger."""
    sam = _sam()
    path = event_file(event, STATE / EVENTS)
    with step(console, "Installing debugpy for the container's Python"):
        install_debugger(STATE / "cache" / "debugpy")
    console.print(f"Attach to 127.0.0.1:{port}: in VS Code the configuration “Attach to sam local” (F5).")
    raise typer.Exit(sam.debug(path, STATE / "cache" / "debugpy", port, *context.args))


@sam_app.command(context_settings=EXTRA)
def api(context: typer.Context, port: Port = 3000) -> None:
    """Serve the API's routes on 127.0.0.1."""
    raise typer.Exit(_sam().serve("start-api", port, *context.args))


@sam_app.command("lambda", context_settings=EXTRA)
def lambda_(context: typer.Context, port: Port = 3001) -> None:
    """Serve Lambda's API on 127.0.0.1."""
    raise typer.Exit(_sam().serve("start-lambda", port, *context.args))


@sam_app.command()
def env() -> None:
    """Print the variables that `sam local` needs, for `eval "$(make --silent sam-env)"`."""
    _print_exports(_sam(quiet=True).variables())


def _print_exports(variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def _sam(*, quiet: bool = False) -> SamLocal:
    running, engine = stack.open_to_containers(STATE, SILENT if quiet else console)
    return SamLocal(STATE / SETTINGS, running.account, engine.docker_host, has_base_image=engine.has_base_image)


def main() -> None:
    """Run a command; print a LocalStackError without a traceback."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # stop what was started before this process ends
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    os.umask(0o077)
    try:
        app()
    except LocalStackError as error:
        Console(stderr=True, highlight=False).print(f"{error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
