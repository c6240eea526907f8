"""The operators' command line: `./ticket-archive --help` lists the commands, docs/operations.md describes them."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# The functions' shared layer and the API's client.
sys.path.extend(str(ROOT / folder) for folder in ("layers", "clients/python"))
