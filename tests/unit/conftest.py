"""Exclude the objects of collection from garbage collection, which many short tests would repeat."""

import gc

gc.disable()  # while modules are imported and tests are collected


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
