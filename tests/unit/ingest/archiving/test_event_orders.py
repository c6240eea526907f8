"""Events in every order, repeated, concurrent, with crashes between: the newest state wins, each state has one
manifest, the manifests are a chain, and an erased ticket stays erased.
"""

from functools import partial
from itertools import pairwise, permutations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ingest.archiving.models import ArchiveRequest
from ingest.files.decoding import InlineFile
from tests.support.archive_harness import DOCUMENT, PORTRAIT, SELFIES, TICKET, ArchiveHarness, Pictures, event, request
from tests.support.fakes import picture
from tests.support.steps import Attempt, Killed, Steps
from ticket_archive.errors import RetryableError, TicketErased, VendorUnavailable
from ticket_archive.models import ImageType, TicketState

TYPES = (SELFIES, DOCUMENT, PORTRAIT)
STATES = ("ACCEPTED", "REJECTED", "NEEDS_REVIEW", "ABANDONED")
MANIFEST = f"bucket.create tickets/{TICKET}/manifests"
ORDERS = list(permutations(range(4)))


def images(mark: object) -> Pictures:
    return {SELFIES: [picture(f"selfie {mark}")], DOCUMENT: [picture(f"front {mark}"), picture(f"back {mark}")]}


def harness() -> ArchiveHarness:
    return ArchiveHarness(image_types=TYPES)


def becomes(harness: ArchiveHarness, number: int) -> None:
    harness.has(STATES[number], images(number), serial=number)


def begin(steps: Steps, archive: ArchiveHarness, number: int) -> Attempt:
    return steps.begin(partial(archive.run, event(f"e{number}")))


def doubled(order: tuple[int, ...]) -> list[list[int]]:
    """Return the order, the orders with one event repeated at a later place, and those with all events repeated.

    Of each order only every sixth of them, another sixth for the next order; all with --hypothesis-profile=full.
    """
    again = [
        [*order[:later], number, *order[later:]]
        for position, number in enumerate(order)
        for later in range(position + 1, len(order) + 1)
    ]
    every = [list(order), *again, [number for number in order for _ in range(2)], [*order, *order]]
    return every if settings.get_current_profile_name() == "full" else every[ORDERS.index(order) % 6 :: 6]


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("moment", ["table.archive", "vendor.details"])
def test_attempts_that_end_in_any_order_leave_the_newest_state(order: tuple[int, ...], moment: str) -> None:
    for deliveries in doubled(order):
        archive = harness()
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


Delivery = tuple[ArchiveRequest, Attempt]
WHICH = st.integers(0, 11)
PLACES = st.sampled_from(["the beginning", "vendor.details", "table.archive", MANIFEST, "its end"])


