"""One operator on call for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.operations.on_call import OnCall
from tests.support.stack import LocalStack


@pytest.fixture(scope="package")
def on_call(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnCall]:
    stack.vendor("reset")
    made = OnCall(stack, tmp_path_factory.mktemp("operator"))
    yield made
    stack.vendor("reset")
    for mapping in stack.functions.list_event_source_mappings()["EventSourceMappings"]:
        stack.functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)  # if a test failed meanwhile
