from local.round_trip import choose
from local.simulator import exactly
from local.vendor.server import Simulator
from local.vendor.shapes import Absence, Shape
from local.vendor.tickets import Outcome


def test_the_demo_has_tickets_of_every_kind() -> None:
    chosen = choose(Simulator(seed=1).tickets(count=60))
    assert {each["shape"] for each in chosen} == set(Shape)
    assert {each["outcome"] for each in chosen} == set(Outcome)
    absences = {each["absence"] for each in chosen if not all(each["images"].values())}
    assert absences == set(Absence)
    assert len({each["ticket"] for each in chosen}) == len(chosen) <= 12


def test_numbers_are_compared_with_every_digit() -> None:
    assert exactly('{"score": 0.12345678901234567890}') != exactly('{"score": 0.12345678901234567891}')
