"""The operators' bucket against botocore's Stubber."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from ops.bucket import OperatorBucket, Version
from tests.support.stubbing import client, stubbed

BUCKET = OperatorBucket(client("s3"), "bucket")
s3 = stubbed("s3")


def entry(key: str, version: str) -> dict[str, Any]:
    return {"Key": key, "VersionId": version, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}


def test_versions_and_delete_markers_of_all_pages_are_found(s3: Stubber) -> None:
    first = {
        "Versions": [entry("tickets/t1/a", "1"), entry("tickets/t1/a", "2")],
        "DeleteMarkers": [entry("tickets/t1/a", "3")],
        "IsTruncated": True,
        "NextKeyMarker": "tickets/t1/a",
        "NextVersionIdMarker": "3",
    }
    asked = {"Bucket": "bucket", "Prefix": "tickets/t1/"}
    s3.add_response("list_object_versions", first, asked)
    again = {**asked, "KeyMarker": "tickets/t1/a", "VersionIdMarker": "3"}
    s3.add_response("list_object_versions", {"Versions": [entry("tickets/t1/b", "null")]}, again)

    assert list(BUCKET.versions("t1")) == [
        Version("tickets/t1/a", "1"),
        Version("tickets/t1/a", "2"),
        Version("tickets/t1/a", "3"),
        Version("tickets/t1/b", "null"),
    ]


def test_versions_are_deleted_in_batches_of_a_thousand(s3: Stubber) -> None:
    versions = [Version(f"k{number}", "v") for number in range(1001)]
    for part in (versions[:1000], versions[1000:]):
        objects = [{"Key": key, "VersionId": version} for key, version in part]
        s3.add_response("delete_objects", {}, {"Bucket": "bucket", "Delete": {"Objects": objects, "Quiet": True}})
    assert BUCKET.delete(versions) == []


def test_versions_that_s3_does_not_delete_are_returned(s3: Stubber) -> None:
    answer = {"Errors": [{"Key": "k", "VersionId": "v", "Code": "AccessDenied", "Message": "m"}]}
    s3.add_response("delete_objects", answer)
    assert BUCKET.delete([Version("k", "v"), Version("l", "v")]) == [Version("k", "v")]


def test_deleting_nothing_makes_no_call(s3: Stubber) -> None:
    assert BUCKET.delete([]) == []


@pytest.mark.parametrize(("tags", "expiring"), [([], True), ([{"Key": "retention", "Value": "limited"}], False)])
def test_the_retention_tag_is_changed_and_other_tags_stay(
    tags: list[dict[str, str]], expiring: bool, s3: Stubber
) -> None:
    at = {"Bucket": "bucket", "Key": "k", "VersionId": "v"}
    other = {"Key": "case", "Value": "7"}
    wanted = [other, {"Key": "retention", "Value": "limited"}] if expiring else [other]
    s3.add_response("get_object_tagging", {"TagSet": [other, *tags]}, at)
    s3.add_response("put_object_tagging", {}, {**at, "Tagging": {"TagSet": wanted}})
    s3.add_client_error("get_object_tagging", "NoSuchVersion")
    assert BUCKET.set_expiring(Version("k", "v"), expiring=expiring) is True
    assert BUCKET.set_expiring(Version("k", "v"), expiring=expiring) is False
