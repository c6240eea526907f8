"""One ticket, or several, as a self-contained HTML page: images are embedded and nothing else is loaded.

The page is a tree until it is serialized, so all text is escaped in one place. Values are in elements with `dir="auto"`
and each takes its direction from its own script without affecting its neighbours.
"""

import base64
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from ops.contents import TicketFile, missing_parts
from ops.html import clean, document, tag
from ticket_archive.models import DETAILS, ImageType
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
"""What a reviewer compares with the images, by the names that the vendor's SDK uses."""

_NATIVE = "native_fields"
_SHOWN = {"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"}
"""Content types that every current browser shows; others are downloads."""
_FAULT, _QUIET = {"class": "fault"}, {"class": "quiet"}


@dataclass(frozen=True, slots=True)
class TicketSection:
    """One ticket of several. `remarks` and `faults` are sentences about it."""

    item: TicketItem
    files: Sequence[TicketFile]
    remarks: Sequence[str] = ()
    faults: Sequence[str] = ()


def ticket_page(item: TicketItem, files: Sequence[TicketFile], manifests: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """Return the page of one ticket. A file's fault is shown in its place. `manifests` are the ticket's versions."""
    main = tag("main", *_content(item, files, 2), *_hint(files))
    if len(manifests) > 1:
        main.append(tag("h2", "Versions"))
        main.append(_pairs(_version(item, manifest) for manifest in manifests))
        main.append(tag("p", "view TICKET --version VERSION shows another one.", _QUIET))
    if (details := _details(files)) is not None:
        main.append(tag("details", tag("summary", "All details"), _tree(details, 0, [_NODES])))
    return _page(f"Ticket {item.ticket}", _header(item, 1), main)


def gallery_page(title: str, lead: str, sections: Sequence[TicketSection]) -> bytes:
    """Return a page of several tickets, one below the other."""
    main = tag("main", *_hint([file for section in sections for file in section.files]))
    for section in sections:
        header = _header(section.item, 2)
        header.extend(tag("p", remark) for remark in section.remarks)
        header.extend(tag("p", fault, _FAULT) for fault in section.faults)
        main.append(tag("article", header, *_content(section.item, section.files, 3)))
    return _page(title, tag("header", tag("h1", title), tag("p", lead)), main)


def _page(title: str, *content: Element) -> bytes:
    style, script = (_HERE / "gallery.css").read_text("utf-8"), (_HERE / "gallery.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", style),
    )
    bar = tag("div", tag("button", "← Previous", type="button"), tag("p", {"aria-live": "polite"}))
    bar.extend(tag("button", name, type="button") for name in ("Next →", "Close"))
    dialog = tag("dialog", tag("img", alt=""), bar, {"aria-label": "Enlarged picture"})
    return document(tag("html", head, tag("body", *content, dialog, tag("script", script)), lang="en"))


def _header(item: TicketItem, level: int) -> Element:
    facts = {
        "Received": item.received_at,
        "Fetched": item.fetched_at,
        "Archived": item.archived_at,
        "Disposition": item.attributes.get("disposition"),
        "Risk code": item.attributes.get("risk_code"),
        "Confidence": item.attributes.get("confidence_score"),
        "Version": item.version and item.version[:12],
        "Last error": item.attributes.get("last_error"),
    }
    return tag(
        "header",
        tag(f"h{level}", f"Ticket {item.ticket} ", tag("span", item.outcome or item.state.value, {"class": "outcome"})),
        tag("p", f"State in the archive: {item.state.value}"),
        _pairs((name, str(value)) for name, value in facts.items() if value is not None),
    )


def _content(item: TicketItem, files: Sequence[TicketFile], level: int) -> Iterator[Element]:
    """Return what is wrong with the ticket's files, the facts in its details, and its images by type."""
    for file in files:
        if file.fault is not None and file.image is None:
            yield tag("p", f"{file.name}: {file.fault}", _FAULT)
        elif file.unrecognized == DETAILS and file.body is not None:
            yield tag("p", "Not recognized as details: ", _download(file, file.body), _FAULT)
    yield _facts(_details(files), level)
    missing = missing_parts(item)
    present = {*item.types, *(file.image.type for file in files if file.image), *(file.unrecognized for file in files)}
    for kind in (kind for kind in ImageType if kind in present):
        images = [file for file in files if file.image is not None and file.image.type is kind]
        bodies = [file for file in files if file.unrecognized == kind]
        yield tag(f"h{level}", _words(kind.value))
        if images:
            figures = [_figure(file, f"{_words(kind.value)} {n} of {len(images)}") for n, file in enumerate(images, 1)]
            yield tag("div", {"class": "pictures"}, *figures)
        for file in bodies:
            if file.body is not None:
                yield tag("p", "Not recognized as an image: ", _download(file, file.body), _FAULT)
        if kind.value in missing and not bodies:
            reason = missing[kind.value]
            text = "Could not be fetched" + ("." if reason == item.types[kind].value else f": {reason}.")
            yield tag("p", text, _FAULT)
        elif not images and not bodies:
            yield tag("p", "The ticket has none.", _QUIET)


