"""The error tree: distinguished by type and code, safe to log."""

import inspect
import re

import pytest

from ticket_archive import errors
from ticket_archive.errors import (
    ArchiveError,
    RetryableError,
    UnrecognizedResponse,
    VendorUnavailable,
)

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ArchiveError)]


def test_every_error_has_a_code_of_its_own() -> None:
    assert len({kind.code for kind in EVERY}) == len(EVERY) - 1, "InvalidTokenResponse has its parent's"
    assert all(re.fullmatch("[a-z_]+", kind.code) for kind in EVERY)


def test_only_what_may_pass_within_a_second_is_tried_again_at_once() -> None:
    quick = {kind for kind in EVERY if issubclass(kind, RetryableError) and kind.quick}
    assert quick == {VendorUnavailable}


@pytest.mark.parametrize("kind", [kind for kind in EVERY if issubclass(kind, RetryableError)])
def test_what_comes_later_can_say_when(kind: type[RetryableError]) -> None:
    assert kind("x", retry_after=7.5).retry_after == 7.5
    assert kind().retry_after is None


def test_an_unrecognized_body_is_in_no_text() -> None:
    error = UnrecognizedResponse("details_not_json", b"Canary Doe")
    assert error.body == b"Canary Doe"
    assert "Canary" not in str(error) + repr(error)
