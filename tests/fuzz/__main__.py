"""`python -m tests.fuzz [--count N] [--seed N]`: pass mutated inputs to each target, on every core.

With Atheris (Linux) installed, coverage-guided inputs follow.
"""

import argparse
import importlib.util
import multiprocessing
import os
import subprocess
import sys
import time

from tests.fuzz import targets

ATHERIS = """
import sys, atheris
with atheris.instrument_imports(include=["ingest", "ticket_archive"]):
    from tests.fuzz import targets
atheris.Setup([sys.argv[0], "-max_len=8192", "-timeout=5", *sys.argv[2:]], targets.TARGETS[sys.argv[1]])
atheris.Fuzz()
"""


def main() -> None:
    """Run the targets. Raises the first undocumented exception; exits with Atheris's code if that finds one."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    cores = os.cpu_count() or 1
    share = -(-asked.count // cores)
    with multiprocessing.Pool(cores) as pool:
        for name in targets.TARGETS:
            began = time.monotonic()
            pool.starmap(targets.run, [(name, share, asked.seed + core) for core in range(cores)])
            seconds = time.monotonic() - began
            print(f"{name}: {share * cores:,} bodies from seed {asked.seed} in {seconds:.0f} s: documented errors only")  # noqa: T201
    if importlib.util.find_spec("atheris"):
        for name in targets.TARGETS:
            done = subprocess.run([sys.executable, "-c", ATHERIS, name, f"-runs={asked.count}"], check=False)
            if done.returncode:
                sys.exit(done.returncode)


if __name__ == "__main__":
    main()
