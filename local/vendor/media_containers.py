"""Minimal files of formats that Pillow does not write: ISO base media (HEIC, MP4 and others) and Matroska (WebM).

They have the boxes and elements by which programs recognize the format, and lengths that fit; no player shows them.
Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (HEIF), RFC 8794 (EBML), the Matroska specification.
"""

import struct


def box(name: bytes, content: bytes = b"") -> bytes:
    """Return an ISO base media box."""
    return struct.pack(">I4s", 8 + len(content), name) + content


def iso_media(brand: bytes, *compatible: bytes, meta: bytes = b"moov", payload: bytes = bytes(50)) -> bytes:
    """Return a file of the brand, with an empty description and the payload as its media."""
    return box(b"ftyp", brand + bytes(4) + b"".join(compatible)) + box(meta, bytes(30)) + box(b"mdat", payload)


def matroska(kind: bytes, payload: bytes = bytes(40), *, live: bool = False) -> bytes:
    """Return an EBML header with the document type, and a segment, without a declared size if `live`."""
    segment = b"\x18\x53\x80\x67"
    media = segment + b"\x01" + b"\xff" * 7 + payload if live else _element(segment, payload)
    return _element(b"\x1a\x45\xdf\xa3", _element(b"\x42\x82", kind)) + media


def _element(identifier: bytes, content: bytes) -> bytes:
    size = bytes([0x80 | len(content)]) if len(content) < 0x7F else struct.pack(">Q", 1 << 56 | len(content))
    return identifier + size + content
