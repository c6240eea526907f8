"""The page of a ticket in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from ops.page import ticket_page
from ops.ticket_files import read_files
from tests.support.browser import CHROMIUM, Browser
from tests.support.sample_files import saved
from tests.support.waiting import eventually
from tests.unit.ops.cli_harness import FakeStack
from ticket_archive.bucket import Bucket

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)")

NAME = "أمينة الحداد"


def jpeg(colour: str) -> bytes:
    return saved(Image.new("RGB", (320, 200), colour), "JPEG")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A ticket with good images, a broken one, and a lost one."""
    details = {"user": {"fullname": "AMINA", "native_fields": {"fullname": NAME}, "note": "<script>alert(1)</script>"}}
    stack = FakeStack()
    item = stack.add_ticket(
        "t1",
        details=json.dumps(details).encode(),
        selfies=[jpeg("teal"), b"\xff\xd8 no picture", jpeg("navy"), b"gone"],
    )
    stack.stored[item.images[-1].key] = []
    file = tmp_path / "ticket.html"
    file.write_bytes(ticket_page(item, list(read_files(item, cast("Bucket", stack)))))
    made = Browser(tmp_path / "profile")
    try:
        made.open(file)
        yield made
    finally:
        made.close()


FOCUSED = "document.activeElement.querySelector?.('img')?.alt"
ENLARGED = "document.querySelector('dialog').open ? document.querySelector('dialog img').alt : null"


def test_images_load_and_broken_ones_have_a_message(browser: Browser) -> None:
    loaded = "[...document.querySelectorAll('figure img')].filter(i => i.complete && i.naturalWidth === 320).length"
    faults = "[...document.querySelectorAll('figure .fault')].map(fault => fault.textContent)"

    assert eventually(lambda: found if len(found := browser.js(faults)) == 2 else None, "both faults shown") == [
        "This browser cannot show it (image/jpeg): use fetch.",
        "Broken: missing in the bucket",
    ]
    assert browser.js(loaded) == 2
    assert browser.console_errors == [], "the page's own policy lets the page work, and nothing else was tried"


def test_a_name_from_right_to_left_stays_beside_its_label(browser: Browser) -> None:
    found = browser.js(
        f"""(() => {{
            const name = [...document.querySelectorAll('dd')].find(each => each.textContent === {json.dumps(NAME)});
            const label = name.previousElementSibling.getBoundingClientRect();
            const text = document.createRange();
            text.selectNodeContents(name);
            const gap = text.getBoundingClientRect().left - label.right;
            return {{direction: getComputedStyle(name).direction, gap}};
        }})()"""
    )

    assert found["direction"] == "rtl"
    assert 0 <= found["gap"] < 100


def test_the_keyboard_reaches_every_image(browser: Browser) -> None:
    eventually(lambda: browser.js("document.querySelectorAll('figure button').length") == 2, "faults")
    first, last = (str(browser.js(f"[...document.querySelectorAll('figure img')].at({at}).alt")) for at in (0, -1))
    assert first != last

    browser.press("ArrowRight")
    assert browser.js(FOCUSED) == first
    assert browser.js("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus can be seen"
    browser.press("ArrowRight")
    assert browser.js(FOCUSED) == last
    browser.press("ArrowRight")
    assert browser.js(FOCUSED) == first, "round again"
    browser.press("Home")
    assert browser.js(FOCUSED) == first
    browser.press("End")
    assert browser.js(FOCUSED) == last

    browser.press("Enter")
    assert browser.js(ENLARGED) == last
    browser.press("ArrowLeft")
    assert browser.js(ENLARGED) == first
    assert browser.js("document.querySelector('dialog p').textContent") == first

    browser.press("Escape")
    assert browser.js(ENLARGED) is None
    eventually(lambda: browser.js(FOCUSED) == first, "the focus where the reader was", 5)


def test_nothing_is_loaded_from_anywhere(browser: Browser) -> None:
    assert browser.js("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0
    tried = "fetch('http://127.0.0.1:9/').then(() => 'loaded', () => 'refused')"
    result = browser.call("Runtime.evaluate", expression=tried, awaitPromise=True, returnByValue=True)

    assert result["result"]["value"] == "refused"
    assert any("Content Security Policy" in error for error in browser.console_errors)


def test_a_printed_page_has_the_images_and_no_hints(browser: Browser) -> None:
    browser.call("Emulation.setEmulatedMedia", media="print")

    assert browser.js("getComputedStyle(document.querySelector('.hint')).display") == "none"
    assert browser.js("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
