"""The operators' command line.

`./ticket-archive --help` lists the commands; docs/operations.md has a section for each.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if str(ROOT / "layers") not in sys.path:
    sys.path.append(str(ROOT / "layers"))  # the functions' shared layer, used from where it lies
