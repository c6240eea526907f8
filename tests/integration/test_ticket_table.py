"""The unit tests' rules for the fake table hold for DynamoDB too."""

import pytest

from tests.support.stack import LocalStack
from tests.support.table_rules import TableRules
from ticket_archive.table import TicketTable

pytestmark = pytest.mark.stack


class TestDynamoDB(TableRules):
    @pytest.fixture
    def table(self, stack: LocalStack) -> TicketTable:
        return TicketTable(stack.dynamodb, stack.at.table)
