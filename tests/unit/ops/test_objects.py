"""The bucket as operators use it, against botocore's Stubber."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from ops.objects import Objects, Version


class Stub:
    def __init__(self) -> None:
        client = boto3.client("s3", aws_access_key_id="a", aws_secret_access_key="b")
        self.objects = Objects(client, "bucket")
        self.stubber = Stubber(client)


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    with made.stubber:
        yield made
        made.stubber.assert_no_pending_responses()


def entry(key: str, version: str) -> dict[str, Any]:
    return {"Key": key, "VersionId": version, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}


def test_versions_and_delete_markers_of_all_pages_are_found(stub: Stub) -> None:
    first = {
        "Versions": [entry("tickets/t1/a", "1"), entry("tickets/t1/a", "2")],
        "DeleteMarkers": [entry("tickets/t1/a", "3")],
        "IsTruncated": True,
        "NextKeyMarker": "tickets/t1/a",
        "NextVersionIdMarker": "3",
    }
    asked = {"Bucket": "bucket", "Prefix": "tickets/t1/"}
    stub.stubber.add_response("list_object_versions", first, asked)
    again = {**asked, "KeyMarker": "tickets/t1/a", "VersionIdMarker": "3"}
    stub.stubber.add_response("list_object_versions", {"Versions": [entry("tickets/t1/b", "null")]}, again)

    assert list(stub.objects.versions("tickets/t1/")) == [
        Version("tickets/t1/a", "1"),
        Version("tickets/t1/a", "2"),
        Version("tickets/t1/a", "3"),
        Version("tickets/t1/b", "null"),
    ]


def test_deletions_name_versions_and_go_a_thousand_at_once(stub: Stub) -> None:
    versions = [Version(f"k{number}", "v") for number in range(1001)]
    for part in (versions[:1000], versions[1000:]):
        objects = [{"Key": key, "VersionId": version} for key, version in part]
        stub.stubber.add_response(
            "delete_objects", {}, {"Bucket": "bucket", "Delete": {"Objects": objects, "Quiet": True}}
        )

    assert stub.objects.delete(versions) == []


def test_what_s3_refuses_to_delete_is_told(stub: Stub) -> None:
    answer = {"Errors": [{"Key": "k", "VersionId": "v", "Code": "AccessDenied", "Message": "m"}]}
    stub.stubber.add_response("delete_objects", answer)

    assert stub.objects.delete([Version("k", "v"), Version("l", "v")]) == [Version("k", "v")]


def test_nothing_is_asked_where_nothing_is_to_be_deleted(stub: Stub) -> None:
    assert stub.objects.delete([]) == []


def test_an_object_that_is_not_there_does_not_exist(stub: Stub) -> None:
    stub.stubber.add_response("head_object", {})
    stub.stubber.add_client_error("head_object", "404", http_status_code=404)

    assert stub.objects.exists("k")
    assert not stub.objects.exists("k")


def test_not_being_allowed_to_look_is_no_absence(stub: Stub) -> None:
    stub.stubber.add_client_error("head_object", "403", http_status_code=403)

    with pytest.raises(ClientError):
        stub.objects.exists("k")
