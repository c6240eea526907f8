"""Requests that fit the API's description, and others: no server error, no undocumented response.

`make fuzz` sends 2,000 to each route; FUZZ_REQUESTS says how many.
"""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ingest import dependencies
from retrieval import app, audit
from tests.fuzz.api import DOCUMENT, gateway
from tests.support.fakes import FakeQueue
from tests.support.logs import log_lines
from tests.unit.retrieval.fakes import CUSTOMER, TICKET, World, sha256_of
from ticket_archive.models import ImageType
from ticket_archive.telemetry import metrics

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "60"))
KNOWN = {"ticket": TICKET, "customer": CUSTOMER, "sha256": sha256_of(ImageType.DOCUMENT)}
ROUTES = sorted((path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods)


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One archived ticket, and discarded logs."""
    monkeypatch.setattr(app, "dependencies", World())
    monkeypatch.setattr(dependencies, "webhook", lambda: (FakeQueue(), lambda: None))
    with log_lines(audit._logger):
        yield


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("path", "method"), ROUTES)
@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"], ids=["fitting", "breaking"])
def test_no_request_gets_a_server_error_or_an_undocumented_response(path: str, method: str, mode: str) -> None:
    import schemathesis  # takes a second, which the collection in each worker need not spend
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    required = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    operation = schemathesis.openapi.from_wsgi("/openapi.json", gateway)[path][method]
    seen: Counter[int] = Counter()

    @settings(
        max_examples=REQUESTS // 2,
        phases=[Phase.explicit, Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]), known=st.booleans())
    def send(case: Any, known: bool) -> None:
        if known:  # or nearly every one would be about something that is not there
            case.path_parameters = {**case.path_parameters, **{n: KNOWN[n] for n in case.path_parameters if n in KNOWN}}
        response = case.call()
        metrics.clear_metrics()
        if response.status_code == 403:  # no route: API Gateway's own answer
            return
        case.validate_response(response, checks=[not_a_server_error, *required])
        seen[response.status_code] += 1

    send()
    assert sum(seen.values()) > REQUESTS // 8, seen
