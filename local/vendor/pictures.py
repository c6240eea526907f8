"""Selfies and documents, drawn and encoded in every format, of about the requested size."""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache, partial
from io import BytesIO
from math import sqrt

from PIL import Image, ImageDraw, ImageFont

from local.vendor.media_containers import iso_media, matroska
from local.vendor.seeding import seeded
from ticket_archive.models import ImageType

DERIVED = frozenset(kind for kind in ImageType if not kind.uploaded)
SIDES = ("FRONT", "BACK")


class FileFormat(StrEnum):
    """The content types of the formats that a vendor may send, by Pillow's names."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"
    AVIF = "image/avif"
    TIFF = "image/tiff"
    HEIC = "image/heic"
    BMP = "image/bmp"
    JPEG2000 = "image/jp2"
    PDF = "application/pdf"
    MP4 = "video/mp4"
    WEBM = "video/webm"


_ENCODINGS: Mapping[FileFormat, tuple[float, Mapping[str, int | None]]] = {
    FileFormat.JPEG: (0.335, {"quality": 85}),
    FileFormat.PNG: (1.65, {"compress_level": 1}),
    FileFormat.WEBP: (0.26, {"quality": 80, "method": 0}),
    FileFormat.GIF: (1.08, {}),
    FileFormat.AVIF: (0.3, {"quality": 75, "speed": 10}),
    FileFormat.TIFF: (3.0, {}),
    FileFormat.BMP: (3.0, {}),
    FileFormat.JPEG2000: (2.27, {}),
    # Without dates, so that the bytes are the same in every process.
    FileFormat.PDF: (0.24, {"creationDate": None, "modDate": None}),
}
"""The bytes per pixel of a drawing with noise, from which the dimensions for a size follow, and Pillow's options."""
_HANDMADE: Mapping[FileFormat, Callable[..., bytes]] = {
    FileFormat.HEIC: partial(iso_media, b"heic", b"mif1", b"heic", meta=b"meta"),
    FileFormat.MP4: partial(iso_media, b"isom", b"isom", b"mp42"),
    FileFormat.WEBM: partial(matroska, b"webm"),
}
_NOISE = 0.16

_SKIN = ("#f6d7bd", "#e8b894", "#c98f62", "#a06a42", "#6f4429")
_HAIR = ("#1c1714", "#3b2416", "#7a4a21", "#b98a3e", "#8d8d8d")
_WALL = ("#c9d6df", "#d8cfc0", "#b7c4b1", "#cfc3d6", "#dde3ea")
_CARD = ("#dbe7f3", "#e8f0dc", "#f4e6da", "#e6e0f1")
_INK, _PEN = "#1d2a36", "#22336b"
_font = lru_cache(ImageFont.load_default)


@dataclass(frozen=True)
class Picture:
    """A file as the vendor has it."""

    data: bytes
    content_type: str

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 in hex."""
        return hashlib.sha256(self.data).hexdigest()


def picture(
    person: str, lines: Sequence[str], kind: ImageType, number: int, take: str, form: FileFormat, size: int
) -> Picture:
    """Draw file `number` of a type, with the document's `lines`, in about `size` bytes; `take` makes it another."""
    rng = seeded(person, kind, take)
    match kind:
        case ImageType.SELF_PORTRAITS:
            drawing = _face(person, seeded(person, "wall").choice(_WALL), rng.randint(-30, 30), rng.randint(-25, 25))
        case ImageType.DOCUMENT:
            drawing = _document_page(person, lines, SIDES[number % 2], rng)
        case ImageType.DOCUMENT_SIGNATURE:
            drawing = Image.new("RGB", (420, 140), "#fdfdfb")
            ImageDraw.Draw(drawing).text((30, 45), lines[1].title(), _PEN, _font(44))
        case _:
            drawing = _face(person)
    if kind is ImageType.DOCUMENT_GHOST_PORTRAIT:
        drawing = Image.blend(drawing.convert("L").convert("RGB"), Image.new("RGB", drawing.size, "#dbe7f3"), 0.6)
    return Picture(_encoded(drawing, rng, form, size), form)


def _document_page(person: str, lines: Sequence[str], side: str, rng: random.Random) -> Image.Image:
    """Draw a card with a portrait, text and a signature (`FRONT`), or text and a machine-readable zone (`BACK`)."""
    card = Image.new("RGB", (760, 480), seeded(person, "card").choice(_CARD))
    pen, front = ImageDraw.Draw(card), side == "FRONT"
    pen.rectangle((0, 0, 760, 62), fill="#34506b")
    pen.text((24, 16), f"SPECIMEN · {lines[0]}", font=_font(28), fill="white")
    pen.multiline_text((300 if front else 40, 100), "\n".join(lines[1:]), _INK, _font(24), spacing=16)
    if front:
        card.paste(_face(person).resize((240, 300)), (28, 96))
        pen.text((300, 390), lines[1].title(), _PEN, _font(44))
    else:
        zone = "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<<<", k=72))
        pen.multiline_text((40, 380), f"{zone[:36]}\n{zone[36:]}", _INK, _font(26), spacing=14)
    return card


def _face(person: str, wall: str = "#eef2f5", right: int = 0, down: int = 0) -> Image.Image:
    """Draw the person in front of a wall, so far from the centre."""
    look = seeded(person, "face")
    skin, hair, shirt = look.choice(_SKIN), look.choice(_HAIR), f"hsl({look.randint(0, 359)},45%,45%)"
    scene = Image.new("RGB", (480, 600), wall)
    pen = ImageDraw.Draw(scene)
    for dx, dy, rx, ry, colour in (
        (0, 0, 132, look.choice((170, 230)), hair),
        (0, 330, 215, 150, shirt),
        (0, 170, 52, 70, skin),
        (0, 0, 112, 150, skin),
        (0, -150, 108, 52, hair),
        *((side, -22, rx, ry, colour) for side in (-46, 46) for rx, ry, colour in ((21, 13, "white"), (9, 9, "black"))),
        (0, 74, 42, 8, "#8c3b33"),
    ):
        x, y = 240 + right + dx, 300 + down + dy
        pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=colour)
    return scene


def _encoded(drawing: Image.Image, rng: random.Random, form: FileFormat, size: int) -> bytes:
    if form in _HANDMADE:
        return _HANDMADE[form](payload=rng.randbytes(size))
    bytes_per_pixel, options = _ENCODINGS[form]
    zoom = sqrt(size / bytes_per_pixel / (drawing.width * drawing.height))
    width, height = max(16, round(drawing.width * zoom)), max(16, round(drawing.height * zoom))
    noise = Image.frombytes("L", (width, height), rng.randbytes(width * height)).convert("RGB")
    scaled = drawing.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.0)
    photo = Image.blend(scaled, noise, _NOISE)
    file = BytesIO()
    photo.save(file, form.name, **options)
    return file.getvalue()
