"""The unit tests' cases for the fake table hold for DynamoDB too."""

import pytest

from tests.support.stack import LocalStack
from tests.support.ticket_table_cases import CASES, Case
from ticket_archive.table import TicketTable

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_table_case_holds_on_dynamodb(stack: LocalStack, case: Case) -> None:
    table = TicketTable(stack.dynamodb, stack.at.table)

    def erase(ticket: str) -> None:
        tombstone = {"ticket": {"S": ticket}, "record": {"S": "ticket"}, "state": {"S": "erased"}}
        stack.dynamodb.put_item(TableName=stack.at.table, Item=tombstone)

    case(table, erase)
