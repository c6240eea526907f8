"""The error tree: distinguished by type and code, safe to log."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module

import pytest
from pydantic import BaseModel, ValidationError

from ticket_archive import errors
from ticket_archive.errors import ArchiveError

for module in ("ingest.dependencies", "retrieval.app", "ticket_archive_client"):
    import_module(module)
PACKAGES = ("ingest", "retrieval", "ticket_archive", "ticket_archive_client")
EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ArchiveError)]


def test_every_error_has_a_code_of_its_own() -> None:
    assert len({kind.code for kind in EVERY}) == len(EVERY) - 1, "InvalidTokenResponse has its parent's"
    assert all(re.fullmatch("[a-z_]+", kind.code) for kind in EVERY)


def models(base: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    for kind in base.__subclasses__():
        yield from models(kind)
        if kind.__module__.partition(".")[0] in PACKAGES:
            yield kind


@pytest.mark.parametrize("model", sorted(models(), key=str), ids=str)
def test_a_models_error_does_not_quote_what_was_validated(model: type[BaseModel]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(["canary", "canary"])
    assert "canary" not in str(caught.value)
