"""The demo's gallery in a real browser: the simulator's pictures and people, several tickets on one page."""

import json
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
LOADED = f"{ALL}.filter(image => image.complete && image.naturalWidth > 0).length"
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


def test_every_whole_picture_of_every_ticket_loads(browser: Browser, journeys: list[Journey]) -> None:
    pictures = all_but_the_broken_one(browser, journeys)
    eventually(lambda: True if browser.js(LOADED) == pictures else None, "all pictures loaded")
    assert browser.js("document.querySelectorAll('article').length") == 2


def test_a_broken_picture_and_a_difference_say_so_in_their_places(browser: Browser, journeys: list[Journey]) -> None:
    all_but_the_broken_one(browser, journeys)
    faults = (
        "[...document.querySelectorAll('article')].map(a => [...a.querySelectorAll('.fault')].map(f => f.textContent))"
    )
    kind = journeys[0].images[1].content_type
    assert browser.js(faults) == [
        [f"This browser cannot show it ({kind}): use fetch."],
        ["the outcome differs"],
    ]


@pytest.mark.parametrize("place", [0, 1])
def test_names_are_laid_out_from_right_to_left(browser: Browser, journeys: list[Journey], place: int) -> None:
    details = json.loads(json.dumps(journeys[place].details))
    name = next(found for found in natives(details) if not found.isascii())
    found = browser.js(
        f"""(() => {{
            const shown = [...document.querySelectorAll('dd')].find(each => each.textContent === {json.dumps(name)});
            const letter = at => {{
                const range = document.createRange();
                range.setStart(shown.firstChild, at);
                range.setEnd(shown.firstChild, at + 1);
                return range.getBoundingClientRect();
            }};
            const [first, last] = [letter(0), letter({len(name) - 1})];
            return {{direction: getComputedStyle(shown).direction, width: first.width, gap: first.left - last.left}};
        }})()"""
    )
    assert found["direction"] == "rtl"
    assert found["width"] > 1, "a letter is drawn"
    assert found["gap"] > 20, "the first letter stands on the right"


def natives(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "native_fields":
                yield value["fullname"]
            yield from natives(value)
    elif isinstance(node, list):
        for value in node:
            yield from natives(value)


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


def test_the_policy_stops_what_a_tickets_text_could_try(browser: Browser) -> None:
    # GIVEN the page has asked for nothing but itself
    assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data"}
    assert len([url for url in browser.requests if url.startswith("file")]) == 1
    # WHEN text became elements after all
    browser.js(
        """(() => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            const image = new Image();
            image.src = 'http://127.0.0.1:9/image';
            const frame = document.createElement('iframe');
            frame.src = 'http://127.0.0.1:9/frame';
            const line = document.createElement('p');
            line.setAttribute('onclick', 'window.ran = true');
            document.body.append(script, image, frame, line);
            line.click();
        })()"""
    )
    # THEN nothing runs, and nothing is asked for
    refused = eventually(lambda: told if len(told := refusals(browser)) >= 4 else None, "the browser's complaints")
    assert {"script-src", "img-src", "default-src"} & set(" ".join(refused).replace("'", " ").split())
    assert browser.js("window.ran === undefined") is True
    assert not [url for url in browser.requests if url.startswith("http")]


def refusals(browser: Browser) -> list[str]:
    browser.js("0")  # hears what has been said meanwhile
    return [complaint for complaint in browser.complaints if "Content Security Policy" in complaint]
