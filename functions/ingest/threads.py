"""A thread pool whose tasks log the identifiers of the thread that submitted them."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class ContextThreadPool(ThreadPoolExecutor):
    """Runs every task in a copy of the submitter's context, and can wait for all of them."""

    def __init__(self, max_workers: int, thread_name_prefix: str) -> None:
        super().__init__(max_workers, thread_name_prefix)
        self._unfinished: set[Future[Any]] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a task as ThreadPoolExecutor does."""
        context = copy_context()
        future = super().submit(lambda: context.run(fn, *args, **kwargs))
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def drain(self) -> None:
        """Cancel the tasks that have not begun, and wait for the others."""
        while unfinished := self._unfinished.copy():
            for future in unfinished:
                future.cancel()
            wait(unfinished)
