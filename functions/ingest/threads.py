"""Threads that go on where they were started from."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """Threads with the context of whoever submits, so that what they log and trace names the same ticket."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As the pool's own."""
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))
