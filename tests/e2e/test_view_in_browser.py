"""The gallery page in a real browser: Chromium without a window, steered through its debugging pipe."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from ops.contents import pieces
from ops.page import page
from tests.support.waiting import eventually
from tests.unit.ops.house import House
from ticket_archive.bucket import Bucket

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)")

NAME = "أمينة الحداد"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"]

# Chromium reads its pipe from the descriptor 3 and writes to 4; copies first, since one of them may be taken.
THREE_AND_FOUR = """
import os, sys
for place, copy in list(zip((3, 4), [os.dup(int(given)) for given in sys.argv[1:3]])):
    os.dup2(copy, place)
    os.set_inheritable(place, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page in Chromium, by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

    def __init__(self, profile: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        pipes = (to_browser, from_browser)
        command = [sys.executable, "-c", THREE_AND_FOUR, *map(str, pipes)]
        command += [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(command, pass_fds=pipes, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._calls = 0
        self._session: str | None = None
        self.complaints: list[str] = []

    def open(self, file: Path) -> None:
        """Loads the page, which every call is about from then on."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=file.as_uri())
        eventually(lambda: True if self.js("document.readyState") == "complete" else None, "the page loaded")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(json.dumps(answer["params"]))

    def js(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, key: str) -> None:
        text = {"text": "\r"} if key == "Enter" else {}
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        given = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **given, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._out)
        os.close(self._in)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._in, 1 << 20)
            assert read, "the browser ended"
            self._rest += read
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message


def jpeg(colour: str) -> bytes:
    held = BytesIO()
    Image.new("RGB", (320, 200), colour).save(held, "JPEG")
    return held.getvalue()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A ticket with a good picture, one that no browser can show, and one that is gone from the bucket."""
    details = {"user": {"fullname": "AMINA", "native_fields": {"fullname": NAME}, "note": "<script>alert(1)</script>"}}
    house = House()
    item = house.archive(
        "t1",
        details=json.dumps(details).encode(),
        pictures=[jpeg("teal"), b"\xff\xd8 no picture", jpeg("navy"), b"gone"],
    )
    house.stored[item.images[-1].key] = []
    file = tmp_path / "ticket.html"
    file.write_bytes(page(item, list(pieces(item, cast("Bucket", house)))))
    made = Browser(tmp_path / "profile")
    try:
        made.open(file)
        yield made
    finally:
        made.close()


FOCUSED = "document.activeElement.querySelector?.('img')?.alt"
ENLARGED = "document.querySelector('dialog').open ? document.querySelector('dialog img').alt : null"


def test_pictures_load_and_broken_ones_say_so(browser: Browser) -> None:
    loaded = "[...document.querySelectorAll('figure img')].filter(i => i.complete && i.naturalWidth === 320).length"
    faults = "[...document.querySelectorAll('figure .fault')].map(fault => fault.textContent)"

    assert eventually(lambda: found if len(found := browser.js(faults)) == 2 else None, "both faults shown") == [
        "This browser cannot show it (image/jpeg): use fetch.",
        "Broken: missing in the bucket",
    ]
    assert browser.js(loaded) == 2
    assert browser.complaints == [], "the page's own policy lets the page work, and nothing else was tried"


def test_a_name_from_right_to_left_is_laid_out_so_and_stays_beside_its_label(browser: Browser) -> None:
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


def test_the_keyboard_reaches_every_picture(browser: Browser) -> None:
    eventually(lambda: True if browser.js("document.querySelectorAll('figure button').length") == 2 else None, "faults")
    first, last = (str(browser.js(f"[...document.querySelectorAll('figure img')].at({at}).alt")) for at in (0, -1))
    assert first != last

    browser.press("ArrowRight")
    assert browser.js(FOCUSED) == first
    assert browser.js("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus can be seen"
    browser.press("ArrowRight")
    assert browser.js(FOCUSED) == last
    browser.press("ArrowRight")
    assert browser.js(FOCUSED) == first, "round again"
    browser.press("End")
    assert browser.js(FOCUSED) == last

    browser.press("Enter")
    assert browser.js(ENLARGED) == last
    browser.press("ArrowLeft")
    assert browser.js(ENLARGED) == first
    assert browser.js("document.querySelector('dialog p').textContent") == first

    browser.press("Escape")
    assert browser.js(ENLARGED) is None
    eventually(lambda: True if browser.js(FOCUSED) == first else None, "the focus where the reader was", 5)


def test_nothing_is_loaded_from_anywhere(browser: Browser) -> None:
    assert browser.js("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length") == 0
    tried = "fetch('http://127.0.0.1:9/').then(() => 'loaded', () => 'refused')"
    result = browser.call("Runtime.evaluate", expression=tried, awaitPromise=True, returnByValue=True)

    assert result["result"]["value"] == "refused"
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)
