"""One ticket, or several, as a self-contained HTML page: images are embedded and nothing else is loaded."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ops.ticket_files import TicketFile, missing_parts
from ticket_archive.manifest import Manifest
from ticket_archive.models import INLINE_TYPES, ImageType, TicketItem

_FOLDER = Path(__file__).with_name("templates")
_LEVELS = 8
_NODES = 3000
_TEXT = 500

_FACTS: Mapping[str, list[str]] = json.loads((_FOLDER / "facts.json").read_text("utf-8"))
"""What a reviewer compares with the images, by the names that the vendor's SDK uses."""

_Tree: TypeAlias = "str | list[tuple[str | None, _Tree]] | None"
"""A value as text, or a list of names and values. A value of None, or a name of None, is something left out."""


@dataclass(frozen=True, slots=True)
class TicketSection:
    """One ticket of several. `remarks` and `faults` are sentences about it; the templates read the properties too."""

    item: TicketItem
    files: Sequence[TicketFile]
    remarks: Sequence[str] = ()
    faults: Sequence[str] = ()

    @property
    def details(self) -> Mapping[str, Any] | None:
        """Return the ticket's details, if they are stored and could be read."""
        return next((file.value for file in self.files if file.value is not None), None)

    @property
    def facts(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the facts in the details by label, and those in the document's own script."""
        found, native = _find(self.details or {})
        facts = ((label, next(filter(None, map(found.get, names)), "")) for label, names in _FACTS.items())
        return {label: text for label, text in facts if text}, native

    @property
    def types(self) -> Iterator[dict[str, Any]]:
        """Return the files of each image type that the ticket has, and why they are missing."""
        missing = missing_parts(self.item)
        for kind in ImageType:
            images = [file for file in self.files if file.image is not None and file.image.type is kind]
            bodies = [file for file in self.files if file.unrecognized == kind]
            if images or bodies or kind in self.item.types:
                yield {"kind": kind, "images": images, "unrecognized": bodies, "missing": missing.get(kind)}


def ticket_page(item: TicketItem, files: Sequence[TicketFile], manifests: Sequence[Manifest] = ()) -> bytes:
    """Return the page of one ticket. A file's fault is shown in its place. `manifests` are the ticket's versions."""
    ticket, has_images = TicketSection(item, files), any(file.image for file in files)
    tree = _tree(ticket.details, 0, [_NODES])
    return _render("ticket.html.j2", ticket=ticket, manifests=manifests, tree=tree, has_images=has_images)


def gallery_page(title: str, lead: str, sections: Sequence[TicketSection]) -> bytes:
    """Return a page of several tickets, one below the other."""
    has_images = any(file.image for section in sections for file in section.files)
    return _render("gallery.html.j2", title=title, lead=lead, tickets=sections, has_images=has_images)


def index_page(items: Sequence[TicketItem]) -> bytes:
    """Return the page that lists the exported tickets."""
    return _render("index.html.j2", items=items)


def _render(template: str, **values: Any) -> bytes:
    return _TEMPLATES.get_template(template).render(values).encode("utf-8", "replace")


def _clean(value: Any) -> Any:
    """Replace control characters, which HTML does not allow."""
    return value.translate(_CONTROLS) if isinstance(value, str) else value


_CONTROLS = {code: "\ufffd" for code in range(0x20) if chr(code) not in "\t\n"}
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    finalize=_clean,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["base64"] = lambda body: base64.b64encode(body).decode()
_TEMPLATES.filters["sha256"] = lambda text: hashlib.sha256(text.encode()).digest()
_TEMPLATES.globals["style"] = (_FOLDER / "gallery.css").read_text("utf-8")
_TEMPLATES.globals["script"] = (_FOLDER / "gallery.js").read_text("utf-8")
_TEMPLATES.globals["shown_types"] = INLINE_TYPES


def _find(details: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return scalars by lower-case name, the shallowest first; those under `native_fields` are separate."""
    found: dict[str, str] = {}
    native: dict[str, str] = {}
    waiting: list[tuple[str, Any]] = [("", details)]
    for name, node in islice(waiting, _NODES):  # breadth first: the list grows while it is read
        if isinstance(node, list):
            waiting.extend(("", child) for child in node)
        elif not isinstance(node, Mapping):
            if (text := _text(node)) and name:
                found.setdefault(name, text)
        elif name == "native_fields":
            for key, value in node.items():
                if text := _text(value):
                    native.setdefault(str(key).replace("_", " ").capitalize(), text)
        else:
            waiting.extend((str(key).lower(), value) for key, value in node.items())
    return found, native


def _tree(value: Any, level: int, nodes: list[int]) -> _Tree:
    """Return details of any form, up to `_LEVELS` deep and `_NODES` values."""
    nodes[0] -= 1
    if not isinstance(value, Mapping | list) or not value:
        return _text(value) or "—"
    if level >= _LEVELS:
        return None
    tree: list[tuple[str | None, _Tree]] = []
    for name, child in value.items() if isinstance(value, Mapping) else enumerate(value, 1):
        if nodes[0] <= 0:
            return [*tree, (None, None)]
        tree.append((str(name), _tree(child, level + 1, nodes)))
    return tree


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal | int):
        return str(value)[:_TEXT]
    if not isinstance(value, str):
        return ""
    text = value.strip()
    return text if len(text) <= _TEXT else f"{text[:80]}… ({len(text):,} characters)"
