"""HTML as a tree of elements: text in it is text, whatever it holds."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, tostring


def tag(name: str, /, *content: "Element | str | Mapping[str, str]", **attributes: str) -> Element:
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


def document(html: Element) -> bytes:
    """The tree as a file, in UTF-8."""
    return b"<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html").encode("utf-8", "replace")


def clean(text: str) -> str:
    """Control characters have no meaning in HTML, and U+0000 is not allowed."""
    return "".join(character if character >= " " or character in "\t\n" else "\ufffd" for character in text)
