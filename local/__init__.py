"""The local stack, the vendor simulator and the demo: code that is never deployed."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
"""The state of the developer's stack; never committed."""

sys.path.extend(str(ROOT / folder) for folder in ("functions", "layers", "clients/python"))