class Tickets(RuleBasedStateMachine):
    """One ticket at the vendor, its events in a queue, and concurrent attempts on them.

    An attempt that fails or is killed leaves its message in the queue. In the end every message is delivered until it
    is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.harness = harness()
        self.steps = Steps(self.harness.effects)
        self.sent: list[ArchiveRequest] = []
        self.queue: list[ArchiveRequest] = []
        self.in_flight: list[Delivery] = []
        self.may_be_erased = self.erased = False

    @initialize(may_be_erased=st.booleans())
    def the_vendor_has_a_ticket(self, may_be_erased: bool) -> None:
        self.may_be_erased = may_be_erased
        self.the_vendors_ticket_changes(0)

    @precondition(lambda self: len(self.queue) < 3)
    @rule(state=st.sampled_from([0, 0, 1, 2]))
    def the_vendors_ticket_changes(self, state: int) -> None:
        # Often back to an earlier state; the pictures are those of the state.
        becomes(self.harness, state)
        self.sent.append(event(f"e{len(self.sent)}"))
        self.queue.append(self.sent[-1])

    @precondition(lambda self: len(self.queue) < 3)
    @rule(which=WHICH)
    def an_event_is_repeated(self, which: int) -> None:
        self.queue.append(self.sent[which % len(self.sent)])

    @precondition(lambda self: len(self.queue) < 3)
    @rule(force=st.booleans())
    def the_ticket_is_requested(self, force: bool) -> None:
        self.queue.append(request(force=force))

    @precondition(lambda self: self.queue and len(self.in_flight) < 4)
    @rule(which=WHICH, place=PLACES)
    def a_message_is_delivered(self, which: int, place: str) -> None:
        message = self.queue.pop(which % len(self.queue))
        delivery = message, self.steps.begin(partial(self.harness.run, message))
        self.in_flight.append(delivery)
        self._advance_to(delivery, place)

    @precondition(lambda self: self.in_flight)
    @rule(which=WHICH, steps=st.integers(1, 9))
    def an_attempt_advances(self, which: int, steps: int) -> None:
        self._advance(self.in_flight[which % len(self.in_flight)], steps)

    @precondition(lambda self: self.in_flight)
    @rule(which=WHICH, place=PLACES)
    def an_attempt_advances_to_a_place(self, which: int, place: str) -> None:
        self._advance_to(self.in_flight[which % len(self.in_flight)], place)

    @precondition(lambda self: self.in_flight)
    @rule(which=WHICH)
    def an_attempt_ends(self, which: int) -> None:
        self._advance(self.in_flight[which % len(self.in_flight)], 1000)

    @precondition(lambda self: self.in_flight)
    @rule(which=WHICH)
    def a_process_dies(self, which: int) -> None:
        delivery = self.in_flight[which % len(self.in_flight)]
        delivery[1].kill()
        self._advance(delivery, 0)

    @precondition(lambda self: not any(self.harness.vendor.next_answers.values()))
    @rule(part=st.sampled_from([DOCUMENT.value, SELFIES.value, "details"]), empty=st.booleans())
    def the_vendor_fails_once(self, part: str, empty: bool) -> None:
        self.harness.vendor.next(part, () if empty and part != "details" else VendorUnavailable("503"))

    @precondition(lambda self: self.may_be_erased and not self.erased)
    @rule()
    def the_ticket_is_erased(self) -> None:
        self.harness.table.erase(TICKET)
        self.erased = True

    @invariant()
    def no_manifest_names_a_missing_object(self) -> None:
        assert self.harness.broken == []

    @invariant()
    def manifests_are_in_the_order_of_the_versions(self) -> None:
        versions = [manifest["version"] for manifest in self.harness.bucket.manifests(TICKET)]
        assert versions == self.harness.table.history.get(TICKET, [])[: len(versions)]

    @invariant()
    def each_manifest_differs_from_the_previous_one(self) -> None:
        manifests = self.harness.bucket.manifests(TICKET)
        states = [(each["outcome"], each["details"], each["images"]) for each in manifests]
        assert all(one != next_one for one, next_one in pairwise(states))

    @invariant()
    def an_erased_ticket_stays_erased(self) -> None:
        if self.erased:
            assert self.harness.table.items[TICKET].keys() == {"ticket", "record", "state"}

    def teardown(self) -> None:
        self.harness.vendor.next_answers.clear()
        for delivery in list(self.in_flight):
            self._advance(delivery, 1000)
        while self.queue:
            self._deliver_until_done(self.queue.pop(0))
        if self.erased:
            self.an_erased_ticket_stays_erased()
            return
        self.harness.check()
        item = self.harness.table[TICKET]
        assert item.state is TicketState.ARCHIVED
        assert item.attributes["details"] == self.harness.vendor.details_of[TICKET].value
        assert [self.harness.bucket[image.key] for image in item.images] == [
            image.data
            for kind in ImageType
            for image in self.harness.vendor.images_of[TICKET, kind]
            if isinstance(image, InlineFile)
        ]

    def _advance_to(self, delivery: Delivery, place: str) -> None:
        if (at := delivery[1].at) is not None and not at.startswith(place):
            delivery[1].step(place)
        self._advance(delivery, 0)

    def _advance(self, delivery: Delivery, steps: int) -> None:
        """A message whose attempt failed or was killed goes back to the queue."""
        message, attempt = delivery
        while steps and not attempt.done:
            attempt.step()
            steps -= 1
        if not attempt.done:
            return
        self.in_flight.remove(delivery)
        self._queue_follow_ups()
        if isinstance(attempt.error, RetryableError | Killed):
            self.queue.append(message)
        elif attempt.error is not None and not (self.erased and isinstance(attempt.error, TicketErased)):
            raise attempt.error

    def _deliver_until_done(self, message: ArchiveRequest) -> None:
        for _ in range(5):
            self.harness.clock.pass_by(61)  # as long as an event waits that comes soon after a fetch
            try:
                self.harness.run(message)
            except RetryableError:
                continue
            except TicketErased:
                assert self.erased
            self._queue_follow_ups()
            return
        raise AssertionError("never done")

    def _queue_follow_ups(self) -> None:
        self.queue += self.harness.follow_ups
        self.harness.follow_ups.clear()


def test_random_steps_end_with_the_newest_state_and_one_manifest_each() -> None:
    run_state_machine_as_test(Tickets, settings=settings(stateful_step_count=50))
