"""The peak of the memory that Python allocates within a block."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


class Peak:
    """`bytes` is known when the block has ended."""

    bytes = 0


@contextmanager
def peak_of_memory() -> Iterator[Peak]:
    peak = Peak()
    tracemalloc.start()
    try:
        yield peak
        peak.bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
