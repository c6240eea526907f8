"""Each format is recognized from its bytes, and a truncated file is distinguished from a complete one."""

import struct
from collections.abc import Callable

import pytest

from ingest.files import formats
from ingest.files.formats import MAX_PIXELS, identify, looks_complete
from local.vendor.media_containers import matroska
from tests.support.sample_files import FILES, HTML, SVG, drawn

JPEG, PNG, GIF, WEBP = (FILES[name][0] for name in ("jpeg", "png", "gif", "webp"))


def test_every_format_has_a_sample() -> None:
    assert {found for _, found in FILES.values()} == set(formats.FORMATS)
    assert len({each.extension for each in formats.FORMATS}) == len(formats.FORMATS)


@pytest.mark.parametrize("name", [name for name in FILES if "live" not in name and name != "gif"])
def test_a_cut_off_file_does_not_look_complete(name: str) -> None:
    data = FILES[name][0]
    cuts = {1, 2, 5, 11, len(data) // 2, *range(20, len(data) - 8, max(1, len(data) // 200))}
    for length in (len(data) - cut for cut in cuts):
        found = identify(data[:length])
        assert found is None or not looks_complete(data[:length], found)


def test_a_gif_without_its_trailer_does_not_look_complete() -> None:
    assert not looks_complete(GIF[:-1], formats.GIF)
    assert looks_complete(GIF + b"\0\0", formats.GIF)


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "bmp", "tiff"])
@pytest.mark.parametrize("tail", [b"\0" * 100, b"\n", JPEG, HTML])
def test_a_file_with_bytes_after_its_end_is_complete(name: str, tail: bytes) -> None:
    data, expected = FILES[name]
    assert identify(data + tail) is expected
    assert looks_complete(data + tail, expected)


def _after_start(segment: bytes) -> bytes:
    return JPEG[:2] + segment + JPEG[2:]


def _with_preview() -> bytes:
    metadata = b"Exif\0\0" + drawn("JPEG", seed=9)
    return _after_start(b"\xff\xe1" + struct.pack(">H", len(metadata) + 2) + metadata)


@pytest.mark.parametrize(
    "data",
    [
        _with_preview(),
        _after_start(b"\xff\xff\xff"),  # fill
        _after_start(b"\xff\xe1\x00\x04ab" + b"junk"),  # bytes that no length counts
        _after_start(b"\xff\x00"),
        _after_start(b"\xff\x01\xff\xd0\xff\xd7"),  # markers without a segment
        _after_start(b"\xff\xe1\x00\x02"),  # an empty segment
        _after_start(b"\xff\xe1\x00\x01"),  # a length that is too small
        JPEG[:-2] + b"\xff\xff\xff\xd9",  # fill before the end marker
    ],
)
def test_a_jpeg_may_have_anything_between_its_segments(data: bytes) -> None:
    assert identify(data) is formats.JPEG
    assert looks_complete(data, formats.JPEG)
    assert not looks_complete(data[:-2], formats.JPEG)


@pytest.mark.parametrize("data", [JPEG[:-2], _with_preview()[:1000], b"\xff\xd8\xff\xd9", b"\xff\xd8\xff"])
def test_a_jpeg_without_its_own_end_marker_is_still_a_jpeg(data: bytes) -> None:
    """The end marker of a preview does not count, nor one before the frame."""
    assert identify(data) is formats.JPEG
    assert not looks_complete(data, formats.JPEG)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"hello", bytes(1000), HTML, SVG, b"\n  " + SVG, b'<?xml version="1.0"?>\n' + SVG, b"#!/bin/sh\n"),
        *(b"GIF is a format", b"BM is a text, and no bitmap at all"),
        *(b"PK\x03\x04" + bytes(60), b"MZ" + bytes(100), b"ID3" + bytes(100)),
        b"RIFF\x00\x00\x00\x00WAVEfmt " + bytes(60),
        b"\0\0\0\x18ftypM4A \0\0\0\0M4A " + bytes(80),
        matroska(b"other"),
        *(head + JPEG for head in (b"\0", b" ", HTML)),
    ],
)
def test_a_format_that_is_not_in_the_table_is_never_served(data: bytes) -> None:
    assert identify(data) is None


def _jpeg(width: int, height: int) -> bytes:
    at = JPEG.index(b"\xff\xc0")
    return JPEG[: at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9 :]


def _avif(width: int, height: int) -> bytes:
    data = FILES["avif"][0]
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def _webp_lossless(width: int, height: int) -> bytes:
    data = FILES["webp lossless"][0]
    return data[:21] + struct.pack("<I", (width - 1) | (height - 1) << 14) + data[25:]


def _webp_extended(width: int, height: int) -> bytes:
    data = FILES["webp extended"][0]
    return data[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + data[30:]


SIZED: list[Callable[[int, int], bytes]] = [
    _jpeg,
    _avif,
    _webp_lossless,
    _webp_extended,
    lambda width, height: PNG[:16] + struct.pack(">II", width, height) + PNG[24:],
    lambda width, height: WEBP[:26] + struct.pack("<HH", width, height) + WEBP[30:],
    lambda width, height: GIF[:6] + struct.pack("<HH", width, height) + GIF[10:],
]


@pytest.mark.parametrize("sized", SIZED)
def test_an_image_over_the_pixel_limit_is_not_served(sized: Callable[[int, int], bytes]) -> None:
    assert MAX_PIXELS == 200_000_000
    assert identify(sized(16_000, 12_500)) is identify(sized(24, 16)) is not None
    assert identify(sized(16_000, 12_501)) is None


@pytest.mark.parametrize("marker", range(0xC0, 0xD0))
def test_every_kind_of_frame_tells_a_jpegs_size(marker: int) -> None:
    huge = _jpeg(60_000, 60_000).replace(b"\xff\xc0", bytes([0xFF, marker]), 1)
    assert (identify(huge) is None) is (marker not in (0xC4, 0xC8, 0xCC))  # DHT, JPG, DAC


@pytest.mark.parametrize("number", [9_000, 10_001])
def test_a_file_of_very_many_parts_is_not_read_to_its_end(number: int) -> None:
    for name, part in (("mp4", b"\0\0\0\x08free"), ("webm", b"\xec\x80")):
        data, found = FILES[name]
        assert looks_complete(data + part * number, found) is (number < 10_000)
    segments = JPEG[:2] + b"\xff\xe1\0\x02" * number + JPEG[2:]
    assert (identify(segments) is None) is (number > 10_000), "its size comes later"
