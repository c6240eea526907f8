"""Do the same work for many tickets at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ops.errors import Failure, explain

WORKERS = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(
    work: Callable[[Item], Result], items: Iterable[Item], done: Callable[[], object] = lambda: None
) -> list[Result | Failure]:
    """Return each item's result, or its Failure: one item's error does not stop the others. `done` counts them."""

    def attempt(item: Item) -> Result | Failure:
        try:
            return work(item)
        except Exception as error:  # noqa: BLE001 - reported with the other results
            return explain(error)
        finally:
            done()

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(attempt, items))
