"""Small files of every supported format, written by Pillow or, where it cannot write one, by hand."""

import random
from io import BytesIO
from typing import Any

from PIL import Image

from ingest.files import formats
from ingest.files.formats import FileFormat
from local.vendor.media_containers import box, iso_media, matroska


def drawn(kind: str, seed: int = 0, **options: Any) -> bytes:
    """Return an image of noise, so that a file with any byte missing or changed is another."""
    noise = random.Random(seed).randbytes(24 * 16 * 3)
    return saved(Image.frombytes("RGB", (24, 16), noise), kind, **options)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as a file."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


FILES: dict[str, tuple[bytes, FileFormat]] = {
    "jpeg": (drawn("JPEG"), formats.JPEG),
    "jpeg progressive": (drawn("JPEG", progressive=True), formats.JPEG),
    "jpeg restart": (drawn("JPEG", restart_marker_blocks=1), formats.JPEG),
    "png": (drawn("PNG"), formats.PNG),
    "png animated": (drawn("PNG", save_all=True, append_images=[Image.new("RGB", (24, 16))]), formats.PNG),
    "webp": (drawn("WEBP"), formats.WEBP),
    "webp lossless": (drawn("WEBP", lossless=True), formats.WEBP),
    "webp extended": (drawn("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"), formats.WEBP),
    "gif": (drawn("GIF"), formats.GIF),
    "avif": (drawn("AVIF"), formats.AVIF),
    "avif sequence": (iso_media(b"avis", b"mif1"), formats.AVIF),
    "avif as mif1": (iso_media(b"mif1", b"avif", meta=b"meta"), formats.AVIF),
    "tiff": (drawn("TIFF"), formats.TIFF),
    "tiff compressed": (drawn("TIFF", compression="tiff_lzw"), formats.TIFF),
    "tiff of several strips": (drawn("TIFF", compression="tiff_lzw", strip_size=300), formats.TIFF),
    "tiff big-endian": (saved(Image.new("I;16B", (24, 16)), "TIFF"), formats.TIFF),
    "bmp": (drawn("BMP"), formats.BMP),
    "heic": (iso_media(b"heic", b"mif1", b"heic", meta=b"meta"), formats.HEIC),
    "heic as mif1": (iso_media(b"mif1", b"mif1", b"heic", meta=b"meta"), formats.HEIC),
    "heic of ten bits": (iso_media(b"heix", meta=b"meta"), formats.HEIC),
    "heif": (iso_media(b"mif1", b"mif1", meta=b"meta"), formats.HEIF),
    "jpeg 2000": (drawn("JPEG2000"), formats.JP2),
    "jpeg 2000 codestream": (drawn("JPEG2000", no_jp2=True), formats.JP2),
    "pdf": (drawn("PDF"), formats.PDF),
    "pdf after empty lines": (b"\r\n \n" + drawn("PDF"), formats.PDF),
    "mp4": (iso_media(b"isom", b"isom", b"mp42"), formats.MP4),
    "mp4 fragmented": (iso_media(b"iso5", b"iso6", b"dash"), formats.MP4),
    "m4v": (iso_media(b"M4V ", b"mp42"), formats.MP4),
    "3gp": (iso_media(b"3gp4", b"3gp4"), formats.THREE_GP),
    "quicktime": (iso_media(b"qt  ", b"qt  "), formats.QUICKTIME),
    "quicktime without ftyp": (box(b"moov", bytes(30)) + box(b"mdat", bytes(50)), formats.QUICKTIME),
    "webm": (matroska(b"webm"), formats.WEBM),
    "webm live": (matroska(b"webm", live=True), formats.WEBM),
    "matroska": (matroska(b"matroska"), formats.MATROSKA),
}
HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
