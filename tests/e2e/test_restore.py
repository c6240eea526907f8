"""The commands of docs/operations.md restore what was deleted by mistake, but no erased ticket."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support import runbooks
from tests.support.documentation import blocks
from tests.support.runbooks import Shell
from tests.support.stack import LocalStack

pytestmark = pytest.mark.stack

FIRST = 3900  # of the simulator's tickets: those of these tests


def test_a_deleted_item_and_deleted_objects_are_restored_but_no_erased_ticket(
    stack: LocalStack, tmp_path: Path
) -> None:
    # GIVEN a ticket whose item and image are deleted, and an erased one
    lost, erased = (stack.archive(FIRST + number) for number in range(2))
    chapter = runbooks.chapter("Restore what was deleted by mistake")
    texts = [block.text for block in blocks("sh") if block.text and block.text in chapter]
    assert len(texts) == 5
    restore, copy, remove, objects, erase_again = texts
    places: dict[str, Any] = {"TABLE_NAME": stack.at.table, "BUCKET_NAME": stack.at.bucket}
    places["TIME"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    shell = Shell(stack, tmp_path)
    shell.type(restore, **places)
    before, of_erased = stack.records(lost), stack.records(erased)
    stack.dynamodb.delete_item(TableName=stack.at.table, Key={"ticket": {"S": lost}, "record": {"S": "ticket"}})
    for key in stack.keys(lost):
        stack.s3.delete_object(Bucket=stack.at.bucket, Key=key)
    stack.ops("erase", erased, "--yes", "--drain-seconds", "0")

    # WHEN both are restored
    shell.type(copy, TICKET=lost, **places)
    shell.type(objects, TICKET=lost, **places)
    shell.type(copy, exit_codes=(254, 255), TICKET=erased, **places)
    shell.type(objects, TICKET=erased, **places)
    shell.type(remove)

    # THEN the first is as it was, and the second stays erased
    assert stack.records(lost) == before
    assert stack.ops("fetch", lost, "-o", str(tmp_path / "fetched"))["faults"] == []
    assert [record["state"] for record in stack.records(erased)] == [{"S": "erased"}]
    assert stack.keys(erased) == []

    # WHEN a backup brings the second back, and every receipt is followed
    for record in of_erased:
        stack.dynamodb.put_item(TableName=stack.at.table, Item=record)
    shell.type(erase_again.replace("--yes", "--yes --drain-seconds 0"), exit_codes=(0, 1), **places)

    # THEN it is erased again, and the first is not
    assert [record["state"] for record in stack.records(erased)] == [{"S": "erased"}]
    assert stack.records(lost) == before
