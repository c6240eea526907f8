"""HTML as a tree of elements. The serializer escapes all text."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, tostring


def tag(name: str, /, *content: "Element | str | Mapping[str, str]", **attributes: str) -> Element:
    """Return an element. Content is elements, text, and mappings of attributes whose names are not Python names."""
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


def document(html: Element) -> bytes:
    """Return the tree as a UTF-8 document."""
    return b"<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html").encode("utf-8", "replace")


def clean(text: str) -> str:
    """Replace control characters, which HTML does not allow."""
    return "".join(character if character >= " " or character in "\t\n" else "\ufffd" for character in text)
