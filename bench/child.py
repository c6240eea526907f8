"""What runs in a measurement's own interpreter: one function of this package, its result into a file."""

import importlib
import json
import sys
from pathlib import Path


def main(function: str, given: str, out: str) -> None:
    """`function` is `module.name`, `given` its arguments as a JSON object."""
    module, _, name = function.rpartition(".")
    result = getattr(importlib.import_module(f"bench.{module}"), name)(**json.loads(given))
    Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
