"""What runs on a developer's machine only: the local stack, the vendor simulator, the demo."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder."""

STATE = ROOT / ".local"
"""Where a developer's stack keeps what it needs to be found and stopped; never committed."""
