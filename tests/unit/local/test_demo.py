import io
from pathlib import Path
from typing import Any

from rich.console import Console

from local import gallery
from local.demo import summary
from local.journey import Journey, choose, exactly
from local.vendor.server import Simulator
from local.vendor.shapes import Absence, Shape
from local.vendor.tickets import Outcome
from ticket_archive.models import ImageType, StoredImage

ABOUT = {"document": "PASSPORT", "shape": "NESTED", "details": "PLAIN"}


def journey(**given: Any) -> Journey:
    return Journey("762ebbda-0edb-4e48-86bc-11a280273601", ABOUT, {}, **given)


def image(kind: ImageType, content_type: str) -> StoredImage:
    return StoredImage(kind, 12, "", "ab" * 32, 12_345_678, content_type)


def test_the_demo_has_tickets_of_every_kind() -> None:
    chosen = choose(Simulator(seed=1).tickets(count=60))

    assert {each["shape"] for each in chosen} == set(Shape)
    assert {each["outcome"] for each in chosen} == set(Outcome)
    absences = {each["absence"] for each in chosen if not all(each["images"].values())}
    assert absences == set(Absence)
    assert len({each["ticket"] for each in chosen}) == len(chosen) <= 12


def test_the_widest_values_are_not_cut() -> None:
    wide = (ImageType.DOCUMENT_GHOST_PORTRAIT, "application/pdf"), (ImageType.SELF_PORTRAITS, "video/quicktime")
    images = {image(*each): b"" for each in wide}
    shown = io.StringIO()
    Console(file=shown, width=80).print(summary([journey(images=images, outcome="REJECTED", seconds=123.4)]))
    text = shown.getvalue()

    for value in ("REJECTED", "ghost portrait 12", "self portraits 12", "PDF", "QUICKTIME", "12,346 kB", "123.4"):
        assert value in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_numbers_are_compared_with_every_digit() -> None:
    assert exactly('{"score": 0.12345678901234567890}') != exactly('{"score": 0.12345678901234567891}')


def test_the_gallery_shows_what_was_found_for_each_ticket(tmp_path: Path) -> None:
    details = {"user": {"fullname": "أمينة الحداد"}}
    shown = {image(ImageType.DOCUMENT, "image/jpeg"): b"x"}
    named = journey(details=details, images=shown, absent=["DOCUMENT_SIGNATURE"], outcome="ACCEPTED")
    page = gallery.write(tmp_path / "demo", [named, journey()]).read_text()

    assert page.count("<article>") == 2
    assert "2 tickets, 1 images" in page
    assert '<dd dir="auto">أمينة الحداد</dd>' in page
    assert "images as NESTED" in page
    assert "The ticket has none." in page
    assert "State in the archive: received" in page
