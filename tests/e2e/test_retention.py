"""With `RetentionDays`, item, events and objects expire together; under a legal hold none of them does.

The emulator runs neither DynamoDB's time to live nor S3's lifecycle rules: the tests check what these look at.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.support.stack import LocalStack, running
from tests.support.waiting import eventually
from ticket_archive.retention import NEVER, end_of

pytestmark = pytest.mark.stack

DAYS = 30
ENDS = [{"Key": "retention", "Value": "limited"}]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with running(tmp_path_factory.mktemp("limited"), {"RetentionDays": str(DAYS)}) as up:
        yield up


def ends(stack: LocalStack, ticket: str) -> tuple[set[int | None], int | None]:
    """Return when the ticket's item and events expire, and when they should, by the time it was first received."""
    found = stack.records(ticket)
    [item] = [each for each in found if each["record"]["S"] == "ticket"]
    given = {int(each["expires_at"]["N"]) if "expires_at" in each else None for each in found}
    return given, end_of(item["received_at"]["S"], DAYS)


def tags(stack: LocalStack, ticket: str) -> dict[str, list[Any]]:
    """Return the tags of a ticket's objects by key and version."""
    return {
        f"{each['Key']} {each['VersionId']}": list(
            stack.s3.get_object_tagging(Bucket=stack.at.bucket, Key=each["Key"], VersionId=each["VersionId"])["TagSet"]
        )
        for each in stack.versions(ticket)
    }


def test_everything_of_a_ticket_expires_together_except_under_a_legal_hold(limited: LocalStack) -> None:
    ticket = limited.archive(1)

    given, end = ends(limited, ticket)
    assert given == {end}
    assert all(tag == ENDS for tag in tags(limited, ticket).values())

    # WHEN it is archived again THEN the expiry stays, and objects get a new version
    before = len(tags(limited, ticket))
    limited.ops("backfill", ticket, "--force")
    eventually(lambda: len(tags(limited, ticket)) > before or None, "the second archive")
    assert ends(limited, ticket) == ({end}, end)

    # WHEN it is held, and changes THEN nothing of it expires, nor what is stored from then on
    held = limited.ops("hold", ticket, "--case", "CASE-1", "--drain-seconds", "3")
    assert held["tickets"][0]["object_versions"] == len(tags(limited, ticket))
    limited.vendor("state", ticket=ticket, outcome="REJECTED", take=1)
    limited.ops("backfill", ticket, "--force")
    eventually(lambda: len(limited.keys(ticket, "manifests/")) == 2 or None, "the new state")
    assert all(tag == [] for tag in tags(limited, ticket).values())
    assert ends(limited, ticket)[0] == {NEVER, None}
    assert limited.ops("retention", "--yes")["held"] == 1
    assert all(tag == [] for tag in tags(limited, ticket).values())

    # WHEN it is released THEN all of it expires again
    assert limited.ops("release", ticket, "--drain-seconds", "3")["tickets"] == [{"ticket": ticket, "was_held": True}]
    assert ends(limited, ticket) == ({end}, end)
    assert all(tag == ENDS for tag in tags(limited, ticket).values())


def test_changed_retention_applies_to_existing_tickets(limited: LocalStack) -> None:
    """GIVEN a ticket without an expiry, WHEN the retention is applied, THEN it expires as the others do."""
    ticket = limited.archive(2)
    _, end = ends(limited, ticket)
    for record in limited.records(ticket):
        limited.dynamodb.update_item(
            TableName=limited.at.table,
            Key={name: record[name] for name in ("ticket", "record")},
            UpdateExpression="REMOVE expires_at",
        )
    for name in tags(limited, ticket):
        key, version = name.split(" ")
        limited.s3.delete_object_tagging(Bucket=limited.at.bucket, Key=key, VersionId=version)

    assert limited.ops("retention")["dry_run"] is True
    assert ends(limited, ticket)[0] == {None}

    assert limited.ops("retention", "--yes")["days"] == DAYS
    assert ends(limited, ticket) == ({end}, end)
    assert all(tag == ENDS for tag in tags(limited, ticket).values())


def test_expired_ticket_is_unknown_and_can_be_archived_again(limited: LocalStack) -> None:
    """GIVEN an item that DynamoDB has not removed yet, WHEN the ticket is asked for, THEN it is archived as new."""
    ticket = limited.archive(3)
    limited.change_item(ticket, expires_at=1_700_000_000, received_at="2023-10-15T22:13:20.000000Z")
    assert limited.api.get(f"/tickets/{ticket}").status_code == 404
    assert limited.api.get(f"/tickets/{ticket}/images").status_code == 404

    limited.ops("backfill", ticket)
    limited.archived(ticket)

    received = str(limited.api.get(f"/tickets/{ticket}").json()["received_at"])
    assert datetime.fromisoformat(received).year > 2023
    for image in limited.api.get(f"/tickets/{ticket}/images").json()["images"]:
        assert limited.api.fetch(image["url"]).status_code == 200
