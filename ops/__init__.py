"""The operators' command line: looking at tickets, getting them out, bringing them back, erasing them.

`./ticket-archive --help` lists the commands; docs/operations.md has a section for each.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# The functions' own code is used, where it lies: the same messages, the same layout, the same rules.
for _folder in ("functions", "layers"):
    if str(ROOT / _folder) not in sys.path:
        sys.path.append(str(ROOT / _folder))
