"""`./ticket-archive`: the application with all its commands."""

import os

from ops import commands
from ops.app import app

__all__ = ["app", "commands", "main"]


def main() -> None:
    """Run a command. Files that it writes are readable by this user alone."""
    os.umask(0o077)
    app(prog_name="ticket-archive")
