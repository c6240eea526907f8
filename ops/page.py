"""A ticket as one HTML page that needs nothing but itself: pictures are in it, and nothing else may be loaded.

The page is a tree until the very end, so whatever a ticket holds is escaped by the serialiser and nowhere by hand.
Names stand in elements with `dir="auto"`: each takes its direction from its own script and cannot turn its neighbours'.
"""

import base64
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

from ops.contents import Piece
from ticket_archive.models import ImageType, StoredImage, TypeState
from ticket_archive.table import TicketItem

_HERE = Path(__file__).parent
_LEVELS = 8
_NODES = 3000
_TEXT = 500

_FACTS: Mapping[str, tuple[str, ...]] = {
    "Full name": ("fullname", "full_name"),
    "Given names": ("given_names", "first_name"),
    "Middle name": ("middle_name",),
    "Surname": ("surnames", "surname"),
    "Second surname": ("second_surname",),
    "Date of birth": ("date_of_birth",),
    "Gender": ("gender",),
    "Nationality": ("nationality",),
    "Customer": ("cifcode", "cifcod"),
    "Document type": ("documenttype", "document_type"),
    "Document number": ("document_number", "id_number"),
    "Issuing country": ("document_issuing_country", "documentissuingcountry"),
    "Issued": ("document_issuing_date",),
    "Expires": ("document_expiration_date",),
}
"""What a reviewer compares with the pictures, by the names that the vendor's SDK uses for it."""

_NATIVE = "native_fields"


