"""One module for each command. Importing this package adds them to the application, in the order of its help."""

# ruff: noqa: F401, I001
from ops.commands import status, listing, fetch, view
from ops.commands import backfill, settle, redrive
from ops.commands import export, audit, erase, hold, retention
from ops.commands import send_test_webhook, doctor, rollback
