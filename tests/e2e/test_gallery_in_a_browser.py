"""The demo's gallery in a real browser: several tickets on one page. Of one ticket's page: test_view_in_browser.py."""

from collections.abc import Iterator

import pytest

from local import gallery
from local.journey import Journey
from tests.support.browser import CHROMIUM, Browser
from tests.support.journeys import journey
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)")

SHOWN = {"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"}
ALL = "[...document.querySelectorAll('figure img')]"
FOCUSED = f"{ALL}.indexOf(document.activeElement.querySelector?.('img'))"
ENLARGED = "document.querySelector('dialog').open"


@pytest.fixture(scope="module")
def journeys() -> list[Journey]:
    """An Egyptian's ticket, with one picture that arrived broken, and an Israeli's, of which something differs."""
    first, second = journey(0), journey(3, differences=["the outcome differs"])
    first.images[1].body = first.images[1].body[:2] + b"no picture"
    return [first, second]


@pytest.fixture(scope="module")
def browser(journeys: list[Journey], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    try:
        made.open(gallery.write(tmp_path_factory.mktemp("gallery") / "demo", journeys))
        yield made
    finally:
        made.close()


def all_but_the_broken_one(browser: Browser, journeys: list[Journey]) -> int:
    """How many pictures are shown, once the page has noticed that one is broken."""
    pictures = sum(image.content_type in SHOWN for each in journeys for image in each.images) - 1
    eventually(lambda: True if browser.js(f"{ALL}.length") == pictures else None, "the broken picture noticed")
    return pictures


def test_the_keyboard_goes_from_one_ticket_to_the_next_and_escape_closes(
    browser: Browser, journeys: list[Journey]
) -> None:
    pictures = all_but_the_broken_one(browser, journeys)
    browser.press("ArrowRight")
    browser.press("End")
    assert browser.js(FOCUSED) == pictures - 1
    browser.press("Home")
    assert browser.js(FOCUSED) == 0
    for expected in [*range(1, pictures), 0]:
        browser.press("ArrowRight")
        assert browser.js(FOCUSED) == expected
    browser.press("ArrowLeft")
    assert browser.js(FOCUSED) == pictures - 1

    browser.press("Enter")
    assert browser.js(ENLARGED) is True
    browser.press("Escape")
    assert browser.js(ENLARGED) is False
