"""What a function does about being continued from a snapshot of its initialised process (SnapStart).

Every copy begins with the same memory. So nothing that is made at import may be a secret, a connection or drawn by
chance, and what is slow to load had better be in the snapshot than be loaded by each copy.
Sources: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html and snapstart-runtime-hooks-python.html.
"""

import importlib
import os
import random


def prepare(*modules: str) -> None:
    """To be called at import. Where a snapshot will be taken: loads the modules, and has each copy draw its own chance.

    The latter is for libraries: botocore draws the pauses between its tries from the module `random`.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return
    for module in modules:
        importlib.import_module(module)
    hooks = importlib.import_module("snapshot_restore_py")  # the runtime's own; nowhere else is it needed
    hooks.register_after_restore(random.seed)
