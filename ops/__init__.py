"""The operators' command line: `./ticket-archive --help` lists the commands, docs/operations.md describes them."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

for _folder in ("layers", "clients/python"):  # the functions' shared layer and the API's client
    if str(ROOT / _folder) not in sys.path:
        sys.path.append(str(ROOT / _folder))
