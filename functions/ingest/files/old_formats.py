"""Bytes that claim to be an image: which format, how large, and whether they are whole. Nothing is ever decoded.

Stored are JPEG, PNG (animated ones too) and WebP: every browser shows them, and each says where it ends, so that a
cut-off file can be told from a whole one. Every other format (GIF, TIFF, HEIC, AVIF, BMP, PDF, SVG, …) is refused: then
the vendor's body is kept, and somebody is told. The content type follows from the bytes, never from a header.

Sources: ITU-T T.81 annex B (JPEG), W3C PNG chapters 5 and 11 (PNG), RFC 9649 (WebP).
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import filetype

from ticket_archive.errors import UnrecognizedResponse, VendorUnavailable

MAX_PIXELS = 100_000_000
"""Whoever opens an image of this size needs 300 MB for it. No customer's camera comes near."""

HEAD_BYTES = 96
"""How many bytes `format_of` looks at."""

_PNG = b"\x89PNG\r\n\x1a\n"
_BEGINNINGS = (b"\xff\xd8\xff", _PNG, b"RIFF")

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; DHT, JPG and DAC lie between them
_WITHOUT_SEGMENT = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM and the restart markers
_SCAN, _END = 0xDA, 0xD9
# Within a scan 0xFF comes before 0x00 (it is data), a restart marker, or another 0xFF (it is fill): all else ends it.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A whole image. `extension` has no dot."""

    data: bytes = field(repr=False)
    content_type: str
    extension: str


class _Malformed(Exception):
    """The format's own rules are broken."""


class _CutOff(Exception):
    """The format's own rules ask for more bytes."""


def check_image(data: bytes) -> InlineImage:
    """The image that bytes are. What follows its end is kept: cameras put padding, previews and gain maps there.

    Raises VendorUnavailable("truncated") where the end is missing. Raises UnrecognizedResponse with the bytes where they are
    no image (`not_an_image`) or one that is not stored (`type_gif`, …), where they break the format's rules
    (`malformed`), and where there are more than MAX_PIXELS (`too_many_pixels`).
    """
    found = format_of(data)
    if found not in _STORED:
        if any(beginning.startswith(data) for beginning in _BEGINNINGS):
            raise VendorUnavailable("truncated")
        raise UnrecognizedResponse(f"type_{found}" if found else "not_an_image", data)
    content_type, extension, measure = _STORED[found]
    try:
        width, height = measure(data)
    except (_CutOff, struct.error, IndexError):
        raise VendorUnavailable("truncated") from None
    except _Malformed:
        raise UnrecognizedResponse("malformed", data) from None
    if not width or not height:
        raise UnrecognizedResponse("malformed", data)
    if width * height > MAX_PIXELS:
        raise UnrecognizedResponse("too_many_pixels", data)
    return InlineImage(data, content_type, extension)


def format_of(data: bytes) -> str:
    """The short name of the format that the first bytes show: `jpg`, `heic`, `pdf`, …; empty where they show none.

    Only what stands at the very beginning counts, so a file of two formats is what a browser takes it for.
    """
    head = data[:HEAD_BYTES]
    if kind := filetype.image_match(head):
        return str(kind.extension)
    if head.startswith(b"%PDF-"):
        return "pdf"
    return "svg" if head.lstrip().startswith((b"<svg", b"<?xml", b"<!--")) and b"<svg" in head else ""


def _jpeg(data: bytes) -> tuple[int, int]:
    """From the frame header; then on, segment by segment and scan by scan, to the end marker.

    To look for the end marker alone would not do: a preview inside the metadata has one too.
    """
    size = None
    at = 2
    while True:
        if data[at] != 0xFF:
            raise _Malformed
        while (marker := data[at]) == 0xFF:
            at += 1
        at += 1
        if marker == _END:
            if size is None:
                raise _Malformed
            return size
        if marker in _WITHOUT_SEGMENT:
            continue
        [length] = struct.unpack_from(">H", data, at)
        if length < 2 or marker in (0x00, 0xD8):
            raise _Malformed
        if marker in _FRAMES and size is None:
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = width, height
        at += length
        if marker == _SCAN:
            following = _AFTER_SCAN.search(data, at)
            if following is None:
                raise _CutOff
            at = following.start()


def _png(data: bytes) -> tuple[int, int]:
    """From the first chunk; then on, chunk by chunk, to the last."""
    if not data.startswith(_PNG):
        raise _CutOff if len(data) < len(_PNG) else _Malformed
    length, name, width, height = struct.unpack_from(">I4sII", data, len(_PNG))
    if name != b"IHDR" or length != 13:
        raise _Malformed
    at, pixels = len(_PNG), False
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, at)
        if not name.isalpha():
            raise _Malformed
        pixels = pixels or name == b"IDAT"
        at += 12 + length
        if at > len(data):
            raise _CutOff
    if not pixels:
        raise _Malformed
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    """From the first chunk. The file's size stands at its beginning."""
    [size] = struct.unpack_from("<I", data, 4)
    if len(data) < 8 + size:
        raise _CutOff
    header = data[12:30]
    if len(header) < 18:  # fewer than any real one needs, though the file says that it is whole
        raise _Malformed
    if header.startswith(b"VP8 ") and header[11:14] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", header, 14)
        return width & 0x3FFF, height & 0x3FFF
    if header.startswith(b"VP8L") and header[8] == 0x2F:
        [bits] = struct.unpack_from("<I", header, 9)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if header.startswith(b"VP8X"):
        return int.from_bytes(header[12:15], "little") + 1, int.from_bytes(header[15:18], "little") + 1
    raise _Malformed


_STORED: dict[str, tuple[str, str, Callable[[bytes], tuple[int, int]]]] = {
    "jpg": ("image/jpeg", "jpg", _jpeg),
    "png": ("image/png", "png", _png),
    "apng": ("image/png", "png", _png),
    "webp": ("image/webp", "webp", _webp),
}
