import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.vendor.details import details
from local.vendor.pictures import DERIVED, UPLOADED, FileFormat, ImageType
from local.vendor.shapes import Absence, Shape, Unusable
from local.vendor.tickets import DetailsForm, Envelope, Flow, Outcome, State, Ticket, Tickets
from ticket_archive import models

SMALL = Tickets(seed=3, scale=0.05)


def first(count: int, tickets: Tickets = SMALL) -> list[Ticket]:
    return [tickets.get(ticket) for ticket in tickets.ids(count)]


def digests(ticket: Ticket) -> dict[str, list[str]]:
    return {kind: [picture.sha256 for picture in ticket.pictures(kind)] for kind in ImageType}


@given(seed=st.integers(0, 10**6), index=st.integers(0, 2**32 - 1))
def test_an_id_is_a_uuid_that_encodes_its_index(seed: int, index: int) -> None:
    ticket = Tickets(seed).id(index)
    assert uuid.UUID(ticket).version == 4
    assert str(uuid.UUID(ticket)) == ticket
    assert Tickets(seed).index(ticket) == index


@given(st.one_of(st.text(), st.uuids().map(str), st.sampled_from([SMALL.id(0).upper(), "{" + SMALL.id(0) + "}"])))
def test_any_other_id_is_unknown(ticket: str) -> None:
    with pytest.raises(KeyError):
        SMALL.get(ticket)


def test_simulator_has_the_image_types_of_the_archive() -> None:
    assert [each.value for each in ImageType] == [each.value for each in models.ImageType]


def test_seed_alone_decides_the_tickets() -> None:
    again, other = Tickets(seed=3, scale=0.05), Tickets(seed=4, scale=0.05)
    for one, same in zip(first(12), first(12, again), strict=True):
        assert json.dumps(details(one)) == json.dumps(details(same))
        assert digests(one) == digests(same)
    assert details(first(1)[0])["user"] != details(first(1, other)[0])["user"]
    assert digests(first(1)[0]) != digests(first(1, other)[0])


def test_forty_tickets_have_every_variety() -> None:
    tickets = first(40)
    assert {ticket.shape for ticket in tickets} == set(Shape)
    assert {ticket.absence for ticket in tickets} == set(Absence)
    assert {ticket.outcome for ticket in tickets} == set(Outcome)
    assert {ticket.details_form for ticket in tickets} == set(DetailsForm)
    assert {ticket.document.type for ticket in tickets} == {"PASSPORT", "ID_CARD", "DRIVER_LICENSE", "RESIDENCE_PERMIT"}
    scripts = {"Arabic", "Cyrillic", "Devanagari", "Greek", "Han", "Hebrew", "Japanese", "Latin"}
    assert {ticket.person.script for ticket in tickets} == scripts
    assert {ticket.flow for ticket in tickets} == set(Flow) - {Flow.NOTHING}
    assert {ticket.envelope for ticket in tickets} == set(Envelope)
    assert {unusable for ticket in first(80) for unusable in ticket.unusable.values()} == {Unusable.HTML, Unusable.SVG}
    formats = {picture.content_type for ticket in tickets for kind in ImageType for picture in ticket.pictures(kind)}
    assert formats == set(FileFormat)


@pytest.mark.parametrize("flow", Flow)
def test_a_flow_has_its_uploads(flow: Flow) -> None:
    ticket = SMALL.get(SMALL.id(0), State(flow=flow))
    uploads = {kind for kind in UPLOADED if ticket.sizes[kind]}
    assert (
        uploads
        == {
            Flow.DOCUMENT_AND_SELFIE: UPLOADED,
            Flow.DOCUMENT_ONLY: {ImageType.DOCUMENT},
            Flow.SELFIE_ONLY: {ImageType.SELF_PORTRAITS},
            Flow.NOTHING: set(),
        }[flow]
    )
    if ImageType.DOCUMENT not in uploads:
        assert not any(ticket.sizes[kind] for kind in DERIVED)


def test_sizes_are_from_30_kb_to_4_mb_and_large_ones_are_rare() -> None:
    sizes = [size for ticket in first(1000, Tickets(seed=3)) for kind in ImageType for size in ticket.sizes[kind]]
    assert 29_000 < min(sizes) < 32_000
    assert max(sizes) == 3_900_000
    assert 5 < sum(size > 3_000_000 for size in sizes) < 40


def test_a_new_take_replaces_every_file_of_the_same_person() -> None:
    ticket = SMALL.id(0)
    before, after = SMALL.get(ticket), SMALL.get(ticket, State(take=1))
    assert details(before) == details(after)
    for old, new in zip(digests(before).values(), digests(after).values(), strict=True):
        assert len(old) == len(new)
        assert not set(old) & set(new)


def test_hard_details_exceed_the_tables_limits() -> None:
    def of(form: DetailsForm) -> str:
        return json.dumps(details(SMALL.get(SMALL.id(0), State(details=form))), ensure_ascii=False)

    assert "1" + "0" * 43 + "7" in of(DetailsForm.PRECISE)
    assert of(DetailsForm.DEEP).count('{"next": [') == 40
    assert len(of(DetailsForm.LARGE).encode()) > 400 * 1024
