"""Run the simulator: `python -m local.vendor --port 8090 --seed 1`. It prints its URL as one line of JSON."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from local.vendor.credential import Credential
from local.vendor.server import Simulator


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m local.vendor", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--credential", type=Path, help="JSON file with api_key, secret, tenant, env and banknu")
    options = parser.parse_args()
    credential = Credential.load(options.credential) if options.credential else None
    simulator = Simulator(options.seed, port=options.port, credential=credential)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with simulator:
        sys.stdout.write(json.dumps({**simulator.health(), "url": simulator.url}) + "\n")
        sys.stdout.flush()
        done.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
