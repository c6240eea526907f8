"""AWS clients that give the answers a test has told botocore's Stubber."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.stub import Stubber


@contextmanager
def answering(stubber: Stubber) -> Iterator[Stubber]:
    """Answer from the stubber; at the end every answer that it was told must have been asked for."""
    with stubber:
        yield stubber
        stubber.assert_no_pending_responses()
