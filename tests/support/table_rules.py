"""The table's rules, for the client in memory that evaluates expressions and for the emulator. One table serves all."""

import secrets
from decimal import Decimal
from typing import Any

import pytest

from tests.support.waiting import eventually
from ticket_archive.errors import TicketErased, WriteConflict
from ticket_archive.models import (
    ImageType,
    PendingAnswer,
    StoredImage,
    TicketItem,
    TicketState,
    TypeState,
    UnrecognizedFile,
)
from ticket_archive.table import Due, IncompleteTicket, TicketTable

DEFAULTS = {"received_at": "2026-01-15T09:30:00.000000Z", "expires_at": None, "attempts": 1, "attempted_at": "now"}

T0, T1, T2, T3 = (f"2026-01-15T09:3{minute}:00.000000Z" for minute in range(4))

IMAGE = StoredImage(
    type=ImageType.DOCUMENT,
    index=0,
    key="tickets/T/images/DOCUMENT/aa.jpg",
    sha256="aa",
    bytes=3,
    content_type="image/jpeg",
)


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
        "images": [IMAGE.model_dump()],
        "types": {"DOCUMENT": "stored", "DOCUMENT_SIGNATURE": "absent"},
        "complete": True,
        **more,
    }


def _part(fetched_at: str, **more: Any) -> dict[str, Any]:
    return {"fetched_at": fetched_at, "resume": "e1", "last_error": "vendor_unavailable", "images": [], **more}


def _unseen() -> TicketItem:
    return TicketItem(ticket=_new(), state=TicketState.RECEIVED)


def _archived(table: TicketTable, fetched_at: str = T1, version: str = "v1", **more: Any) -> TicketItem:
    item = _unseen()
    table.archive(item, _state(version, fetched_at, **more), DEFAULTS)
    return _known(table, item.ticket)


def _incomplete(table: TicketTable, fetched_at: str = T1, retry_at: str = T3, **more: Any) -> TicketItem:
    """Make a ticket incomplete; return it as it was before."""
    item = _unseen()
    table.mark_incomplete(item.ticket, _part(fetched_at, **more), retry_at, DEFAULTS)
    return item


def _known(table: TicketTable, ticket: str) -> TicketItem:
    item = table.get(ticket)
    assert item is not None
    return item


def _erase(table: TicketTable, ticket: str) -> None:
    """Leave a tombstone, as the operators' command does."""
    tombstone = {"ticket": {"S": ticket}, "record": {"S": "ticket"}, "state": {"S": "erased"}}
    table._client.put_item(TableName=table._name, Item=tombstone)


def _listed(table: TicketTable, ticket: str, expected: IncompleteTicket | None) -> bool:
    """Wait until the lists have this entry of the ticket, or none: an index follows its table a little later."""

    def found() -> list[IncompleteTicket]:
        return [each for partition in Due for each in table.listed(partition, 1000) if each.ticket == ticket]

    return eventually(lambda: found() == ([expected] if expected else []), found, 10)


