import base64
import html
import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local import gallery
from local.demo import summary
from local.journey import Downloaded, Journey, choose, exactly
from local.terminal import recorder, save_svg
from local.vendor.server import Simulator
from local.vendor.shapes import Absence, Shape
from local.vendor.tickets import Outcome

ABOUT = {"document": "PASSPORT", "shape": "NESTED", "details": "PLAIN"}


def journey(**given: Any) -> Journey:
    image = Downloaded("DOCUMENT_GHOST_PORTRAIT", 0, "image/jpeg", "ab" * 32, b"x" * 1_234_567)
    usual: dict[str, Any] = {"outcome": "ACCEPTED", "images": [image], "absent": ["DOCUMENT_SIGNATURE"], "seconds": 2.5}
    return Journey("762ebbda-0edb-4e48-86bc-11a280273601", ABOUT, {}, **(usual | given))


def printed(*journeys: Journey) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(summary(journeys))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def wide(kind: str, content_type: str) -> Downloaded:
    return Downloaded(kind, 12, content_type, "ab" * 32, b"x" * 12_345_678)


def test_the_demo_has_tickets_of_every_kind() -> None:
    chosen = choose(Simulator(seed=1).tickets(count=60))

    assert {each["shape"] for each in chosen} == set(Shape)
    assert {each["outcome"] for each in chosen} == set(Outcome)
    absences = {each["absence"] for each in chosen if not all(each["images"].values())}
    assert absences == set(Absence)
    assert len({each["ticket"] for each in chosen}) == len(chosen) <= 12


@pytest.mark.parametrize("shown", ["762ebbda", "ACCEPTED", "ghost portrait 0", "JPEG", "1,235 kB", "abababab", "2.5"])
def test_the_summary_shows_every_image_in_80_columns(shown: str) -> None:
    text = printed(journey())

    assert shown in text
    assert re.search(r"signature\s+absent", text)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    assert "762ebbda" in printed(journey(images=[], absent=[], outcome=""))


def test_the_widest_values_are_not_cut() -> None:
    images = [wide("DOCUMENT_GHOST_PORTRAIT", "application/pdf"), wide("SELF_PORTRAITS", "video/quicktime")]
    text = printed(journey(images=images, outcome="REJECTED", seconds=123.4))

    for value in ("REJECTED", "ghost portrait 12", "self portraits 12", "PDF", "QUICKTIME", "12,346 kB", "123.4"):
        assert value in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_a_recording_is_the_text_that_was_printed(tmp_path: Path) -> None:
    console = recorder()
    console.file = io.StringIO()
    console.print(summary([journey()]))
    save_svg(console, tmp_path / "demo.svg", "make demo")

    drawn = html.unescape(re.sub(r"<[^>]+>", " ", (tmp_path / "demo.svg").read_text())).replace("\xa0", " ")
    for value in ("make demo", "762ebbda", "ACCEPTED", "ghost portrait 0", "1,235 kB"):
        assert value in drawn
    assert "url(http" not in drawn


def test_numbers_are_compared_with_every_digit() -> None:
    assert exactly('{"score": 0.12345678901234567890}') != exactly('{"score": 0.12345678901234567891}')


def test_the_gallery_embeds_every_image(tmp_path: Path) -> None:
    page = gallery.write(tmp_path / "demo", [journey()]).read_text()

    (source,) = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', page)
    assert base64.b64decode(source) == b"x" * 1_234_567
    assert "http:" not in page
    assert "https:" not in page


def test_the_gallery_shows_what_was_found_for_each_ticket(tmp_path: Path) -> None:
    named = journey(details={"user": {"fullname": "أمينة الحداد"}})
    page = gallery.write(tmp_path / "demo", [named, journey(images=[], absent=[], outcome="")]).read_text()

    assert page.count("<article>") == 2
    assert "2 tickets, 1 images" in page
    assert '<dd dir="auto">أمينة الحداد</dd>' in page
    assert "images as NESTED" in page
    assert "The ticket has none." in page
    assert "State in the archive: received" in page


def test_the_gallery_shows_differences_escaped(tmp_path: Path) -> None:
    page = gallery.write(tmp_path / "demo", [journey(differences=["<script>"])]).read_text()

    assert '<p class="fault">&lt;script&gt;</p>' in page
    assert "Matches" not in page
    assert "Matches" in gallery.write(tmp_path / "demo", [journey()]).read_text()
