"""One operator and one night for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.operations.night import Night
from tests.support.stack import LocalStack


@pytest.fixture(scope="package")
def night(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    stack.vendor("reset")
    yield Night(stack, tmp_path_factory.mktemp("operator"))
    stack.vendor("reset")
