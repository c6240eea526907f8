"""Run the simulator: `python -m local.vendor --port 8090 --seed 1`. It prints its URL as one line of JSON."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from local.vendor.credential import Credential
from local.vendor.fault import Endpoint
from local.vendor.server import Simulator


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    options = _options()
    simulator = Simulator(
        options.seed,
        port=options.port,
        credential=Credential.load(options.credential) if options.credential else None,
        scale=options.scale,
        token_life=options.token_life,
        tls=(options.tls_certificate, options.tls_key) if options.tls_certificate else None,
        image_base=options.image_base,
    )
    simulator.latency(**dict(options.latency))
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with simulator:
        sys.stdout.write(json.dumps({**simulator.health(), "url": simulator.url}) + "\n")
        sys.stdout.flush()
        done.wait()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.vendor", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--credential", type=Path, help="JSON file with api_key, secret, tenant, env and banknu")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the size of every file")
    parser.add_argument("--token-life", type=float, default=1200, metavar="SECONDS")
    parser.add_argument("--tls-certificate", metavar="FILE", help="serve HTTPS with this certificate")
    parser.add_argument("--tls-key", metavar="FILE")
    parser.add_argument("--image-base", metavar="URL", help="origin of the image URLs")
    parser.add_argument(
        "--latency", action="append", default=[], type=_latency, metavar="ENDPOINT=MS", help=", ".join(Endpoint)
    )
    options = parser.parse_args()
    if bool(options.tls_certificate) != bool(options.tls_key):
        parser.error("--tls-certificate and --tls-key go together")
    return options


def _latency(text: str) -> tuple[str, float]:
    name, _, milliseconds = text.partition("=")
    return Endpoint(name).value, float(milliseconds)


if __name__ == "__main__":
    sys.exit(main())
