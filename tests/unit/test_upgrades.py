"""An update of a deployed stack replaces no table, bucket, key, queue, secret or URL.

`stateful_resources.json` has the properties of installed stacks. If this test fails, an update would lose data or lose
track of it: plan a migration first (docs/deploying.md). Only new resources may be added to the record.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.template import SOURCE, Template, resource_schema

pytestmark = pytest.mark.xdist_group("cfn-lint")  # one worker loads its schemas

RECORD = json.loads((Path(__file__).parent / "stateful_resources.json").read_text(encoding="utf-8"))

# What replaces a resource AWS's own schemas say, as cfn-lint carries them. This is what they do not say.
AS_BAD_AS_REPLACED = {
    "AWS::DynamoDB::Table": ["KeySchema", "GlobalSecondaryIndexes/*/IndexName", "GlobalSecondaryIndexes/*/KeySchema"],
    "AWS::KMS::Key": ["KeySpec", "KeyUsage", "MultiRegion", "Origin"],
    "AWS::S3::Bucket": [],
    "AWS::SQS::Queue": [],
    "AWS::SecretsManager::Secret": ["GenerateSecretString", "SecretString"],  # a change makes a new value
    "AWS::Serverless::Api": ["StageName", "EndpointConfiguration"],  # part of the URL in the vendor's settings
}


def replacing(kind: str) -> list[str]:
    """Return the paths of a type's properties whose change replaces the resource."""
    if kind.startswith("AWS::Serverless::"):
        return []
    schema = resource_schema(kind)
    paths = [*schema.get("createOnlyProperties", []), *schema.get("conditionalCreateOnlyProperties", [])]
    return [path.removeprefix("/properties/") for path in paths]


def value(properties: Any, path: str) -> Any:
    """Return the value at `path`, in which `*` stands for each element of a list; None if there is none."""
    first, _, rest = path.partition("/")
    if first == "*":
        return [value(each, rest) for each in properties or []]
    found = properties.get(first) if isinstance(properties, dict) else None
    return value(found, rest) if rest and found is not None else found


def stateful(template: Template) -> dict[str, Any]:
    """Return the properties of a template's stateful resources that must not change."""
    record = {}
    for name, resource in template["Resources"].items():
        kind = resource["Type"]
        if kind in AS_BAD_AS_REPLACED:
            properties = resource.get("Properties", {})
            paths = sorted({*replacing(kind), *AS_BAD_AS_REPLACED[kind]})
            kept = {path: value(properties, path) for path in paths}
            record[name] = {"type": kind, **{path: found for path, found in kept.items() if found is not None}}
    return record


def test_nothing_that_holds_data_is_replaced_or_taken_away() -> None:
    found = stateful(SOURCE)
    assert {name: found.get(name) for name in RECORD} == RECORD
    new = {name: entry for name, entry in found.items() if name not in RECORD}
    assert not new, f"new, and to be recorded from its first release on: {json.dumps(new)}"


@pytest.mark.parametrize(
    ("name", "key", "new"),
    [
        ("Tickets", "TableName", "tickets"),
        ("Tickets", "KeySchema", [{"AttributeName": "ticket", "KeyType": "HASH"}]),
        ("Tickets", "GlobalSecondaryIndexes", []),
        ("Bucket", "BucketName", "tickets"),
        ("Key", "MultiRegion", True),
        ("TicketQueue", "QueueName", "tickets"),
        ("TicketQueue", "FifoQueue", True),
        ("VendorCredential", "Name", "vendor"),
        ("WebhookSecret", "GenerateSecretString", {"PasswordLength": 33}),
        ("Api", "StageName", "v2"),
    ],
)
def test_a_property_that_would_lose_data_is_noticed(name: str, key: str, new: Any) -> None:
    changed = copy.deepcopy(SOURCE)
    changed["Resources"][name]["Properties"][key] = new
    assert stateful(changed) != RECORD
