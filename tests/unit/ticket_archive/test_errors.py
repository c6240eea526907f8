"""The error tree: distinguished by type and code, safe to log."""

import inspect
import re

from ticket_archive import errors
from ticket_archive.errors import (
    ArchiveError,
    RetryableError,
    VendorUnavailable,
)

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ArchiveError)]


def test_every_error_has_a_code_of_its_own() -> None:
    assert len({kind.code for kind in EVERY}) == len(EVERY) - 1, "InvalidTokenResponse has its parent's"
    assert all(re.fullmatch("[a-z_]+", kind.code) for kind in EVERY)


def test_only_what_may_pass_within_a_second_is_tried_again_at_once() -> None:
    quick = {kind for kind in EVERY if issubclass(kind, RetryableError) and kind.quick}
    assert quick == {VendorUnavailable}
