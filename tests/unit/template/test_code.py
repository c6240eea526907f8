"""The template and the code agree: settings, tables, secrets, events, memory."""

import json
import re
from typing import Any
from unittest.mock import MagicMock

import boto3
import pytest

from bench import memory
from ingest.dependencies import MAX_CONCURRENT_CALLS
from ingest.messaging.idempotency import EventIdempotency
from ingest.settings import IngestSettings
from retrieval.settings import MAX_LIFETIME, MIN_LIFETIME, RetrievalSettings
from tests.support.template import SOURCE, expanded, look, of_type, properties, statements
from tests.unit.ingest.test_settings import REQUIRED
from ticket_archive.errors import SettingsError
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.models import ImageType
from ticket_archive.secrets import VendorCredential
from ticket_archive.table import BY_CUSTOMER, INCOMPLETE_INDEX, Due, TicketTable
from ticket_archive.webhook_encryption import check_secret

MODELS: dict[str, Any] = {"IngestFunction": IngestSettings, "RetrievalFunction": RetrievalSettings}
VARIABLES = {
    name: {
        key: value
        for each in (SOURCE["Globals"]["Function"], properties(SOURCE, name))
        for key, value in each["Environment"]["Variables"].items()
    }
    for name in MODELS
}


def accepts(function: str, name: str, value: object) -> bool:
    """Whether the function's settings accept a variable's value."""
    try:
        MODELS[function].read({**REQUIRED, name: str(value)})
    except SettingsError:
        return False
    return True


PASSED = [
    (function, name, value["Ref"])
    for function, variables in VARIABLES.items()
    for name, value in variables.items()
    if isinstance(value, dict) and value.get("Ref") in SOURCE["Parameters"] and not name.startswith("POWERTOOLS_")
]


@pytest.mark.parametrize(("function", "variable", "name"), PASSED)
def test_settings_accept_what_the_parameter_allows(function: str, variable: str, name: str) -> None:
    declared = SOURCE["Parameters"][name]
    values = [declared["Default"], *(declared[bound] for bound in ("MinValue", "MaxValue") if bound in declared)]
    for value in [*values, *declared.get("AllowedValues", ())]:
        assert accepts(function, variable, value), value


@pytest.mark.parametrize("function", MODELS)
def test_every_setting_has_a_variable_and_every_variable_a_setting(function: str) -> None:
    variables = {name for name in VARIABLES[function] if not name.startswith(("POWERTOOLS_", "MALLOC_"))}
    settings = {name.upper() for name in MODELS[function].model_fields}
    read_elsewhere = {"IngestFunction": "WEBHOOK_CREDENTIALS_SECRET", "RetrievalFunction": "ALLOWED_ORIGINS"}
    assert variables - settings == {"AWS_ENDPOINT_URL", read_elsewhere[function]}
    assert settings <= variables


@pytest.mark.parametrize(
    ("name", "function", "variable", "least", "most"),
    [
        ("RetryDelaySeconds", "IngestFunction", "RETRY_DELAY_SECONDS", 1, 900),
        ("UrlLifeSeconds", "RetrievalFunction", "URL_LIFE_SECONDS", MIN_LIFETIME, MAX_LIFETIME),
    ],
)
def test_parameter_has_its_settings_bounds(name: str, function: str, variable: str, least: int, most: int) -> None:
    assert [SOURCE["Parameters"][name][bound] for bound in ("MinValue", "MaxValue")] == [least, most]
    assert not accepts(function, variable, least - 1)
    assert not accepts(function, variable, most + 1)


def test_every_image_type_is_archived_by_default() -> None:
    parameter = SOURCE["Parameters"]["ImageTypes"]
    assert parameter["Default"].split(",") == [each.value for each in ImageType]
    assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"])


def test_description_names_the_concurrent_calls_of_the_code() -> None:
    described = SOURCE["Parameters"]["VendorMaxConcurrency"]["Description"]
    assert re.findall(r"\d+", described) == [str(MAX_CONCURRENT_CALLS)]


def test_ingest_has_twice_the_memory_that_the_benchmark_allows() -> None:
    assert properties(expanded(), "IngestFunction")["MemorySize"] >= 2 * memory.BATCH_MB


def test_schedule_sends_the_event_that_the_entry_point_knows() -> None:
    assert json.loads(look(expanded(), "IngestFunctionSchedule/Target/Input")) == {"source": SCHEDULE_SOURCE}


def test_time_to_live_uses_the_attributes_that_the_code_writes() -> None:
    client = boto3.client("dynamodb", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    store = EventIdempotency(client, "Idempotency")._store
    for name, attribute in (("Tickets", "expires_at"), ("Idempotency", store.expiry_attr)):
        ttl = properties(expanded(), name)["TimeToLiveSpecification"]
        assert ttl == {"AttributeName": attribute, "Enabled": True}
    assert properties(expanded(), "Idempotency")["KeySchema"] == [{"AttributeName": store.key_attr, "KeyType": "HASH"}]


@pytest.fixture
def dynamodb() -> MagicMock:
    """A client that recorded an event's record and the table's queries."""
    client = MagicMock()
    client.query.return_value = {"Items": []}
    table = TicketTable(client, "Tickets")
    table.put_event("T-1", "e1", "2026", "x", 1_900_000_000)
    table.listed(Due.INCOMPLETE, 1)
    table.by_customer("C-1", 1, None)
    return client


def keys(schema: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(each["AttributeName"] for each in sorted(schema, key=lambda each: each["KeyType"]))


def test_indexes_match_the_codes_queries_and_project_nothing_personal(dynamodb: MagicMock) -> None:
    indexes = {each["IndexName"]: each for each in properties(expanded(), "Tickets")["GlobalSecondaryIndexes"]}
    queried = {call.kwargs["IndexName"] for call in dynamodb.query.call_args_list}
    assert set(indexes) == queried == {BY_CUSTOMER, INCOMPLETE_INDEX}
    assert keys(indexes[BY_CUSTOMER]["KeySchema"]) == ("customer", "archived_at")
    assert keys(indexes[INCOMPLETE_INDEX]["KeySchema"]) == ("incomplete", "retry_at")
    assert keys(properties(expanded(), "Tickets")["KeySchema"]) == ("ticket", "record")
    projected = {name: set(each["Projection"]["NonKeyAttributes"]) for name, each in indexes.items()}
    assert projected[BY_CUSTOMER] == {"state", "outcome", "version", "disposition"}
    assert {"received_at", "requeues"} <= projected[INCOMPLETE_INDEX]


def test_event_records_are_within_what_ingest_may_put(dynamodb: MagicMock) -> None:
    deny = statements(expanded(), "IngestRole")["DenyReplacingTickets"]
    (denied,) = deny["Condition"]["ForAnyValue:StringEquals"].values()
    item = dynamodb.put_item.call_args.kwargs["Item"]
    assert item["expires_at"] == {"N": "1900000000"}
    assert not item.keys() & set(denied)


def test_secrets_are_generated_in_the_form_that_the_code_reads() -> None:
    secrets = {
        name: each["GenerateSecretString"] for name, each in of_type(expanded(), "SecretsManager::Secret").items()
    }
    generated, credential = secrets["WebhookSecret"], secrets["VendorCredential"]
    assert (generated["GenerateStringKey"], generated["ExcludePunctuation"]) == ("secret", True)
    assert check_secret("x" * generated["PasswordLength"])
    blank = json.loads(credential["SecretStringTemplate"])
    assert {*blank, credential["GenerateStringKey"]} == set(VendorCredential.model_fields)
    assert not any(blank.values())
