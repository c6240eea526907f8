"""The rules that the table keeps, as cases for any table that has TicketTable's methods: the fake in memory, and the
real one on an emulator. Each case makes tickets of its own, so that one table serves them all.

`erase` is how the operators' command leaves a ticket: for the real table, its item with the state "erased" alone.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import pytest

from ticket_archive.errors import TicketErased, WriteConflict
from ticket_archive.models import ImageType, StoredImage, TicketState, TypeState
from ticket_archive.table import IncompleteTicket, TicketItem


class Tickets(Protocol):
    def register(self, ticket: str, now: str, expires_at: int | None) -> TicketItem: ...
    def put_event(self, ticket: str, event_id: str, received_at: str, name: str, expires_at: int | None) -> None: ...
    def archive(self, item: TicketItem, changes: Mapping[str, Any]) -> None: ...
    def mark_incomplete(self, ticket: str, changes: Mapping[str, Any], retry_at: str) -> None: ...
    def get(self, ticket: str) -> TicketItem | None: ...
    def incomplete(self, limit: int) -> Sequence[IncompleteTicket]: ...
    def postpone(self, waiting: IncompleteTicket, retry_at: str | None) -> bool: ...


Erase = Callable[[str], None]
Case = Callable[[Tickets, Erase], None]

T0, T1, T2, T3 = (f"2026-01-15T09:3{minute}:00.000000Z" for minute in range(4))

IMAGE = StoredImage(ImageType.DOCUMENT, 0, "tickets/T/images/DOCUMENT/aa.jpg", "aa", 3, "image/jpeg")


def _new() -> str:
    return f"T-{secrets.token_hex(8)}"


def _state(version: str, fetched_at: str, **more: Any) -> dict[str, Any]:
    return {
        "version": version,
        "previous": None,
        "archived_at": fetched_at,
        "fetched_at": fetched_at,
        "outcome": "ACCEPTED",
        "details": {"flow_status": "ACCEPTED", "score": Decimal("98.50")},
        "details_sha256": "dd",
        "details_bytes": 42,
        "images": [IMAGE.as_dict()],
        "types": {"DOCUMENT": "stored", "DOCUMENT_SIGNATURE": "absent"},
        "expires_at": None,
        **more,
    }


def _part(fetched_at: str, **more: Any) -> dict[str, Any]:
    return {"fetched_at": fetched_at, "resume": "e1", "last_error": "vendor_unavailable", "images": [], **more}


def _archived(table: Tickets, fetched_at: str = T1, version: str = "v1") -> TicketItem:
    item = table.register(_new(), T0, None)
    table.archive(item, _state(version, fetched_at))
    return _known(table, item.ticket)


def _known(table: Tickets, ticket: str) -> TicketItem:
    item = table.get(ticket)
    assert item is not None
    return item


def _listed(table: Tickets, ticket: str, expected: IncompleteTicket | None) -> bool:
    """Whether the list of incomplete tickets comes to say so: an index follows its table a little later."""
    for _ in range(50):
        found = next((waiting for waiting in table.incomplete(1000) if waiting.ticket == ticket), None)
        if found == expected:
            return True
        time.sleep(0.1)
    return False


def an_unknown_ticket_is_none(table: Tickets, erase: Erase) -> None:
    assert table.get(_new()) is None


def the_first_registration_makes_a_ticket_known(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, 1_800_000_000)
    assert (item.state, item.received_at, item.attempts, item.version) == (TicketState.RECEIVED, T0, 1, None)
    assert item.attributes["expires_at"] == 1_800_000_000
    assert _known(table, item.ticket) == item


def later_registrations_only_count(table: Tickets, erase: Erase) -> None:
    archived = _archived(table)
    again = table.register(archived.ticket, T3, 1_900_000_000)
    assert (again.state, again.received_at, again.attempts) == (TicketState.ARCHIVED, T0, 2)
    assert (again.version, again.fetched_at, again.images) == ("v1", T1, (IMAGE,))


def an_archived_item_reads_back_as_it_was_written(table: Tickets, erase: Erase) -> None:
    item = _archived(table)
    assert (item.state, item.version, item.previous, item.outcome) == (TicketState.ARCHIVED, "v1", None, "ACCEPTED")
    assert (item.details_sha256, item.details_bytes, item.images) == ("dd", 42, (IMAGE,))
    assert item.types == {ImageType.DOCUMENT: TypeState.STORED, ImageType.DOCUMENT_SIGNATURE: TypeState.ABSENT}
    assert item.attributes["details"] == {"flow_status": "ACCEPTED", "score": Decimal("98.5")}
    assert "expires_at" not in item.attributes


def an_item_is_archived_from_the_version_that_was_read(table: Tickets, erase: Erase) -> None:
    stale = table.register(_new(), T0, None)
    table.archive(stale, _state("v1", T1))
    with pytest.raises(WriteConflict):
        table.archive(stale, _state("v2", T2))
    table.archive(_known(table, stale.ticket), _state("v2", T2, previous="v1"))
    assert _known(table, stale.ticket).version == "v2"


def an_older_fetch_changes_nothing(table: Tickets, erase: Erase) -> None:
    item = _archived(table, T2)
    with pytest.raises(WriteConflict):
        table.archive(item, _state("v2", T1))
    assert _known(table, item.ticket) == item


def an_equally_old_fetch_changes_nothing(table: Tickets, erase: Erase) -> None:
    item = _archived(table, T2)
    with pytest.raises(WriteConflict):
        table.archive(item, _state("v2", T2))
    assert _known(table, item.ticket) == item


def an_older_whole_fetch_does_not_replace_a_newer_part(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    table.mark_incomplete(item.ticket, _part(T2), T3)
    with pytest.raises(WriteConflict):
        table.archive(item, _state("v1", T1))
    assert _known(table, item.ticket).state is TicketState.INCOMPLETE


def archiving_ends_incompleteness(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    table.mark_incomplete(item.ticket, _part(T1), T3)
    table.archive(item, _state("v1", T2))
    archived = _known(table, item.ticket)
    assert archived.state is TicketState.ARCHIVED
    assert not {"incomplete", "retry_at", "resume", "last_error"} & archived.attributes.keys()
    assert _listed(table, item.ticket, None)


def details_that_are_not_among_the_changes_stay(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    table.mark_incomplete(item.ticket, _part(T1, details={"a": "b"}, details_sha256="kept", details_bytes=9), T3)
    changes = {
        name: value
        for name, value in _state("v1", T2).items()
        if name not in ("details", "details_sha256", "details_bytes")
    }
    table.archive(item, changes)
    archived = _known(table, item.ticket)
    assert archived.attributes["details"] == {"a": "b"}
    assert (archived.details_sha256, archived.details_bytes) == ("kept", 9)


def details_in_a_new_place_leave_the_old_one(table: Tickets, erase: Erase) -> None:
    item = _archived(table)
    changes = {name: value for name, value in _state("v2", T2).items() if name != "details"}
    table.archive(item, {**changes, "details_packed": b"\x1f\x8b\x00"})
    archived = _known(table, item.ticket)
    assert archived.attributes["details_packed"] == b"\x1f\x8b\x00"
    assert not {"details", "details_key"} & archived.attributes.keys()


def a_part_reads_back_and_is_listed(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    table.mark_incomplete(item.ticket, _part(T1, types={"DOCUMENT": "failed"}, images=[IMAGE.as_dict()]), T3)
    kept = _known(table, item.ticket)
    assert (kept.state, kept.resume, kept.fetched_at, kept.images) == (TicketState.INCOMPLETE, "e1", T1, (IMAGE,))
    assert kept.types == {ImageType.DOCUMENT: TypeState.FAILED}
    assert _listed(table, item.ticket, IncompleteTicket(item.ticket, T3, T0, 0))


def a_newer_part_replaces_an_older_one(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    table.mark_incomplete(item.ticket, _part(T1, details={"a": "b"}, details_sha256="one"), T2)
    table.mark_incomplete(item.ticket, _part(T2, details=None, details_sha256=None, resume="e2"), T3)
    kept = _known(table, item.ticket)
    assert (kept.resume, kept.fetched_at, kept.details_sha256) == ("e2", T2, None)
    assert "details" not in kept.attributes


def an_older_or_equal_part_changes_nothing(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    table.mark_incomplete(item.ticket, _part(T2), T3)
    kept = _known(table, item.ticket)
    for fetched_at in (T1, T2):
        with pytest.raises(WriteConflict):
            table.mark_incomplete(item.ticket, _part(fetched_at, resume="e2"), T3)
    assert _known(table, item.ticket) == kept


def an_archived_ticket_never_becomes_incomplete(table: Tickets, erase: Erase) -> None:
    item = _archived(table, T1)
    with pytest.raises(WriteConflict):
        table.mark_incomplete(item.ticket, _part(T2), T3)
    assert _known(table, item.ticket) == item


def an_erased_ticket_takes_nothing(table: Tickets, erase: Erase) -> None:
    item = _archived(table, T1)
    erase(item.ticket)
    with pytest.raises(TicketErased):
        table.register(item.ticket, T3, None)
    with pytest.raises(TicketErased):
        table.archive(item, _state("v2", T3))
    with pytest.raises(TicketErased):
        table.mark_incomplete(item.ticket, _part(T3), T3)
    erased = _known(table, item.ticket)
    assert erased.state is TicketState.ERASED
    assert erased.attributes.keys() == {"ticket", "record", "state"}


def a_due_ticket_is_claimed_once(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    table.mark_incomplete(item.ticket, _part(T1), T2)
    waiting = IncompleteTicket(item.ticket, T2, T0, 0)
    assert table.postpone(waiting, T3)
    assert not table.postpone(waiting, T3)
    assert _listed(table, item.ticket, IncompleteTicket(item.ticket, T3, T0, 1))


def a_ticket_that_is_given_up_is_off_the_list(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    table.mark_incomplete(item.ticket, _part(T1), T2)
    assert table.postpone(IncompleteTicket(item.ticket, T2, T0, 0), None)
    assert _listed(table, item.ticket, None)
    assert _known(table, item.ticket).state is TicketState.INCOMPLETE


def an_archived_or_erased_ticket_is_not_claimed(table: Tickets, erase: Erase) -> None:
    for erased in (False, True):
        item = table.register(_new(), T0, None)
        table.mark_incomplete(item.ticket, _part(T1), T2)
        if erased:
            erase(item.ticket)
        else:
            table.archive(item, _state("v1", T2))
        before = _known(table, item.ticket)
        assert not table.postpone(IncompleteTicket(item.ticket, T2, T0, 0), T3)
        assert _known(table, item.ticket) == before


def an_event_is_one_record_however_often_it_is_noted(table: Tickets, erase: Erase) -> None:
    item = table.register(_new(), T0, None)
    for _ in range(2):
        table.put_event(item.ticket, "e1", T0, "ticket.verification.completed", 1_800_000_000)
    assert _known(table, item.ticket) == item


CASES: Sequence[Case] = (
    an_unknown_ticket_is_none,
    the_first_registration_makes_a_ticket_known,
    later_registrations_only_count,
    an_archived_item_reads_back_as_it_was_written,
    an_item_is_archived_from_the_version_that_was_read,
    an_older_fetch_changes_nothing,
    an_equally_old_fetch_changes_nothing,
    an_older_whole_fetch_does_not_replace_a_newer_part,
    archiving_ends_incompleteness,
    details_that_are_not_among_the_changes_stay,
    details_in_a_new_place_leave_the_old_one,
    a_part_reads_back_and_is_listed,
    a_newer_part_replaces_an_older_one,
    an_older_or_equal_part_changes_nothing,
    an_archived_ticket_never_becomes_incomplete,
    an_erased_ticket_takes_nothing,
    a_due_ticket_is_claimed_once,
    a_ticket_that_is_given_up_is_off_the_list,
    an_archived_or_erased_ticket_is_not_claimed,
    an_event_is_one_record_however_often_it_is_noted,
)
