"""Makes botocore small: what it knows of services that nobody calls is read at every cold start, or only carried along.

botocore describes four hundred services in two thousand files, which every package carries and every new worker of the
local stack unpacks. The list of their endpoints, 1.2 MB of JSON, is parsed for the first client of every process: 20 ms
of CPU, and 1 ms once it holds the services that are called.
"""

import json
import shutil
import sys
from pathlib import Path


def trim(data: Path, services: set[str]) -> None:
    """Keeps these services' descriptions in botocore's data folder, and their entries in its list of endpoints."""
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in services:
            shutil.rmtree(folder)
    listed = data / "endpoints.json"
    endpoints = json.loads(listed.read_text())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: of for name, of in partition["services"].items() if name in services}
    listed.write_text(json.dumps(endpoints, separators=(",", ":")))


if __name__ == "__main__":
    trim(Path(sys.argv[1]), set(sys.argv[2:]))
