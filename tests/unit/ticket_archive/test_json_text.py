"""JSON in other encodings than UTF-8, and in JSON strings."""

import json
from itertools import product

import pytest

from ticket_archive.json_text import MAX_PARTS, as_utf8, count_parts, json_in, json_within

DOCUMENT = '{"full_name": "José Pérez"}'
CHARSETS = [None, "utf-8", "ISO-8859-1", "windows-1252", "utf-16", "punycode", "undefined", "a\0b", "none such", ""]


@pytest.mark.parametrize(
    "encoding", ["utf-8", *(f"utf-{bits}{order}" for bits in (16, 32) for order in ("", "-le", "-be"))]
)
def test_unicode_is_recognized_by_its_bytes_whatever_is_declared(encoding: str) -> None:
    for document, charset in product((DOCUMENT, "[1]", " {}"), CHARSETS):
        assert as_utf8(document.encode(encoding), charset) == document.encode()


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("ISO-8859-1", "latin-1"),
        ("latin1", "latin-1"),
        ("iso-8859-15", "iso-8859-15"),
        ("Windows-1252", "cp1252"),
        ("GB18030", "gb18030"),
    ],
)
def test_a_declared_encoding_counts_for_what_is_not_utf8(charset: str, encoding: str) -> None:
    assert as_utf8(DOCUMENT.encode(encoding), charset) == DOCUMENT.encode()
    assert as_utf8(DOCUMENT.encode(encoding), None) == DOCUMENT.encode(encoding)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\0", b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\0\0\0\x18ftypmp42"),
        *(b"II*\0\x08\0\0\0", b"RIFF\xff\0\0\0WEBP", "José".encode("latin-1"), "text".encode("utf-16")),
        *(DOCUMENT.encode("utf-16")[:-1], b"\xef\xbb\xbf{}"),
    ],
)
def test_text_that_is_no_json_is_unchanged(body: bytes) -> None:
    for charset in CHARSETS:
        assert as_utf8(body, charset) == body


@pytest.mark.parametrize("inner", ['{"a": "é"}', "[1]", ' {"a": "\\n"}'])
def test_json_in_a_json_string_is_unwrapped(inner: str) -> None:
    assert json_within(json.dumps(inner).encode()) == inner.encode()
    assert json_within(b" \n" + json.dumps(inner, ensure_ascii=False).encode()) == inner.encode()


@pytest.mark.parametrize("guard", [b")]}'\n", b")]}',\n", b"\r\n)]}'", b"while(1);", b"while (1); ", b"for (;;);"])
def test_prefixes_against_json_hijacking_are_removed(guard: bytes) -> None:
    for body in (b'{"a": ")]}\'"}', b"[1]"):
        assert json_within(guard + body) == body
    for rest in (b"", b"text", b"\xff\xd8\xff"):
        assert json_within(guard + rest) == guard + rest


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'"data:image/png;base64,AAAA"', b'"{', b'"{\\ud800}"', b'"\xff{}"', b'"" ""']
)
def test_any_other_text_stays_as_it_is(body: bytes) -> None:
    assert json_within(body) == body


def test_a_text_of_too_many_parts_or_levels_is_not_parsed() -> None:
    assert json_in("[" + "0," * (MAX_PARTS - 1) + "0]") == [0] * MAX_PARTS
    text = "[" + "0," * MAX_PARTS + "0]"
    assert json_in(text) is text
    deep = "[" * 50_000 + "]" * 50_000
    assert json_in(deep) is deep
    assert count_parts("{[,") == count_parts(b"{[,") == 3
    assert count_parts("," * 2 * MAX_PARTS) == MAX_PARTS + 1
