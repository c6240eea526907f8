"""Selfies and documents, drawn and encoded in every format, of about the requested size."""

import hashlib
import random
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from io import BytesIO
from math import sin, sqrt

from PIL import Image, ImageDraw, ImageFont

from local.vendor import handmade
from local.vendor.seeding import seeded


class ImageType(StrEnum):
    """The values of `type` on the vendor's "IDV Tickets" page (`ALL` is not a type)."""

    SELF_PORTRAITS = "SELF_PORTRAITS"
    DOCUMENT = "DOCUMENT"
    DOCUMENT_PORTRAIT = "DOCUMENT_PORTRAIT"
    DOCUMENT_SIGNATURE = "DOCUMENT_SIGNATURE"
    DOCUMENT_GHOST_PORTRAIT = "DOCUMENT_GHOST_PORTRAIT"


UPLOADED = frozenset({ImageType.SELF_PORTRAITS, ImageType.DOCUMENT})
DERIVED = frozenset(ImageType) - UPLOADED
SIDES = ("FRONT", "BACK")


class FileFormat(StrEnum):
    """The formats that a vendor may send, by Pillow's names."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    GIF = "GIF"
    AVIF = "AVIF"
    TIFF = "TIFF"
    HEIC = "HEIC"
    BMP = "BMP"
    JPEG2000 = "JPEG2000"
    PDF = "PDF"
    MP4 = "MP4"
    WEBM = "WEBM"


CONTENT_TYPES = {
    FileFormat.JPEG: "image/jpeg",
    FileFormat.PNG: "image/png",
    FileFormat.WEBP: "image/webp",
    FileFormat.GIF: "image/gif",
    FileFormat.AVIF: "image/avif",
    FileFormat.TIFF: "image/tiff",
    FileFormat.HEIC: "image/heic",
    FileFormat.BMP: "image/bmp",
    FileFormat.JPEG2000: "image/jp2",
    FileFormat.PDF: "application/pdf",
    FileFormat.MP4: "video/mp4",
    FileFormat.WEBM: "video/webm",
}

# Measured bytes per pixel of a drawing with noise, from which the dimensions for a size follow.
_BYTES_PER_PIXEL = {
    FileFormat.JPEG: 0.335,
    FileFormat.PNG: 1.65,
    FileFormat.WEBP: 0.26,
    FileFormat.GIF: 1.08,
    FileFormat.AVIF: 0.3,
    FileFormat.TIFF: 3.0,
    FileFormat.BMP: 3.0,
    FileFormat.JPEG2000: 2.27,
    FileFormat.PDF: 0.24,
}
_ENCODING: dict[FileFormat, dict[str, int | None]] = {
    FileFormat.JPEG: {"quality": 85},
    FileFormat.PNG: {"compress_level": 1},
    FileFormat.WEBP: {"quality": 80, "method": 0},
    FileFormat.AVIF: {"quality": 75, "speed": 10},
    FileFormat.PDF: {"creationDate": None, "modDate": None},  # the same bytes in every process
}
_HANDMADE = {FileFormat.HEIC: handmade.heic, FileFormat.MP4: handmade.mp4, FileFormat.WEBM: handmade.webm}
_NOISE = 0.16

_SKIN = ("#f6d7bd", "#e8b894", "#c98f62", "#a06a42", "#6f4429")
_HAIR = ("#1c1714", "#3b2416", "#7a4a21", "#b98a3e", "#8d8d8d")
_WALL = ("#c9d6df", "#d8cfc0", "#b7c4b1", "#cfc3d6", "#dde3ea")
_CARD = ("#dbe7f3", "#e8f0dc", "#f4e6da", "#e6e0f1")


@dataclass(frozen=True)
class Picture:
    """A file as the vendor has it."""

    data: bytes
    content_type: str

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 in hex."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Sitter:
    """The person in a ticket's pictures; `name` identifies the person, `lines` are the document's text."""

    name: str
    lines: tuple[str, ...]


def selfie(sitter: Sitter, take: str, form: FileFormat, size: int) -> Picture:
    """Draw a face in front of a wall; `take` moves the head. `size` is in bytes, met within a third."""
    rng = seeded(sitter.name, "selfie", take)
    scene = Image.new("RGB", (480, 600), seeded(sitter.name, "wall").choice(_WALL))
    _face(scene, sitter, (240 + rng.randint(-30, 30), 300 + rng.randint(-25, 25)), 1.0 + rng.random() * 0.15)
    return _file(scene, rng, form, size)


def document_page(sitter: Sitter, side: str, take: str, form: FileFormat, size: int) -> Picture:
    """Draw a card with a portrait and text (`FRONT`), or text and a machine-readable zone (`BACK`)."""
    rng = seeded(sitter.name, side, take)
    card = Image.new("RGB", (760, 480), seeded(sitter.name, "card").choice(_CARD))
    pen = ImageDraw.Draw(card)
    pen.rectangle((0, 0, 760, 62), fill="#34506b")
    pen.text((24, 16), f"SPECIMEN · {sitter.lines[0]}", font=_font(28), fill="white")
    if side == "FRONT":
        photo = Image.new("RGB", (240, 300), "#eef2f5")
        _face(photo, sitter, (120, 150), 0.55)
        card.paste(photo, (28, 96))
        _scribble(pen, seeded(sitter.name, "signature"), (300, 400), 260)
    for row, line in enumerate(sitter.lines[1:]):
        pen.text((300 if side == "FRONT" else 40, 100 + 40 * row), line, font=_font(24), fill="#1d2a36")
    if side == "BACK":
        for row in range(2):
            zone = "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<<<", k=36))
            pen.text((40, 380 + 40 * row), zone, font=_font(26), fill="#1d2a36")
    return _file(card, rng, form, size)


def portrait(sitter: Sitter, take: str, form: FileFormat, size: int, *, ghost: bool = False) -> Picture:
    """Draw the portrait of the document; the ghost portrait is pale."""
    photo = Image.new("RGB", (240, 300), "#eef2f5")
    _face(photo, sitter, (120, 150), 0.55)
    if ghost:
        photo = Image.blend(photo.convert("L").convert("RGB"), Image.new("RGB", photo.size, "#dbe7f3"), 0.6)
    return _file(photo, seeded(sitter.name, "ghost" if ghost else "portrait", take), form, size)


def signature(sitter: Sitter, take: str, form: FileFormat, size: int) -> Picture:
    """Draw the signature of the document."""
    strip = Image.new("RGB", (420, 140), "#fdfdfb")
    _scribble(ImageDraw.Draw(strip), seeded(sitter.name, "signature"), (30, 70), 350)
    return _file(strip, seeded(sitter.name, "strip", take), form, size)


def _face(scene: Image.Image, sitter: Sitter, centre: tuple[int, int], scale: float) -> None:
    look = seeded(sitter.name, "face")
    skin, hair, shirt = look.choice(_SKIN), look.choice(_HAIR), f"hsl({look.randint(0, 359)},45%,45%)"
    wide, long_hair, glasses = look.uniform(0.9, 1.1), look.random() < 0.5, look.random() < 0.35
    x, y = centre
    pen = ImageDraw.Draw(scene)

    def oval(dx: float, dy: float, rx: float, ry: float, **paint: object) -> None:
        left, top, width, height = x + dx * scale, y + dy * scale, rx * scale, ry * scale
        pen.ellipse((left - width, top - height, left + width, top + height), **paint)  # type: ignore[arg-type]

    oval(0, -30, 140 * wide, 170 if not long_hair else 190, fill=hair)
    if long_hair:
        pen.rectangle((x - 135 * wide * scale, y - 20 * scale, x + 135 * wide * scale, y + 190 * scale), fill=hair)
    oval(0, 330, 215, 150, fill=shirt)
    oval(0, 170, 52, 70, fill=skin)
    oval(0, 0, 118 * wide, 150, fill=skin)
    oval(0, -150, 112 * wide, 52, fill=hair)
    for side in (-1, 1):
        oval(46 * side, -22, 21, 13, fill="white")
        oval(46 * side, -22, 9, 9, fill="#2a1d14")
        if glasses:
            oval(46 * side, -22, 34, 28, outline="#20242a", width=max(2, round(5 * scale)))
    nose = (x - 14 * scale, y - 4 * scale, x + 14 * scale, y + 44 * scale)
    pen.arc(nose, 30, 150, fill="#5d3b2a", width=max(1, round(4 * scale)))
    box = (x - 42 * scale, y + 50 * scale, x + 42 * scale, y + 98 * scale)
    pen.arc(box, 20, 160, fill="#8c3b33", width=max(2, round(7 * scale)))


def _scribble(pen: ImageDraw.ImageDraw, rng: random.Random, start: tuple[int, int], length: int) -> None:
    first, second, lift = rng.uniform(0.05, 0.12), rng.uniform(0.15, 0.3), rng.uniform(18, 34)
    points = [
        (start[0] + step, start[1] + lift * sin(step * first) * (1 - step / length / 2) + 9 * sin(step * second))
        for step in range(0, length, 3)
    ]
    pen.line(points, fill="#22336b", width=4, joint="curve")


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _file(drawing: Image.Image, rng: random.Random, form: FileFormat, size: int) -> Picture:
    if form in _HANDMADE:
        return Picture(_HANDMADE[form](rng.randbytes(size)), CONTENT_TYPES[form])
    zoom = sqrt(size / _BYTES_PER_PIXEL[form] / (drawing.width * drawing.height))
    width, height = max(16, round(drawing.width * zoom)), max(16, round(drawing.height * zoom))
    noise = Image.frombytes("L", (width, height), rng.randbytes(width * height)).convert("RGB")
    scaled = drawing.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.0)
    photo = Image.blend(scaled, noise, _NOISE)
    file = BytesIO()
    photo.save(file, form, **_ENCODING.get(form, {}))
    return Picture(file.getvalue(), CONTENT_TYPES[form])
