"""Run the simulator: `python -m local.vendor --port 8090 --seed 1`. It prints its URL as one line of JSON."""

import json
import signal
from pathlib import Path
from typing import Annotated

import typer

from local.vendor.credential import Credential
from local.vendor.server import Simulator

END = {signal.SIGTERM, signal.SIGINT}


def main(
    port: Annotated[int, typer.Option(help="Default: a free one.")] = 0,
    seed: int = 1,
    credential: Annotated[
        Path | None, typer.Option(help="JSON file with api_key, secret, tenant, env and banknu.", exists=True)
    ] = None,
) -> None:
    """Serve the vendor's API until SIGTERM or SIGINT."""
    signal.pthread_sigmask(signal.SIG_BLOCK, END)  # before any thread starts, which would receive them
    with Simulator(seed, port=port, credential=Credential.load(credential) if credential else None) as simulator:
        print(json.dumps(simulator.health()), flush=True)
        signal.sigwait(END)


if __name__ == "__main__":
    typer.run(main)
