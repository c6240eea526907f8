"""A function as it is in a snapshot (SnapStart): imported as Lambda imports it before it takes one."""

import os
from importlib import import_module

os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
lambda_handler = import_module(os.environ["FUNCTION"]).lambda_handler
del os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]  # AWS's runtime client would wait for a restore, which only AWS has
