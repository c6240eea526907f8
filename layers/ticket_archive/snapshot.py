"""What a function does when it is restored from a snapshot (SnapStart).

All copies start with the same memory, so nothing that is made at import may be a secret, a connection or random.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html and snapstart-runtime-hooks-python.html.
"""

import importlib
import os
import random


def reseed_after_restore() -> None:
    """Seed the module `random` in each copy of a snapshot: botocore draws the pauses between its attempts from it."""
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        hooks = importlib.import_module("snapshot_restore_py")  # exists in Lambda's runtime only
        hooks.register_after_restore(random.seed)
