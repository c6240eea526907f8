"""Identify a file's format from its bytes, and tell whether the file looks complete. Nothing is decoded.

`filetype` recognizes most formats. This module adds the ISO base media brands and the JPEG 2000 forms that it does not
know, is stricter where two bytes are its whole signature (BMP), and reads the few header fields that tell a cut-off
file from a complete one. SVG, HTML, XML and scripts are not in the table: a browser may run them, so they are never
served.

Sources: ITU-T T.81 annex B (JPEG), W3C PNG, RFC 9649 (WebP), ISO/IEC 14496-12 (ISO base media), RFC 8794 (EBML).
"""

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

import filetype

MAX_PIXELS = 200_000_000
"""An image that declares more is not served: opening it takes gigabytes. The largest phone sensors have 200 megapixels.
"""

HEAD_BYTES = 4096
"""How many bytes `identify` needs to recognize a format; only the pixel limit looks further."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format that is served. `extension` has no dot."""

    content_type: str
    extension: str


JPEG = FileFormat("image/jpeg", "jpg")
PNG = FileFormat("image/png", "png")
WEBP = FileFormat("image/webp", "webp")
GIF = FileFormat("image/gif", "gif")
AVIF = FileFormat("image/avif", "avif")
TIFF = FileFormat("image/tiff", "tif")
BMP = FileFormat("image/bmp", "bmp")
HEIC = FileFormat("image/heic", "heic")
HEIF = FileFormat("image/heif", "heif")
JP2 = FileFormat("image/jp2", "jp2")
PDF = FileFormat("application/pdf", "pdf")
MP4 = FileFormat("video/mp4", "mp4")
THREE_GP = FileFormat("video/3gpp", "3gp")
QUICKTIME = FileFormat("video/quicktime", "mov")
WEBM = FileFormat("video/webm", "webm")
MATROSKA = FileFormat("video/x-matroska", "mkv")

FORMATS = (
    JPEG, PNG, WEBP, GIF, AVIF, TIFF, BMP, HEIC, HEIF, JP2, PDF, MP4, THREE_GP, QUICKTIME, WEBM, MATROSKA,
)  # fmt: skip

_BY_MIME = {each.content_type: each for each in FORMATS} | {"image/apng": PNG, "image/jpx": JP2, "video/x-m4v": MP4}
_MATCHERS = [each for each in filetype.types if each.mime in _BY_MIME]
_BRANDS = {  # of ISO base media files, beyond those that filetype knows; https://mp4ra.org/registered-types/brands
    AVIF: (b"avif", b"avis"),
    HEIC: (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"),
    HEIF: (b"mif1", b"msf1", b"mif2"),
    QUICKTIME: (b"qt  ",),
    THREE_GP: (b"3gp", b"3g2"),
    MP4: (b"iso", b"mp4", b"mp7", b"avc1", b"dash", b"MSNV", b"M4V ", b"f4v "),
}
_MAX_PARTS = 10_000  # segments, boxes or elements that are looked at: millions of them would take many seconds
_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

_TIFF_TYPES = {3: "H", 4: "I", 5: "Q", 8: "h", 9: "i", 10: "q", 11: "f", 12: "d"}
_TIFF_TAGS = frozenset({273, 279, 324, 325})  # offsets and lengths of strips, and of tiles: an image has one of both

# A JPEG marker with a segment, or the end marker. 0xFF before 0x00 is image data, before 0xFF fill; TEM, RSTn and SOI
# have no segment.
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_JPEG_END = 0xD9
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def identify(data: bytes) -> FileFormat | None:
    """Return the format that the first bytes show, or None for a file that must not be served.

    Only the very beginning counts: of a file that is two formats at once, the browser sees the one returned here.
    An image that declares more than MAX_PIXELS gives None, and so does a JPEG of more than _MAX_PARTS segments.
    """
    found = _identify(data[:HEAD_BYTES])
    measure = _SIZE.get(found) if found else None
    if measure:
        try:
            width, height = measure(data)
        except (struct.error, IndexError):
            return found  # cut off before its size
        except ValueError:
            return None
        if width * height > MAX_PIXELS:
            return None
    return found


def looks_complete(data: bytes, found: FileFormat) -> bool:
    """Return whether the file has its end marker or its declared length. Bytes after the end are allowed."""
    try:
        return _IS_COMPLETE[found](data)
    except (struct.error, IndexError):
        return False


def _identify(head: bytes) -> FileFormat | None:
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[4:8] in (b"moov", b"wide", b"mdat"):
        return QUICKTIME  # a movie from before `ftyp` existed
    if head.startswith(b"\xff\x4f\xff\x51") or head[4:12] == b"jP  \r\n\x87\n":
        return JP2
    if head.lstrip().startswith(b"%PDF-"):  # server pages write empty lines before it, and every viewer skips them
        return PDF
    kind = filetype.match(head, _MATCHERS)
    found = _BY_MIME[kind.mime] if kind else None
    if found is GIF and not head.startswith((b"GIF87a", b"GIF89a")):
        return None
    if found is BMP and (len(head) < 18 or struct.unpack_from("<I", head, 14)[0] not in _BMP_HEADER_SIZES):
        return None
    return found


def _iso_media(head: bytes) -> FileFormat | None:
    """Return the format of the major brand, or of a compatible one; of `mif1` last, which an AVIF may have too."""
    length = min(int.from_bytes(head[:4]), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length, 4))]
    brands.sort(key=lambda brand: brand.startswith(_BRANDS[HEIF]))
    for brand in brands:
        for found, known in _BRANDS.items():
            if brand.startswith(known):
                return found
    return None


