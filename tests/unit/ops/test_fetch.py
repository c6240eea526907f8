"""Fetching: what is written is what was archived, for this user alone, and replaces nothing unasked."""

import stat
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from ops import contents
from ops.contents import Piece
from ops.errors import Failure
from ops.fetch import fetch, prepare
from tests.unit.ops.cli_harness import DETAILS, JPEG, ArchiveHarness
from ticket_archive.bucket import Bucket
from ticket_archive.details import place, read_details
from ticket_archive.table import TicketItem

NAMES = ["details.json", "SELF_PORTRAITS-0.jpg", "DOCUMENT-0.jpg", "manifest.json"]


@pytest.fixture
def house() -> ArchiveHarness:
    return ArchiveHarness()


@pytest.fixture
def item(house: ArchiveHarness) -> TicketItem:
    return house.archive("t1")


def run(house: ArchiveHarness, item: TicketItem, folder: Path, *, force: bool = False) -> list[Piece]:
    prepare(folder, item, force=force)
    return list(fetch(item, cast("Bucket", house), folder))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_of_a_ticket_comes_as_it_was_archived(house: ArchiveHarness, item: TicketItem, tmp_path: Path) -> None:
    done = run(house, item, tmp_path / "t1")

    assert [piece.name for piece in done] == contents.names(item) == NAMES
    assert [piece.fault for piece in done] == [None] * 4
    assert (tmp_path / "t1" / "DOCUMENT-0.jpg").read_bytes() == JPEG + b"DOCUMENT"
    assert read_details((tmp_path / "t1" / "details.json").read_bytes()).value == read_details(DETAILS).value


def test_files_and_folder_are_for_this_user_alone(house: ArchiveHarness, item: TicketItem, tmp_path: Path) -> None:
    run(house, item, tmp_path / "t1")

    assert mode(tmp_path / "t1") == 0o700
    assert {mode(tmp_path / "t1" / name) for name in NAMES} == {0o600}
    assert sorted(path.name for path in (tmp_path / "t1").iterdir()) == sorted(NAMES)


def test_a_picture_that_changed_is_not_written(house: ArchiveHarness, item: TicketItem, tmp_path: Path) -> None:
    house.put(item.images[1].key, b"another picture")

    done = run(house, item, tmp_path)

    [fault] = [piece for piece in done if piece.fault]
    assert (fault.name, fault.fault) == ("DOCUMENT-0.jpg", "not what was archived: its hash differs")
    assert not (tmp_path / "DOCUMENT-0.jpg").exists()
    assert (tmp_path / "SELF_PORTRAITS-0.jpg").exists()


def test_a_picture_that_is_gone_costs_no_neighbour(house: ArchiveHarness, item: TicketItem, tmp_path: Path) -> None:
    house.stored[item.images[0].key] = []

    done = run(house, item, tmp_path)

    assert [piece.name for piece in done if piece.fault == "missing in the bucket"] == ["SELF_PORTRAITS-0.jpg"]
    assert (tmp_path / "DOCUMENT-0.jpg").exists()


def test_details_that_changed_are_not_written(house: ArchiveHarness, item: TicketItem, tmp_path: Path) -> None:
    spoiled = replace(item, attributes={"details": {"flow_status": "REJECTED"}})

    done = run(house, spoiled, tmp_path)

    assert done[0].fault == "not what was archived: its hash differs"
    assert not (tmp_path / "details.json").exists()


def test_a_manifest_of_another_state_is_a_fault(house: ArchiveHarness, item: TicketItem, tmp_path: Path) -> None:
    spoiled = replace(item, images=item.images[:1])

    assert run(house, spoiled, tmp_path)[-1].fault == "tells of another state than the table"


@pytest.mark.parametrize("raw", [b'{"n":-0}', b'{"n":1,"n":2}', b'{"n":' + b"7" * 60 + b"}"])
def test_details_that_no_map_can_hold_come_back_byte_by_byte(
    raw: bytes, house: ArchiveHarness, item: TicketItem, tmp_path: Path
) -> None:
    details = read_details(raw)
    odd = replace(item, details_sha256=details.sha256, attributes=place("t1", details).attributes)

    assert run(house, odd, tmp_path)[0].fault is None
    assert (tmp_path / "details.json").read_bytes() == raw


def test_details_in_the_bucket_that_are_gone_are_a_fault(
    house: ArchiveHarness, item: TicketItem, tmp_path: Path
) -> None:
    moved = replace(item, attributes={"details_key": "tickets/t1/details/x.json.gz"})

    assert run(house, moved, tmp_path)[0].fault == "missing in the bucket"


@pytest.mark.parametrize("body", [b"no gzip", b""])
def test_details_that_cannot_be_unpacked_are_a_fault(
    body: bytes, house: ArchiveHarness, item: TicketItem, tmp_path: Path
) -> None:
    spoiled = replace(item, attributes={"details_packed": body})

    assert "unreadable" in str(run(house, spoiled, tmp_path)[0].fault)


def test_a_file_in_the_way_stops_it_before_anything_is_written(
    house: ArchiveHarness, item: TicketItem, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text("mine")

    with pytest.raises(Failure, match=r"manifest\.json already"):
        run(house, item, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_force_replaces_what_is_there(house: ArchiveHarness, item: TicketItem, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("mine")
    (tmp_path / "manifest.json").chmod(0o644)

    run(house, item, tmp_path, force=True)

    assert b"idv-ticket-archive" in (tmp_path / "manifest.json").read_bytes()
    assert mode(tmp_path / "manifest.json") == 0o600


def test_force_replaces_a_link_and_not_what_it_points_to(
    house: ArchiveHarness, item: TicketItem, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_text("not ours")
    (tmp_path / "t1").mkdir()
    (tmp_path / "t1" / "details.json").symlink_to(tmp_path / "elsewhere")

    run(house, item, tmp_path / "t1", force=True)

    assert (tmp_path / "elsewhere").read_text() == "not ours"


def test_a_strange_extension_of_a_key_does_not_become_a_file_name(house: ArchiveHarness, item: TicketItem) -> None:
    odd = replace(item, images=(replace(item.images[0], key="tickets/t1/images/DOCUMENT/x.J P"),))

    assert contents.names(odd)[1] == "SELF_PORTRAITS-0.bin"
