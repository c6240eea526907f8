"""The page of a ticket: all its content is escaped text, and the page loads nothing."""

import base64
import hashlib
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.page import TicketSection, gallery_page, index_page, ticket_page
from ops.ticket_files import TicketFile, read_files
from tests.support.strategies import json_values
from tests.unit.ops.cli_harness import JPEG, FakeStack
from ticket_archive.bucket import Bucket
from ticket_archive.manifest import Manifest
from ticket_archive.models import TypeState

TEMPLATES = sorted((Path(__file__).parents[3] / "ops" / "templates").glob("*.j2"))
HOSTILE = (
    "\"><script>alert(1)</script><img src=https://evil.test/x onerror=alert(1)> & ' </style></title>"
    "{{ 7 * 7 }}{% endblock %}{# #}"
)


class Reader(HTMLParser):
    """What a browser would find."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def within(self, tag: str) -> list[str]:
        return [text for parent, text in self.texts if parent == tag]


def read(html: bytes) -> Reader:
    reader = Reader()
    reader.feed(html.decode())
    reader.close()
    return reader


def show(details: dict[str, Any] | None = None, *, stack: FakeStack | None = None) -> Reader:
    stack = stack or FakeStack()
    item = stack.table.get("t1") or stack.add_ticket("t1")
    found = list(read_files(item, cast("Bucket", stack)))
    if details is not None:
        found[0] = TicketFile("details.json", b"", value=details)
    return read(ticket_page(item, found))


def check_self_contained(reader: Reader) -> None:
    """One script and one style, pictures out of the page itself, and nothing that leads or reacts elsewhere."""
    names = [name for name, _ in reader.tags]
    assert (names.count("script"), names.count("style")) == (1, 1)
    assert not {"iframe", "object", "embed", "form", "link", "base", "svg"} & set(names)
    for _, attributes in reader.tags:
        assert not {"action", "srcset", "style"} & attributes.keys()
        if "href" in attributes:  # saves a file, and leads nowhere
            assert str(attributes["href"]).startswith("data:application/octet-stream;base64,")
            assert attributes.get("download")
        assert not [name for name in attributes if name.startswith("on")]
        assert str(attributes.get("src", "data:image/")).startswith("data:image/")


@pytest.mark.parametrize("text", [HOSTILE, "javascript:alert(1)", "</script>", "<!--", "]]>", "&lt;"])
def test_hostile_text_stays_text(text: str) -> None:
    reader = show({"user": {"fullname": text, text: text, "native_fields": {text: text}}})
    assert text in "".join(reader.within("dd"))
    check_self_contained(reader)


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    item = FakeStack().add_ticket("t1", outcome=HOSTILE, disposition=HOSTILE, last_error=HOSTILE)
    image = item.images[0].model_copy(update={"content_type": HOSTILE})
    files = [
        TicketFile(HOSTILE, fault=HOSTILE),
        TicketFile(HOSTILE, fault=HOSTILE, image=image),
        TicketFile(HOSTILE, b"body", image=image),
        TicketFile(HOSTILE, b"body", unrecognized="DOCUMENT"),
        TicketFile(HOSTILE, b"body", unrecognized="DETAILS"),
    ]
    shown: dict[str, Any] = {"version": HOSTILE, "archived_at": HOSTILE, "outcome": HOSTILE, "images": ()}
    manifest = Manifest.model_construct(**shown)
    section = TicketSection(item, files, [HOSTILE], [HOSTILE])

    for page in (ticket_page(item, files, [manifest] * 2), gallery_page(HOSTILE, HOSTILE, [section])):
        reader = read(page)
        check_self_contained(reader)
        assert [link["download"] for link in reader.named("a")] == [HOSTILE] * 3
        assert {tag for tag, text in reader.texts if HOSTILE in text} >= {"span", "p", "dd", "div", "figcaption", "a"}


def test_templates_leave_only_style_and_script_unescaped() -> None:
    templates = "".join(file.read_text(encoding="utf-8") for file in TEMPLATES)
    assert re.findall(r"\{\{([^{}]+)\| *safe", templates) == [" style ", " script "]
    assert len(re.findall(r"\bsafe\b", templates)) == 2
    assert "autoescape" not in templates


_JSON = json_values(numbers=st.decimals(allow_nan=False))


@given(st.dictionaries(st.text() | st.sampled_from(["fullname", "native_fields", "type"]), _JSON, max_size=5))
def test_no_details_can_add_active_elements(details: dict[str, Any]) -> None:
    check_self_contained(show(details))


def test_the_policy_allows_only_the_pages_own_style_script_and_images() -> None:
    reader = show()
    check_self_contained(reader)
    assert policy_of(reader) == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": digest("".join(reader.within("style"))),
        "script-src": digest("".join(reader.within("script"))),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def policy_of(reader: Reader) -> dict[str, str]:
    [policy] = [meta["content"] for meta in reader.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    return dict(part.strip().split(" ", 1) for part in str(policy).split(";"))


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_images_are_embedded_byte_by_byte_under_their_types() -> None:
    reader = show()
    sources = [str(image["src"]) for image in reader.named("img") if "src" in image]
    shown = [base64.b64decode(source.partition(",")[2]) for source in sources]
    assert shown == [JPEG + b"SELF_PORTRAITS", JPEG + b"DOCUMENT"]
    assert [image["alt"] for image in reader.named("img")] == ["Self portraits 1 of 1", "Document 1 of 1", ""]
    titles = ["Person and document", "Self portraits", "Document", "Document signature"]
    assert reader.within("h2") == titles
    assert "The ticket has none." in reader.within("p")


def test_a_damaged_image_says_so_in_its_place_and_the_others_are_shown() -> None:
    stack = FakeStack()
    item = stack.add_ticket("t1")
    stack.put(item.images[0].key, b"something else")
    reader = show(stack=stack)
    assert "Broken: differs from what was archived" in reader.within("div")
    assert len([image for image in reader.named("img") if "src" in image]) == 1
    assert len(reader.named("figure")) == 2


def test_missing_details_and_a_missing_manifest_are_shown() -> None:
    stack = FakeStack()
    item = stack.add_ticket("t1")
    found = [TicketFile(name, fault="missing in the bucket") for name in ("details.json", "manifest.json")]
    texts = read(ticket_page(item, found)).within("p")
    assert "details.json: missing in the bucket" in texts
    assert "manifest.json: missing in the bucket" in texts
    assert "No details are stored." in texts


def test_a_failed_type_is_not_shown_as_absent() -> None:
    item = FakeStack().add_ticket("t1")
    types = dict.fromkeys(item.types, TypeState.FAILED)
    failed = item.model_copy(update={"types": types, "images": (), "missing": {"DOCUMENT": "503"}})
    texts = read(ticket_page(failed, [])).within("p")
    assert (texts.count("Could not be fetched."), texts.count("Could not be fetched: 503.")) == (2, 1)


@pytest.mark.parametrize("name", ["أمينة الحداد", "שרה כהן", "山田花子", "Łucja Żak"])
def test_a_name_of_any_script_has_its_own_direction(name: str) -> None:
    reader = show({"user": {"fullname": name, "native_fields": {"surname": name}}})
    assert name in reader.within("dd")
    assert all(entry.get("dir") == "auto" for entry in reader.named("dd") if entry)
    assert reader.named("span")[1:], "the tree of all details"
    assert all(entry.get("dir") == "auto" for entry in reader.named("span")[1:])


def test_native_fields_of_person_and_document_are_joined() -> None:
    details = {"user": {"native_fields": {"surname": "A"}}, "document": {"native_fields": {"place_of_issue": "B"}}}
    reader = show(details)
    assert "In the document's own script" in reader.within("h2")
    assert {"Surname", "Place of issue"} <= set(reader.within("dt"))


def test_the_shallowest_fact_is_shown() -> None:
    reader = show({"a": {"b": {"fullname": "deep"}}, "user": {"fullname": "near"}})
    assert "near" in reader.within("dd")
    assert "deep" not in reader.within("dd")


def test_deep_and_wide_details_are_cut() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"x": deep}
    wide = {str(number): Decimal(number) for number in range(20_000)}
    texts = {text for _, text in show({"deep": deep, "wide": wide, "long": "x" * 100_000}).texts}
    assert "deeper than this page goes: use fetch" in texts
    assert "more than this page holds: use fetch" in texts
    assert max(map(len, texts - set(show().within("style") + show().within("script")))) < 600


def test_control_characters_and_lone_surrogates_are_replaced_everywhere() -> None:
    item = FakeStack().add_ticket("t1", outcome="a\x00b", last_error="c\rd\te")
    details = {"user": {"fullname": "a\x00b\x1bc", "surname": "x\ud800y"}}
    reader = read(ticket_page(item, [TicketFile("details.json", b"", value=details), TicketFile("f\x1b", fault="g")]))
    assert {"a\ufffdb\ufffdc", "x?y", "c\ufffdd\te"} <= set(reader.within("dd"))
    assert "a\ufffdb" in reader.within("span")
    assert "f\ufffd: g" in reader.within("p")


def test_the_same_ticket_gives_the_same_page() -> None:
    stack = FakeStack()
    item = stack.add_ticket("t1")
    files = list(read_files(item, cast("Bucket", stack)))
    assert ticket_page(item, files) == ticket_page(item, files)


def test_an_index_leads_to_each_tickets_page() -> None:
    stack = FakeStack()
    stack.add_incomplete_ticket("t2", "vendor_unavailable")
    reader = read(index_page([stack.add_ticket("t1", outcome=HOSTILE), stack.item("t2")]))
    assert [link["href"] for link in reader.named("a")] == ["t1/index.html", "t2/index.html"]
    assert "2 tickets" in reader.within("h1")
    assert reader.within("th") == ["Ticket", "Outcome", "State", "Received", "Archived"]
    first = [HOSTILE, "archived", "2026-01-31T11:59:00.000000Z", "2026-01-31T11:59:02.000000Z"]
    second = ["incomplete", "2026-01-31T11:00:00Z"]  # no outcome, and not archived
    assert reader.within("td") == [*first, *second]
    assert policy_of(reader) == dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")


def test_the_page_can_be_used_by_keyboard() -> None:
    reader = show()
    assert len([button for button in reader.named("button") if button.get("aria-haspopup") == "dialog"]) == 2
    assert [dialog.get("aria-label") for dialog in reader.named("dialog")] == ["Enlarged picture"]
    assert ":focus-visible" in "".join(reader.within("style"))