class TableRules:
    """The tests of a subclass, which has a fixture `table`."""

    def test_the_first_write_makes_a_ticket_known_and_later_ones_keep_its_first_times(self, table: TicketTable) -> None:
        item = _unseen()
        table.mark_incomplete(item.ticket, _part(T1), T2, {**DEFAULTS, "expires_at": 1_800_000_000})
        table.archive(item, _state("v1", T2), {**DEFAULTS, "received_at": T3, "expires_at": 1_900_000_000})
        archived = _known(table, item.ticket)
        assert (archived.received_at, archived.expires_at, archived.attempts) == (T0, 1_800_000_000, 1)

    def test_an_attempt_on_a_known_ticket_is_counted(self, table: TicketTable) -> None:
        archived = _archived(table)
        again = table.begin(archived.ticket, T3)
        assert again == _known(table, archived.ticket)
        assert again is not None
        assert (again.state, again.attempts, again.attributes["attempted_at"]) == (TicketState.ARCHIVED, 2, T3)
        assert (again.version, again.fetched_at, again.images) == ("v1", T1, (IMAGE,))

    def test_an_attempt_on_an_unknown_ticket_writes_nothing(self, table: TicketTable) -> None:
        ticket = _new()
        assert table.begin(ticket, T3) is None
        assert table.get(ticket) is None

    def test_an_archived_item_reads_back_as_it_was_written(self, table: TicketTable) -> None:
        item = _archived(table)
        assert (item.state, item.version, item.previous, item.outcome) == (TicketState.ARCHIVED, "v1", None, "ACCEPTED")
        assert (item.details_sha256, item.details_bytes, item.images) == ("dd", 42, (IMAGE,))
        assert item.types == {ImageType.DOCUMENT: TypeState.STORED, ImageType.DOCUMENT_SIGNATURE: TypeState.ABSENT}
        assert item.attributes["details"] == {"flow_status": "ACCEPTED", "score": Decimal("98.5")}
        assert "expires_at" not in item.attributes
        file = UnrecognizedFile(type="DOCUMENT", key="tickets/T/unrecognized/bb", sha256="bb", bytes=7)
        item = _archived(table, complete=False, unrecognized=[file.model_dump()], missing={"DOCUMENT": "html"})
        assert (item.complete, item.unrecognized, item.missing) == (False, (file,), {"DOCUMENT": "html"})

    def test_pending_answers_read_back_until_the_ticket_is_archived(self, table: TicketTable) -> None:
        pending = PendingAnswer(answer="empty", seen={"empty": T0, "aa": T1})
        item = _incomplete(table, pending={"DOCUMENT": pending})
        assert _known(table, item.ticket).pending == {"DOCUMENT": pending}
        table.archive(item, _state("v1", T2), DEFAULTS)
        assert _known(table, item.ticket).pending == {}
        table.keep_pending(item.ticket, {"pending": {"DOCUMENT": pending}}, T3)
        assert _known(table, item.ticket).pending == {"DOCUMENT": pending}

    def test_an_archived_ticket_may_be_listed_to_be_asked_for_again(self, table: TicketTable) -> None:
        item = _unseen()
        table.archive(item, _state("v1", T1), DEFAULTS, T3)
        due = IncompleteTicket(item.ticket, T3, T0, 0)
        assert _listed(table, item.ticket, due)
        assert not any(each.ticket == item.ticket for each in table.listed(Due.INCOMPLETE, 1000))
        assert table.postpone(due, None)
        assert _listed(table, item.ticket, None)

    def test_an_archived_ticket_with_a_newer_state_is_listed_until_that_is_over(self, table: TicketTable) -> None:
        item = _archived(table)
        table.keep_pending(item.ticket, {"unknown_since": T2, "requeues": 0}, T3)
        assert _listed(table, item.ticket, IncompleteTicket(item.ticket, T3, T0, 0))
        assert _known(table, item.ticket).attributes["unknown_since"] == T2
        table.keep_pending(item.ticket, {"unknown_since": None}, None)
        assert _listed(table, item.ticket, None)
        assert "unknown_since" not in _known(table, item.ticket).attributes

    def test_a_customers_tickets_are_listed_in_every_state(self, table: TicketTable) -> None:
        customer = _new()
        archived = _archived(table, customer=customer)
        item = _incomplete(table, T2, customer=customer)
        eventually(lambda: len(table.by_customer(customer, 10, None)[0]) == 2, "both tickets", 10)
        found, _ = table.by_customer(customer, 10, None)
        assert [(each.ticket, each.archived_at) for each in found] == [(item.ticket, None), (archived.ticket, T1)]

    def test_a_ticket_that_the_vendor_does_not_know_ends(self, table: TicketTable) -> None:
        item = _incomplete(table, retry_at=T2)
        attempt = table.begin(item.ticket, T2)
        assert attempt is not None
        assert table.begin(item.ticket, T3)
        with pytest.raises(WriteConflict):
            table.expire(attempt, 1)
        table.expire(_known(table, item.ticket), 1_800_000_000)
        assert _known(table, item.ticket).expires_at == 1_800_000_000
        assert _listed(table, item.ticket, None)

    def test_a_legal_hold_is_not_lifted(self, table: TicketTable) -> None:
        item = _archived(table, legal_hold=T1, expires_at=253_402_300_799)
        with pytest.raises(WriteConflict):
            table.archive(item, _state("v2", T2, expires_at=1), DEFAULTS)
        with pytest.raises(WriteConflict):
            table.archive(item, _state("v2", T2, expires_at=None), DEFAULTS)
        with pytest.raises(WriteConflict):
            table.expire(_known(table, item.ticket), 1)
        table.archive(item, _state("v2", T2), {**DEFAULTS, "expires_at": 1})
        assert _known(table, item.ticket).expires_at == 253_402_300_799

    def test_an_item_is_archived_from_the_version_that_was_read(self, table: TicketTable) -> None:
        stale = _unseen()
        table.archive(stale, _state("v1", T1), DEFAULTS)
        with pytest.raises(WriteConflict):
            table.archive(stale, _state("v2", T2), DEFAULTS)
        table.archive(_known(table, stale.ticket), _state("v2", T2, previous="v1"), DEFAULTS)
        assert _known(table, stale.ticket).version == "v2"

    @pytest.mark.parametrize("make", [_archived, _incomplete])
    def test_an_older_or_equally_old_fetch_or_part_changes_nothing(self, table: TicketTable, make: Any) -> None:
        item = make(table, T2)
        before = _known(table, item.ticket)
        for fetched_at in (T1, T2):
            with pytest.raises(WriteConflict):
                table.archive(item, _state("v2", fetched_at), DEFAULTS)
            with pytest.raises(WriteConflict):
                table.mark_incomplete(item.ticket, _part(fetched_at, resume="e2"), T3, DEFAULTS)
        assert _known(table, item.ticket) == before

    def test_archiving_ends_incompleteness(self, table: TicketTable) -> None:
        item = _incomplete(table)
        table.archive(item, _state("v1", T2), DEFAULTS)
        archived = _known(table, item.ticket)
        assert archived.state is TicketState.ARCHIVED
        assert not {"incomplete", "retry_at", "resume", "last_error"} & archived.attributes.keys()
        assert _listed(table, item.ticket, None)

    def test_details_that_are_not_among_the_changes_stay(self, table: TicketTable) -> None:
        item = _incomplete(table, details={"a": "b"}, details_sha256="kept", details_bytes=9)
        changes = {name: value for name, value in _state("v1", T2).items() if not name.startswith("details")}
        table.archive(item, changes, DEFAULTS)
        archived = _known(table, item.ticket)
        assert archived.attributes["details"] == {"a": "b"}
        assert (archived.details_sha256, archived.details_bytes) == ("kept", 9)

    def test_details_in_a_new_place_leave_the_old_one(self, table: TicketTable) -> None:
        item = _archived(table)
        changes = {name: value for name, value in _state("v2", T2).items() if name != "details"}
        table.archive(item, {**changes, "details_packed": b"\x1f\x8b\x00"}, DEFAULTS)
        archived = _known(table, item.ticket)
        assert archived.attributes["details_packed"] == b"\x1f\x8b\x00"
        assert not {"details", "details_key"} & archived.attributes.keys()

    def test_a_part_reads_back_and_is_listed(self, table: TicketTable) -> None:
        item = _incomplete(table, types={"DOCUMENT": "failed"}, images=[IMAGE.model_dump()])
        kept = _known(table, item.ticket)
        assert (kept.state, kept.resume, kept.fetched_at, kept.images) == (TicketState.INCOMPLETE, "e1", T1, (IMAGE,))
        assert kept.types == {ImageType.DOCUMENT: TypeState.FAILED}
        assert _listed(table, item.ticket, IncompleteTicket(item.ticket, T3, T0, 0))

    def test_a_newer_part_replaces_an_older_one(self, table: TicketTable) -> None:
        item = _incomplete(table, retry_at=T2, details={"a": "b"}, details_sha256="one")
        table.mark_incomplete(item.ticket, _part(T2, details=None, details_sha256=None, resume="e2"), T3, DEFAULTS)
        kept = _known(table, item.ticket)
        assert (kept.resume, kept.fetched_at, kept.details_sha256) == ("e2", T2, None)
        assert "details" not in kept.attributes

    def test_an_archived_ticket_never_becomes_incomplete(self, table: TicketTable) -> None:
        item = _archived(table, T1)
        with pytest.raises(WriteConflict):
            table.mark_incomplete(item.ticket, _part(T2), T3, DEFAULTS)
        assert _known(table, item.ticket) == item

    def test_an_erased_ticket_takes_nothing(self, table: TicketTable) -> None:
        item = _archived(table, T1)
        _erase(table, item.ticket)
        with pytest.raises(TicketErased):
            table.begin(item.ticket, T3)
        with pytest.raises(TicketErased):
            table.archive(item, _state("v2", T3), DEFAULTS)
        with pytest.raises(TicketErased):
            table.mark_incomplete(item.ticket, _part(T3), T3, DEFAULTS)
        erased = _known(table, item.ticket)
        assert erased.state is TicketState.ERASED
        assert erased.attributes.keys() == {"ticket", "record", "state"}

    def test_a_due_ticket_is_claimed_once_and_off_the_list_when_it_is_given_up(self, table: TicketTable) -> None:
        item = _incomplete(table, retry_at=T2)
        waiting = IncompleteTicket(item.ticket, T2, T0, 0)
        assert table.postpone(waiting, T3)
        assert not table.postpone(waiting, T3)
        again = IncompleteTicket(item.ticket, T3, T0, 1)
        assert _listed(table, item.ticket, again)
        assert table.postpone(again, None)
        assert _listed(table, item.ticket, None)
        assert _known(table, item.ticket).state is TicketState.INCOMPLETE

    def test_an_archived_or_erased_ticket_is_not_claimed(self, table: TicketTable) -> None:
        for erased in (False, True):
            item = _incomplete(table, retry_at=T2)
            if erased:
                _erase(table, item.ticket)
            else:
                table.archive(item, _state("v1", T2), DEFAULTS)
            before = _known(table, item.ticket)
            assert not table.postpone(IncompleteTicket(item.ticket, T2, T0, 0), T3)
            assert _known(table, item.ticket) == before

    def test_an_event_is_one_record_however_often_it_is_noted(self, table: TicketTable) -> None:
        item = _archived(table)
        for _ in range(2):
            table.put_event(item.ticket, "e1", T0, "ticket.verification.completed", 1_800_000_000)
        assert _known(table, item.ticket) == item

    def test_a_ticket_is_read_without_its_details(self, table: TicketTable) -> None:
        whole = _archived(table)
        part = table.get(whole.ticket, details=False)
        assert part is not None
        assert "details" in whole.attributes
        assert "details" not in part.attributes
        assert part.model_dump(exclude={"attributes"}) == whole.model_dump(exclude={"attributes"})
