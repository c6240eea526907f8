"""Minimal files of formats that Pillow does not write: HEIC, MP4 and WebM, with a payload of random bytes.

They have the boxes and elements by which programs recognize the format, and lengths that fit; no player shows them.
Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (HEIF), RFC 8794 (EBML), the Matroska specification.
"""

import struct


def heic(payload: bytes) -> bytes:
    """Return a HEIF file of the brand `heic`."""
    meta = _box(b"meta", b"\0\0\0\0" + _box(b"hdlr", b"\0" * 8 + b"pict" + b"\0" * 13))
    return _box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta + _box(b"mdat", payload)


def mp4(payload: bytes) -> bytes:
    """Return an MP4 file of the brand `isom`."""
    return (
        _box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
        + _box(b"mdat", payload)
        + _box(b"moov", _box(b"mvhd", b"\0" * 100))
    )


def webm(payload: bytes) -> bytes:
    """Return a WebM file: an EBML header and one segment with one cluster."""
    header = _element(b"\x1a\x45\xdf\xa3", _element(b"\x42\x82", b"webm") + _element(b"\x42\x87", b"\4"))
    return header + _element(b"\x18\x53\x80\x67", _element(b"\x1f\x43\xb6\x75", _element(b"\xa3", payload)))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _element(identifier: bytes, content: bytes) -> bytes:
    size = bytes([0x80 | len(content)]) if len(content) < 0x7F else struct.pack(">Q", 1 << 56 | len(content))
    return identifier + size + content