def _scan_jpeg(data: bytes) -> tuple[int, int, bool]:
    """Return the width, the height, and whether the end marker was reached. Raises ValueError for too many segments.

    Goes from segment to segment, because a preview in the metadata has an end marker of its own. Bytes between segments
    are skipped, as libjpeg's `next_marker` does.
    """
    width = height = 0
    at = 2
    for _ in range(_MAX_PARTS):
        if not (marker := _JPEG_MARKER.search(data, at)):
            return width, height, False
        code, at = marker[1][0], marker.end()
        if code == _JPEG_END:
            return width, height, width > 0
        if code in _JPEG_FRAMES and not width:
            height, width = struct.unpack_from(">HH", data, at + 3)
        at += max(2, int.from_bytes(data[at : at + 2]))
    raise ValueError


def _webp_size(data: bytes) -> tuple[int, int]:
    if data[12:16] == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if data[12:16] == b"VP8L":
        [bits] = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1


def _avif_size(data: bytes) -> tuple[int, int]:
    """Return the largest spatial extent (`ispe`): a thumbnail and an alpha plane have their own."""
    extents = [struct.unpack_from(">II", data, box.end() + 4) for box in re.finditer(b"ispe", data[:HEAD_BYTES])]
    width, height = max(extents, key=math.prod, default=(0, 0))
    return width, height


def _size_at(layout: str, offset: int) -> Callable[[bytes], tuple[int, int]]:
    return lambda data: struct.unpack_from(layout, data, offset)


_SIZE: dict[FileFormat, Callable[[bytes], tuple[int, int]]] = {
    JPEG: lambda data: _scan_jpeg(data)[:2],
    PNG: _size_at(">II", 16),
    WEBP: _webp_size,
    GIF: _size_at("<HH", 6),
    AVIF: _avif_size,
}


def _iso_media_complete(data: bytes) -> bool:
    """Return whether the boxes end where the file does, and include the media and its description."""
    names: set[bytes] = set()
    at = 0
    for _ in range(_MAX_PARTS):
        if at + 8 > len(data):
            return at <= len(data) and b"mdat" in names and not names.isdisjoint({b"moov", b"meta", b"moof"})
        length, name = struct.unpack_from(">I4s", data, at)
        if length == 1:
            [length] = struct.unpack_from(">Q", data, at + 8)
        names.add(name)
        at += length or len(data) - at  # 0: the box ends with the file
    return False


def _matroska_complete(data: bytes) -> bool:
    """Return whether the elements after the header end where the file does."""
    at = elements = 0
    while at < len(data) and elements < _MAX_PARTS:
        at += 9 - data[at].bit_length()  # the element's id, whose first byte tells its length, as its size's does
        length = 9 - data[at].bit_length()
        unknown = (1 << 7 * length) - 1
        size = int.from_bytes(data[at : at + length]) & unknown
        if size == unknown:
            return True  # a live recording
        at += length + size
        elements += 1
    return at == len(data) and elements > 1


def _tiff_complete(data: bytes) -> bool:
    """Return whether the first image's fields and its last strip or tile end within the file (TIFF 6.0, 2, 3, 15)."""
    order = "<" if data[:2] == b"II" else ">"
    [directory] = struct.unpack_from(f"{order}I", data, 4)
    [fields] = struct.unpack_from(f"{order}H", data, directory)
    last: dict[int, int] = {}
    for at in range(directory + 2, directory + 2 + 12 * fields, 12):
        tag, kind, count, elsewhere = struct.unpack_from(f"{order}HHII", data, at)
        layout = order + _TIFF_TYPES.get(kind, "B")
        size = struct.calcsize(layout)
        end = size * count + (at + 8 if size * count <= 4 else elsewhere)
        if end > len(data):
            return False
        if tag in _TIFF_TAGS and count:
            [last[tag]] = struct.unpack_from(layout, data, end - size)
    return sum(last.values()) <= len(data)


def _marker_near_end(marker: bytes) -> Callable[[bytes], bool]:
    return lambda data: marker in data[-1024:]


def _length_at(layout: str, offset: int, more: int = 0) -> Callable[[bytes], bool]:
    return lambda data: struct.unpack_from(layout, data, offset)[0] + more <= len(data)


_IS_COMPLETE: dict[FileFormat, Callable[[bytes], bool]] = {
    JPEG: lambda data: _scan_jpeg(data)[2],
    PNG: lambda data: b"IEND\xaeB`\x82" in data,
    WEBP: _length_at("<I", 4, more=8),
    GIF: lambda data: data.rstrip(b"\0\r\n").endswith(b";"),
    TIFF: _tiff_complete,
    BMP: _length_at("<I", 2),
    JP2: _marker_near_end(b"\xff\xd9"),
    PDF: _marker_near_end(b"%%EOF"),
    WEBM: _matroska_complete,
    MATROSKA: _matroska_complete,
    **dict.fromkeys((AVIF, HEIC, HEIF, MP4, THREE_GP, QUICKTIME), _iso_media_complete),
}