def _details(files: Iterable[TicketFile]) -> Mapping[str, Any] | None:
    return next((file.value for file in files if file.value is not None), None)


def _facts(details: Mapping[str, Any] | None, level: int) -> Element:
    if details is None:
        return tag("p", "No details are stored.", _QUIET)
    found, native = _find(details)
    facts = {label: next(filter(None, map(found.get, names)), "") for label, names in _FACTS.items()}
    columns = tag("div", {"class": "columns"})
    for title, pairs in (("Person and document", facts), ("In the document's own script", native)):
        if pairs:
            shown = ((name, text) for name, text in pairs.items() if text)
            columns.append(tag("section", tag(f"h{level}", title), _pairs(shown)))
    return columns


def _find(details: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return scalars by lower-case name, the shallowest first; those under `native_fields` are separate."""
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


def _figure(file: TicketFile, title: str) -> Element:
    image: Any = file.image
    if file.body is None:
        content = tag("div", f"Broken: {file.fault}", _FAULT)
    elif image.content_type not in _SHOWN:
        content = tag("p", _download(file, file.body))
    else:
        source = f"data:{image.content_type};base64,{base64.b64encode(file.body).decode()}"
        picture = tag("img", {"src": source, "alt": title, "data-type": image.content_type})
        content = tag("button", {"type": "button", "aria-haspopup": "dialog"}, picture)
    facts = f"{image.content_type}, {image.bytes:,} bytes, SHA-256 {image.sha256[:16]}…"
    return tag("figure", content, tag("figcaption", tag("strong", title), tag("br"), facts))


def _download(file: TicketFile, body: bytes) -> Element:
    """A link that saves the body: it is never shown as part of the page."""
    source = f"data:application/octet-stream;base64,{base64.b64encode(body).decode()}"
    return tag("a", f"{file.name}, {len(body):,} bytes", href=source, download=file.name)


def _hint(files: Iterable[TicketFile]) -> Iterator[Element]:
    if any(file.image is not None for file in files):
        keys = ("Arrow keys choose, ", tag("kbd", "Enter"), " enlarges, ", tag("kbd", "Esc"), " closes.")
        yield tag("p", {"class": "hint quiet"}, *keys)


def _version(item: TicketItem, manifest: Mapping[str, Any]) -> tuple[str, str]:
    shown = " (shown)" if manifest["version"] == item.version else ""
    outcome = manifest["outcome"] or "no outcome"
    return (
        f"{manifest['version'][:12]}{shown}",
        f"{manifest['archived_at']}  {outcome}, {len(manifest['images'])} images",
    )


def _tree(value: Any, level: int, nodes: list[int]) -> Element:
    """Return details of any form as nested lists, up to `_LEVELS` deep and `_NODES` values."""
    nodes[0] -= 1
    if not isinstance(value, Mapping | list):
        return tag("span", _text(value) or "—", dir="auto")
    children = list(value.items()) if isinstance(value, Mapping) else list(enumerate(value, 1))
    if not children:
        return tag("span", "—")
    if level >= _LEVELS:
        return tag("span", "deeper than this page goes: use fetch", _QUIET)
    tree = tag("dl")
    for name, child in children:
        if nodes[0] <= 0:
            tree.append(tag("dt", "more than this page holds: use fetch", _QUIET))
            break
        tree.append(tag("dt", clean(str(name)), dir="auto"))
        tree.append(tag("dd", _tree(child, level + 1, nodes)))
    return tree


def _pairs(pairs: Iterable[tuple[str, str]]) -> Element:
    tree = tag("dl")
    for name, text in pairs:
        tree.append(tag("dt", clean(name)))
        tree.append(tag("dd", text, dir="auto"))
    return tree


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal | int):
        return str(value)[:_TEXT]
    if not isinstance(value, str):
        return ""
    text = clean(value.strip())
    return text if len(text) <= _TEXT else f"{text[:80]}… ({len(text):,} characters)"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