def page(item: TicketItem, pieces: Sequence[Piece]) -> bytes:
    """The page, in UTF-8. `pieces` are those of `ops.contents`, whose faults are shown where the content would be."""
    style, script = (_HERE / "gallery.css").read_text("utf-8"), (_HERE / "gallery.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    details = next((piece.value for piece in pieces if piece.value is not None), None)
    head = _tag(
        "head",
        _tag("meta", charset="utf-8"),
        _tag("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        _tag("meta", name="referrer", content="no-referrer"),
        _tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _tag("title", f"Ticket {item.ticket}"),
        _tag("style", style),
    )
    body = _tag(
        "body",
        _header(item),
        _tag("main", *_faults(pieces), *_facts(details), *_pictures(item, pieces), *_all(details)),
        _dialog(),
        _tag("script", script),
    )
    html = tostring(_tag("html", head, body, lang="en"), encoding="unicode", method="html")
    return b"<!DOCTYPE html>\n" + html.encode("utf-8", "replace")


def _header(item: TicketItem) -> Element:
    times = {
        "Received": item.received_at,
        "Fetched": item.fetched_at,
        "Archived": item.archived_at,
        "Disposition": item.attributes.get("disposition"),
        "Risk code": item.attributes.get("risk_code"),
        "Confidence": item.attributes.get("confidence_score"),
        "Last error": item.attributes.get("last_error"),
    }
    return _tag(
        "header",
        _tag("h1", f"Ticket {item.ticket} ", _tag("span", item.outcome or item.state.value, {"class": "outcome"})),
        _tag("p", f"State in the archive: {item.state.value}"),
        _pairs((name, str(value)) for name, value in times.items() if value is not None),
    )


def _faults(pieces: Iterable[Piece]) -> Iterator[Element]:
    for piece in pieces:
        if piece.fault is not None and piece.image is None:
            yield _tag("p", f"{piece.name}: {piece.fault}", {"class": "fault"})


def _facts(details: Mapping[str, Any] | None) -> Iterator[Element]:
    if details is None:
        yield _tag("p", "There are no details to be shown.", {"class": "quiet"})
        return
    found, native = _find(details)
    facts = [
        (label, text) for label, names in _FACTS.items() if (text := next(filter(None, map(found.get, names)), None))
    ]
    columns = [_tag("section", _tag("h2", "Person and document"), _pairs(facts))]
    if native:
        columns.append(_tag("section", _tag("h2", "In the document's own script"), _pairs(native.items())))
    yield _tag("div", {"class": "columns"}, *columns)


def _find(details: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Scalars by their lower-case names, the shallowest first, and likewise those of every `native_fields`."""
    found: dict[str, str] = {}
    native: dict[str, str] = {}
    waiting: deque[tuple[str, Any]] = deque([("", details)])
    for _ in range(_NODES):
        if not waiting:
            break
        name, node = waiting.popleft()
        if isinstance(node, list):
            waiting.extend(("", child) for child in node)
        elif not isinstance(node, Mapping):
            if (text := _text(node)) and name:
                found.setdefault(name, text)
        elif name == _NATIVE:
            for key, value in node.items():
                if text := _text(value):
                    native.setdefault(_words(str(key)), text)
        else:
            waiting.extend((str(key).lower(), value) for key, value in node.items())
    return found, native


def _pictures(item: TicketItem, pieces: Sequence[Piece]) -> Iterator[Element]:
    for kind in (kind for kind in ImageType if kind in item.types):
        of_kind = [(piece.image, piece) for piece in pieces if piece.image is not None and piece.image.type is kind]
        yield _tag("h2", _words(kind.value))
        if of_kind:
            figures = [_figure(*shown, number, len(of_kind)) for number, shown in enumerate(of_kind, 1)]
            yield _tag("div", {"class": "pictures"}, *figures)
        elif item.types[kind] is TypeState.FAILED:
            yield _tag("p", "Could not be fetched yet.", {"class": "fault"})
        else:
            yield _tag("p", "The ticket has none.", {"class": "quiet"})
    if any(piece.image is not None for piece in pieces):
        keys = ("Arrow keys choose, ", _tag("kbd", "Enter"), " enlarges, ", _tag("kbd", "Esc"), " closes.")
        yield _tag("p", {"class": "hint quiet"}, *keys)


def _figure(image: StoredImage, piece: Piece, number: int, of: int) -> Element:
    title = f"{_words(image.type.value)} {number} of {of}"
    if piece.body is None:
        content = _tag("div", f"Broken: {piece.fault}", {"class": "fault"})
    else:
        source = f"data:{image.content_type};base64,{base64.b64encode(piece.body).decode()}"
        picture = _tag("img", {"src": source, "alt": title, "data-type": image.content_type})
        content = _tag("button", {"type": "button", "aria-haspopup": "dialog"}, picture)
    facts = f"{image.content_type}, {image.bytes:,} bytes, SHA-256 {image.sha256[:16]}…"
    return _tag("figure", content, _tag("figcaption", _tag("strong", title), _tag("br"), facts))


def _all(details: Mapping[str, Any] | None) -> Iterator[Element]:
    if details is not None:
        nodes = [_NODES]
        yield _tag("details", _tag("summary", "All details"), _tree(details, 0, nodes))


def _tree(value: Any, level: int, nodes: list[int]) -> Element:
    """Details of whatever form, down to a depth and up to a number that a page can bear."""
    nodes[0] -= 1
    if not isinstance(value, Mapping | list):
        return _tag("span", _text(value) or "—", dir="auto")
    children = list(value.items()) if isinstance(value, Mapping) else list(enumerate(value, 1))
    if not children:
        return _tag("span", "—")
    if level >= _LEVELS:
        return _tag("span", "deeper than this page goes: use fetch", {"class": "quiet"})
    tree = _tag("dl")
    for name, child in children:
        if nodes[0] <= 0:
            tree.append(_tag("dt", "more than this page holds: use fetch", {"class": "quiet"}))
            break
        tree.append(_tag("dt", _clean(str(name)), dir="auto"))
        tree.append(_tag("dd", _tree(child, level + 1, nodes)))
    return tree


def _dialog() -> Element:
    bar = _tag(
        "div",
        _tag("button", "← Previous", type="button"),
        _tag("p", {"aria-live": "polite"}),
        _tag("button", "Next →", type="button"),
        _tag("button", "Close", type="button"),
    )
    return _tag("dialog", _tag("img", alt=""), bar, {"aria-label": "Enlarged picture"})


def _pairs(pairs: Iterable[tuple[str, str]]) -> Element:
    tree = _tag("dl")
    for name, text in pairs:
        tree.append(_tag("dt", _clean(name)))
        tree.append(_tag("dd", text, dir="auto"))
    return tree


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal | int):
        return str(value)[:_TEXT]
    if not isinstance(value, str):
        return ""
    text = _clean(value.strip())
    return text if len(text) <= _TEXT else f"{text[:80]}… ({len(text):,} characters)"


def _clean(text: str) -> str:
    """Control characters have no meaning in HTML, and U+0000 is not allowed."""
    return "".join(character if character >= " " or character in "\t\n" else "\ufffd" for character in text)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _tag(name: str, /, *content: "Element | str | Mapping[str, str]", **attributes: str) -> Element:
    """An element. Content is elements, text, and mappings of attributes whose names are no Python names."""
    element = Element(name, attributes)
    for part in content:
        if isinstance(part, Element):
            element.append(part)
        elif isinstance(part, str):
            if len(element):
                element[-1].tail = (element[-1].tail or "") + part
            else:
                element.text = (element.text or "") + part
        else:
            for attribute, value in part.items():
                element.set(attribute, value)
    return element
