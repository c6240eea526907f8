"""Run the simulator until it is killed: `python -m local.vendor PORT SEED`."""

import signal
import sys

from local.vendor.server import Simulator

if __name__ == "__main__":
    with Simulator(int(sys.argv[2]), port=int(sys.argv[1])):
        signal.pause()
