"""The fake table keeps the rules that the real one keeps."""

import pytest

from tests.support.fakes import FakeTickets
from tests.support.ticket_table_cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_fake_table_keeps_the_rule(case: Case) -> None:
    table = FakeTickets()

    case(table, table.erase)
