"""Events in every order, doubled, at the same time, with crashes between: the newest state wins, each state of a ticket
is told once, the states are a chain, and what is erased stays so.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import pairwise, permutations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ingest.archive import Wanted
from ingest.images import InlineImage
from tests.support.fakes import picture
from tests.support.house import DOCUMENT, PORTRAIT, SELFIES, TICKET, House, Pictures, event, request
from tests.support.steps import Attempt, Killed, Steps
from ticket_archive.errors import TicketErased, TryLater, VendorUnavailable
from ticket_archive.models import ImageType, TicketState

TYPES = (SELFIES, DOCUMENT, PORTRAIT)
STATES = ("ACCEPTED", "REJECTED", "NEEDS_REVIEW", "ABANDONED")
MANIFEST = f"bucket.create tickets/{TICKET}/manifests"
ORDERS = list(permutations(range(4)))


def images(mark: object) -> Pictures:
    return {SELFIES: [picture(f"selfie {mark}")], DOCUMENT: [picture(f"front {mark}"), picture(f"back {mark}")]}


def house() -> House:
    return House(image_types=TYPES)


def becomes(house: House, number: int) -> None:
    house.has(STATES[number], images(number), serial=number)


def begin(steps: Steps, archive: House, number: int) -> Attempt:
    return steps.begin(partial(archive.run, event(f"e{number}")))


def doubled(order: tuple[int, ...]) -> Iterator[list[int]]:
    """The order itself, and with each of its events delivered once more at every later place, and all of them twice."""
    yield list(order)
    for position, number in enumerate(order):
        for later in range(position + 1, len(order) + 1):
            yield [*order[:later], number, *order[later:]]
    yield [number for number in order for _ in range(2)]
    yield [*order, *order]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_events_that_come_late_in_any_order_find_the_newest_state_once(order: tuple[int, ...]) -> None:
    for deliveries in doubled(order):
        archive = house()
        becomes(archive, 3)

        for number in deliveries:
            archive.run(event(f"e{number}"))

        assert archive.outcomes() == ["ABANDONED"]
        assert len(archive.table.events) == 4
        archive.check()


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_state_for_each_event_is_a_state_for_each_manifest_whichever_event_tells_of_it(
    order: tuple[int, ...],
) -> None:
    for deliveries in doubled(order):
        archive = house()
        told: set[int] = set()

        for number in deliveries:
            if number not in told:
                becomes(archive, len(told))  # the vendor goes on; the event that comes now is of another state
                told.add(number)
            archive.run(event(f"e{number}"))

        assert archive.outcomes() == list(STATES)
        archive.check()


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("moment", ["table.archive", "vendor.details"])
def test_attempts_that_began_in_order_may_end_in_any_order(order: tuple[int, ...], moment: str) -> None:
    for deliveries in doubled(order):
        archive = house()
        with Steps(archive.effects) as steps:
            attempts = []
            for number in range(4):
                becomes(archive, number)
                # Each has read its state by the time when the next one begins, or (the other moment) nothing yet.
                attempts.append(begin(steps, archive, number).until(moment))

            for number in deliveries:
                if attempts[number].done:
                    attempts[number] = begin(steps, archive, number)
                attempts[number].finish()

        assert archive.table[TICKET].outcome == STATES[3]
        assert archive.outcomes()[-1] == STATES[3]
        assert archive.outcomes() == [state for state in STATES if state in archive.outcomes()], "never back"
        archive.check()


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_attempts_of_one_event_that_end_in_any_order_make_one_state(order: tuple[int, ...]) -> None:
    archive = house()
    becomes(archive, 0)
    with Steps(archive.effects) as steps:
        attempts = [begin(steps, archive, 0).until("table.archive") for _ in order]
        for number in order:
            attempts[number].finish()

    assert archive.outcomes() == ["ACCEPTED"]
    archive.check()


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_attempts_that_are_killed_in_any_order_leave_nothing_that_a_delivery_does_not_mend(
    order: tuple[int, ...],
) -> None:
    archive = house()
    with Steps(archive.effects) as steps:
        for number in order:
            becomes(archive, number)
            attempt = begin(steps, archive, number).until("table.archive")
            attempt.step()
            attempt.until(MANIFEST).kill()

    archive.run(event("e9"))

    assert archive.outcomes() == [STATES[number] for number in order]
    archive.check()


Delivery = tuple[Wanted, Attempt]


class Tickets(RuleBasedStateMachine):
    """One ticket at the vendor, its events in a queue, and attempts on them that run step by step side by side.

    An attempt that fails or is killed leaves its message in the queue. In the end every message is delivered until it
    is done.
    """

    messages: Bundle[Wanted] = Bundle("messages")
    attempts: Bundle[Delivery] = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.house = house()
        self.steps = Steps(self.house.effects)
        self.queue: Counter[Wanted] = Counter()
        self.under_way: list[Delivery] = []
        self.changes = 0
        self.erased = False

    @initialize(target=messages)
    def the_vendor_has_a_ticket(self) -> Wanted:
        return self._change(0)

    @rule(target=messages, state=st.sampled_from([0, 0, 1, 2]))
    def the_vendors_ticket_changes(self, state: int) -> Wanted:
        # Back to an earlier state as often as not; the pictures are those of the state.
        return self._change(state)

    @rule(message=messages)
    def an_event_comes_again(self, message: Wanted) -> None:
        self.queue[message] += 1

    @rule(target=messages, force=st.booleans())
    def somebody_asks_for_the_ticket(self, force: bool) -> Wanted:
        wanted = request(force=force)
        self.queue[wanted] += 1
        return wanted

    @rule(target=attempts, data=st.data())
    def a_message_is_delivered(self, data: st.DataObject) -> MultipleResults[Delivery]:
        waiting = sorted(self.queue.elements(), key=repr)
        if not waiting or len(self.under_way) >= 4:
            return multiple()
        message = data.draw(st.sampled_from(waiting))
        self.queue[message] -= 1
        attempt = self.steps.begin(lambda: self.house.run(message))
        self.under_way.append((message, attempt))
        return multiple((message, attempt))

    @rule(attempt=attempts, count=st.integers(1, 12))
    def an_attempt_goes_on(self, attempt: Delivery, count: int) -> None:
        for _ in range(count):
            if not attempt[1].done:
                attempt[1].step()
        self._settle(attempt)

    @rule(attempt=attempts, place=st.sampled_from(["table.archive", "table.keep_incomplete", MANIFEST]))
    def an_attempt_comes_to_where_it_matters(self, attempt: Delivery, place: str) -> None:
        while attempt[1].at is not None and not attempt[1].at.startswith(place):
            attempt[1].step()
        self._settle(attempt)

    @rule(attempt=consumes(attempts))
    def an_attempt_ends(self, attempt: Delivery) -> None:
        while not attempt[1].done:
            attempt[1].step()
        self._settle(attempt)

    @rule(attempt=consumes(attempts))
    def a_process_dies(self, attempt: Delivery) -> None:
        attempt[1].kill()
        self._settle(attempt)

    @rule(part=st.sampled_from(["details", *(kind.value for kind in TYPES)]), empty=st.booleans())
    def the_vendor_fails_once(self, part: str, empty: bool) -> None:
        self.house.vendor.next(part, () if empty and part != "details" else VendorUnavailable("503"))

    @precondition(lambda self: not self.erased and self.changes > 3)
    @rule(really=st.integers(0, 9))
    def the_ticket_is_erased(self, really: int) -> None:
        if really == 0:
            self.house.table.erase(TICKET)
            self.erased = True

    @invariant()
    def no_manifest_speaks_of_what_is_not_there(self) -> None:
        assert self.house.broken == []

    @invariant()
    def each_manifest_is_of_a_state_that_was_and_comes_in_its_turn(self) -> None:
        versions = [manifest["version"] for manifest in self.house.bucket.manifests(TICKET)]
        assert versions == self.house.table.history.get(TICKET, [])[: len(versions)]

    @invariant()
    def each_state_differs_from_the_one_before_it(self) -> None:
        manifests = self.house.bucket.manifests(TICKET)
        states = [(each["outcome"], each["details"], each["images"]) for each in manifests]
        assert all(one != next_one for one, next_one in pairwise(states))

    @invariant()
    def what_is_erased_stays_so(self) -> None:
        if self.erased:
            assert self.house.table.items[TICKET].keys() == {"ticket", "record", "state"}

    def teardown(self) -> None:
        self.house.vendor.next_answers.clear()
        for message, attempt in self.under_way:
            while not attempt.done:
                attempt.step()
            self._done_or_queued(message, attempt)
        for message in sorted(self.queue.elements(), key=repr):
            self._deliver_until_done(message)
        if self.erased:
            self.what_is_erased_stays_so()
            return
        self.house.check()
        item = self.house.table[TICKET]
        assert item.state is TicketState.ARCHIVED
        assert item.attributes["details"] == self.house.vendor.details_of[TICKET].value
        assert [self.house.bucket[image.key] for image in item.images] == [
            image.data
            for kind in ImageType
            for image in self.house.vendor.images_of[TICKET, kind]
            if isinstance(image, InlineImage)
        ]

    def _change(self, state: int) -> Wanted:
        self.changes += 1
        becomes(self.house, state)
        wanted = event(f"e{self.changes}")
        self.queue[wanted] += 1
        return wanted

    def _settle(self, attempt: Delivery) -> None:
        if attempt[1].done and attempt in self.under_way:
            self.under_way.remove(attempt)
            self._done_or_queued(*attempt)

    def _done_or_queued(self, message: Wanted, attempt: Attempt) -> None:
        if isinstance(attempt.error, TryLater | Killed):
            self.queue[message] += 1
        elif attempt.error is not None and not isinstance(attempt.error, TicketErased):
            raise attempt.error

    def _deliver_until_done(self, message: Wanted) -> None:
        for _ in range(5):
            try:
                self.house.run(message)
            except TryLater:
                continue
            except TicketErased:
                assert self.erased
            return
        raise AssertionError("never done")


def test_whatever_happens_the_newest_state_wins_and_each_state_is_told_once() -> None:
    run_state_machine_as_test(Tickets, settings=settings(max_examples=100, stateful_step_count=50, deadline=None))
