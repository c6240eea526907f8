"""Unit tests are many and short: what their collection leaves is not searched for garbage again and again."""

import gc

gc.disable()  # while modules are imported and tests are collected


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
