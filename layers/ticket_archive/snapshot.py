"""What a function does when it is restored from a snapshot (SnapStart).

All copies start with the same memory, so nothing that is made at import may be a secret, a connection or random.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html and snapstart-runtime-hooks-python.html.
"""

import importlib
import os
import random

from ticket_archive import aws


def prepare(*services: str) -> None:
    """Prepare a snapshot, if one will be taken, of a function that calls these AWS services.

    Their models are in it, because reading them takes most of the first invocation's time. Each copy seeds the module
    `random`, from which botocore draws the pauses between its attempts.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        hooks = importlib.import_module("snapshot_restore_py")  # exists in Lambda's runtime only
        hooks.register_after_restore(random.seed)
        aws.load_models(*services)
