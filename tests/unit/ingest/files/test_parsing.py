"""What is found in an answer for images, and what is refused: small real images, in every form and every damage."""

import json
import random
import struct
import tracemalloc
import zlib
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ingest.files.old_formats import MAX_PIXELS
from ingest.files.old_parsing import (
    _VERY_LONG,
    MAX_IMAGES,
    MAX_PARTS,
    InlineImage,
    LinkedImage,
    check_image,
    read_images,
)
from ticket_archive.errors import UnrecognizedResponse, VendorUnavailable
from ticket_archive.models import ImageType

JSON = "application/json"
PORTRAITS, DOCUMENT = ImageType.SELF_PORTRAITS, ImageType.DOCUMENT


def drawn(kind: str, seed: int = 0, size: tuple[int, int] = (24, 16), **options: Any) -> bytes:
    """A real file of noise: with any byte missing or changed it is another."""
    noise = random.Random(seed).randbytes(size[0] * size[1] * 3)
    file = BytesIO()
    Image.frombytes("RGB", size, noise).save(file, kind, **options)
    return file.getvalue()


def _with_thumbnail() -> bytes:
    """A JPEG whose metadata hold another JPEG, end marker included, as cameras write them."""
    plain, preview = drawn("JPEG"), drawn("JPEG", seed=9)
    metadata = b"Exif\0\0" + preview
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(metadata) + 2) + metadata + plain[2:]


EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
STORED = {
    "jpeg": (drawn("JPEG"), "image/jpeg", "jpg"),
    "jpeg progressive": (drawn("JPEG", progressive=True), "image/jpeg", "jpg"),
    "jpeg restart": (drawn("JPEG", restart_marker_blocks=1), "image/jpeg", "jpg"),
    "jpeg thumbnail": (_with_thumbnail(), "image/jpeg", "jpg"),
    "png": (drawn("PNG"), "image/png", "png"),
    "png animated": (
        drawn("PNG", save_all=True, append_images=[Image.new("RGB", (24, 16))]),
        "image/png",
        "png",
    ),
    "webp": (drawn("WEBP"), "image/webp", "webp"),
    "webp lossless": (drawn("WEBP", lossless=True), "image/webp", "webp"),
    "webp extended": (drawn("WEBP", exif=EXIF), "image/webp", "webp"),
}
FILES = [data for data, _, _ in STORED.values()]
JPEG, PNG, WEBP = STORED["jpeg"][0], STORED["png"][0], STORED["webp"][0]
HTML = b"<!DOCTYPE html><html><body>Sign in</body></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def uri(data: bytes, content_type: str = "image/jpeg") -> str:
    return f"data:{content_type};base64,{b64encode(data).decode()}"


def bare(data: bytes) -> str:
    return b64encode(data).decode()


def found(answer: object, wanted: ImageType = PORTRAITS) -> list[bytes]:
    """The images in a JSON answer."""
    return [
        image.data for image in read_images(json.dumps(answer).encode(), JSON, wanted) if isinstance(image, InlineImage)
    ]


def outcome(body: bytes, content_type: str = JSON, wanted: ImageType = PORTRAITS) -> str:
    try:
        return f"{len(read_images(body, content_type, wanted))} images"
    except UnrecognizedResponse as error:
        return error.detail if error.body == body else "another body"
    except VendorUnavailable as error:
        return f"later: {error.detail}"


def refused(answer: object, wanted: ImageType = PORTRAITS) -> str:
    return outcome(json.dumps(answer).encode(), JSON, wanted)


def checked(data: bytes) -> str:
    try:
        return check_image(data).content_type
    except UnrecognizedResponse as error:
        return error.detail if error.body == data else "another body"
    except VendorUnavailable as error:
        return f"later: {error.detail}"


# ─── One image's bytes ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", STORED)
def test_a_whole_image_has_its_type_from_its_bytes(name: str) -> None:
    data, content_type, extension = STORED[name]

    assert check_image(data) == InlineImage(data, content_type, extension)


@pytest.mark.parametrize("name", [name for name in STORED if "webp" not in name])
def test_wherever_an_image_is_cut_off_it_is_asked_for_again(name: str) -> None:
    data = STORED[name][0]

    assert {checked(data[:length]) for length in range(len(data))} == {"later: truncated"}


@pytest.mark.parametrize("name", [name for name in STORED if "webp" in name])
def test_wherever_a_webp_is_cut_off_behind_its_name_it_is_asked_for_again(name: str) -> None:
    data = STORED[name][0]

    assert {checked(data[:length]) for length in range(14, len(data))} == {"later: truncated"}


@pytest.mark.parametrize("data", [JPEG, PNG, WEBP])
@pytest.mark.parametrize("tail", [b"\0" * 100, b"\n", JPEG, HTML])
def test_what_follows_the_end_is_kept(data: bytes, tail: bytes) -> None:
    assert check_image(data + tail).data == data + tail


@pytest.mark.parametrize("head", [b"\0", b" ", HTML, b"GIF89a"])
def test_an_image_begins_at_the_first_byte(head: bytes) -> None:
    assert checked(head + JPEG) in ("not_an_image", "type_gif")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (drawn("GIF"), "type_gif"),
        (drawn("TIFF"), "type_tif"),
        (drawn("BMP"), "type_bmp"),
        (drawn("AVIF"), "type_avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(80), "type_heic"),
        (b"%PDF-1.7\n", "type_pdf"),
        (SVG, "type_svg"),
        (b'<?xml version="1.0"?>\n' + SVG, "type_svg"),
        (b'<?xml version="1.0"?><Error/>', "not_an_image"),
        (HTML, "not_an_image"),
        (b"hello", "not_an_image"),
        (bytes(1000), "not_an_image"),
    ],
)
def test_what_is_not_stored_is_refused_by_its_name(data: bytes, code: str) -> None:
    assert checked(data) == code


def _jpeg(width: int, height: int) -> bytes:
    at = JPEG.index(b"\xff\xc0")
    return JPEG[: at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9 :]


def _png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">II", width, height) + PNG[24:29]
    return PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]


def _webp_lossy(width: int, height: int) -> bytes:
    return WEBP[:26] + struct.pack("<HH", width, height) + WEBP[30:]


def _webp_lossless(width: int, height: int) -> bytes:
    data = STORED["webp lossless"][0]
    return data[:21] + struct.pack("<I", (width - 1) | (height - 1) << 14) + data[25:]


def _webp_extended(width: int, height: int) -> bytes:
    data = STORED["webp extended"][0]
    return data[:24] + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little") + data[30:]


SIZED: list[Callable[[int, int], bytes]] = [_jpeg, _png, _webp_lossy, _webp_lossless, _webp_extended]


@pytest.mark.parametrize("sized", SIZED)
def test_an_image_may_have_as_many_pixels_as_the_cap_and_no_more(sized: Callable[[int, int], bytes]) -> None:
    assert MAX_PIXELS == 10_000 * 10_000
    assert checked(sized(10_000, 10_000)).startswith("image/")
    assert checked(sized(10_000, 10_001)) == "too_many_pixels"
    assert checked(sized(10_001, 10_000)) == "too_many_pixels"


@pytest.mark.parametrize("sized", [_jpeg, _png, _webp_lossy])
@pytest.mark.parametrize("size", [(0, 16), (24, 0)])
def test_an_image_without_pixels_is_malformed(sized: Callable[[int, int], bytes], size: tuple[int, int]) -> None:
    assert checked(sized(*size)) == "malformed"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xd9",  # ends before a frame
        JPEG[:2] + b"\xff\xe1\x00\x01" + JPEG[2:],  # a segment shorter than its own length
        JPEG[:2] + b"\xff\xd8" + JPEG[2:],  # an image begins within
        JPEG[:2] + b"\xff\x00\x00\x02" + JPEG[2:],  # data where a marker must be
        JPEG[:2] + b"\xff\xe1\x00\x04ab" + b"c" + JPEG[2:],  # no marker where one must be
        PNG.replace(b"IHDR", b"IHDX"),
        PNG.replace(b"IHDR", b"\x00\x00\x00\x00"),
        PNG[:8] + struct.pack(">I", 12) + PNG[12:],
        PNG.replace(b"\r\n\x1a\n", b"\n\x1a\n\n", 1),  # as a transfer in text mode leaves it
        PNG[: PNG.index(b"IDAT") - 4] + PNG[-12:],  # no pixels at all
        WEBP[:12] + b"VP8?" + WEBP[16:],
        WEBP[:23] + b"\0\0\0" + WEBP[26:],
        WEBP[:4] + struct.pack("<I", 12) + WEBP[8:20],
        STORED["webp lossless"][0].replace(b"\x2f", b"\x2e", 1),
    ],
)
def test_what_breaks_its_formats_rules_is_malformed(data: bytes) -> None:
    assert checked(data) == "malformed"


@pytest.mark.parametrize("marker", range(0xC0, 0xD0))
def test_every_kind_of_frame_but_no_other_segment_tells_a_jpegs_size(marker: int) -> None:
    other = marker in (0xC4, 0xC8, 0xCC)  # DHT, JPG, DAC

    assert checked(JPEG.replace(b"\xff\xc0", bytes([0xFF, marker]), 1)) == ("malformed" if other else "image/jpeg")


@pytest.mark.parametrize("marker", [0x01, *range(0xD0, 0xD8)])
def test_a_marker_of_a_jpeg_may_stand_without_a_segment(marker: int) -> None:
    assert checked(JPEG[:2] + bytes([0xFF, 0xFF, marker]) + JPEG[2:]) == "image/jpeg"


def test_a_segment_of_a_jpeg_may_be_empty() -> None:
    assert checked(JPEG[:2] + b"\xff\xe1\x00\x02" + JPEG[2:]) == "image/jpeg"


# ─── One image's text ───────────────────────────────────────────────────────────────────────────────────────────────


def _wrapped(data: bytes) -> str:
    return encodebytes(data).decode().replace("\n", "\r\n")


TEXTS: dict[str, Callable[[bytes], str]] = {
    "data URI": uri,
    "data URI of another type": lambda data: uri(data, "text/plain"),
    "data URI with parameters": lambda data: f"data:image/jpeg;charset=utf-8;name=a.jpg;base64,{bare(data)}",
    "data URI without a type": lambda data: f"data:;base64,{bare(data)}",
    "data URI in capitals": lambda data: f"DATA:IMAGE/JPEG;BASE64,{bare(data)}",
    "data URI in white space": lambda data: f"\n {uri(data)}\n",
    "data URI, URL-safe": lambda data: f"data:image/png;base64,{urlsafe_b64encode(data).decode()}",
    "base64": bare,
    "base64 without padding": lambda data: bare(data).rstrip("="),
    "base64, URL-safe": lambda data: urlsafe_b64encode(data).decode(),
    "base64, URL-safe without padding": lambda data: urlsafe_b64encode(data).decode().rstrip("="),
    "base64 in lines": _wrapped,
    "base64 in very short lines": lambda data: "\n".join(bare(data)),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@given(data=st.sampled_from(FILES), tail=st.binary(max_size=3))
def test_every_form_of_text_gives_the_same_bytes(text: Callable[[bytes], str], data: bytes, tail: bytes) -> None:
    # `tail` walks through all lengths of padding
    assert found({"images": [text(data + tail)]}) == [data + tail]


@pytest.mark.parametrize(
    "url", ["https://cdn.example/1?sig=x", "http://10.0.0.5/1", "HTTPS://CDN.EXAMPLE/1", " https://a/1 "]
)
def test_a_url_is_left_to_be_fetched(url: str) -> None:
    assert read_images(json.dumps({"images": [{"url": url}]}).encode(), JSON, PORTRAITS) == [LinkedImage(url.strip())]


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (uri(JPEG)[:-8], "later: truncated"),
        (bare(JPEG)[: len(bare(JPEG)) // 2], "later: truncated"),
        (bare(JPEG)[:401], "later: truncated"),  # one character too many to be a byte
        (uri(b""), "later: truncated"),
        (bare(PNG[:-1]), "later: truncated"),
        (uri(JPEG).replace(",", ",!"), "base64"),
        (bare(JPEG)[:100] + "*" + bare(JPEG)[100:], "base64"),
        (bare(JPEG)[:100] + "é" + bare(JPEG)[100:], "base64"),
        (bare(JPEG)[:100] + "==" + bare(JPEG)[100:], "base64"),
        (bare(JPEG).rstrip("=") + "=====", "base64"),
        (uri(uri(JPEG).encode()), "data_uri"),
        (f"data:image/jpeg;base64,{uri(JPEG)}", "data_uri"),
        (bare(uri(JPEG).encode()), "data_uri"),
        ("data:image/jpeg," + bare(JPEG), "data_uri"),
        ("data:image/svg+xml;utf8,<svg/>", "data_uri"),
        (uri(SVG, "image/svg+xml"), "type_svg"),
        (uri(HTML), "not_an_image"),
        (bare(drawn("GIF")), "type_gif"),
        (bare(b"%PDF-1.7 " + bytes(300)), "type_pdf"),
        (uri(b"%PDF-1.7 " + bytes(300), "application/pdf"), "type_pdf"),
        (bare(_png(20_000, 20_000)), "too_many_pixels"),
    ],
)
def test_a_text_that_is_meant_as_an_image_and_is_none_is_never_passed_over(text: str, outcome: str) -> None:
    # GIVEN it beside a good one
    # THEN the answer as a whole is not taken
    assert refused({"images": [uri(WEBP), text]}) == outcome


# ─── The answer ─────────────────────────────────────────────────────────────────────────────────────────────────────

LONG = "x" * 1000


@pytest.mark.parametrize(
    "answer",
    [
        uri(JPEG),
        [uri(JPEG)],
        {"image": uri(JPEG)},
        {"images": [uri(JPEG)]},
        {"images": {"0": uri(JPEG)}},
        {"images": [{"side": "front", "content_type": "image/jpeg", "size": len(JPEG), "image": bare(JPEG)}]},
        {"status": 200, "data": {"transaction": {"images": [{"file": {"content": bare(JPEG)}}]}}},
        {"ticket": "762ebbda", "date": "2026-01-15", "name": "Zoë Пример 名前 😀", "front": uri(JPEG), "more": None},
        {"images": [uri(JPEG), "", None, [], {}]},
        {"template": LONG, "token": "eyJ" + LONG, "selfie": uri(JPEG)},
        {"video": "data:video/mp4;base64," + LONG, "selfie": uri(JPEG)},
        {"score": 17, "big": 10**400, "precise": 1.5, "selfie": uri(JPEG)},
    ],
    ids=lambda answer: json.dumps(answer)[:50],
)
def test_an_image_is_found_wherever_it_stands(answer: object) -> None:
    assert found(answer) == [JPEG]


def test_an_image_is_found_at_any_depth() -> None:
    answer: object = uri(JPEG)
    for level in range(200):
        answer = [answer] if level % 2 else {"more": answer}

    assert found(answer) == [JPEG]


def test_the_order_is_the_vendors() -> None:
    files = [drawn("JPEG", seed) for seed in range(10)]

    assert found({"z": uri(files[0]), "a": [bare(each) for each in files[1:9]], "m": {"x": uri(files[9])}}) == files


def test_of_equal_images_the_first_is_kept() -> None:
    answer = {"images": [uri(JPEG), bare(PNG), bare(JPEG), "https://a/1", "https://a/1", "https://a/2"]}
    images = read_images(json.dumps(answer).encode(), JSON, PORTRAITS)

    assert images == [check_image(JPEG), check_image(PNG), LinkedImage("https://a/1"), LinkedImage("https://a/2")]


def test_a_repeated_key_hides_no_image() -> None:
    body = f'{{"image": "{uri(JPEG)}", "image": "{uri(PNG)}"}}'.encode()

    assert [image.data for image in read_images(body, JSON, PORTRAITS) if isinstance(image, InlineImage)] == [JPEG, PNG]


@pytest.mark.parametrize(
    "key", ["SELF_PORTRAITS", "self_portraits", "selfPortraits", "SelfPortraits", "self-portraits"]
)
def test_keys_that_name_types_tell_them_apart(key: str) -> None:
    answer = {
        "data": {"document": {"front": uri(PNG)}, key: {"items": [uri(JPEG)]}, "DOCUMENT_PORTRAIT": uri(WEBP)},
        "qr": uri(PNG),
    }

    assert found(answer, PORTRAITS) == [JPEG]
    assert found(answer, ImageType.DOCUMENT_PORTRAIT) == [WEBP]
    assert found(answer, DOCUMENT) == [PNG]


@pytest.mark.parametrize("field", ["type", "imageType", "image_type", "kind", "name"])
def test_fields_that_name_types_tell_them_apart(field: str) -> None:
    answer = [
        {field: "DOCUMENT", "image": uri(PNG)},
        {"image": uri(JPEG), field: "self_portraits"},
        {field: "DOCUMENT", "image": uri(WEBP)},
    ]

    assert found(answer, PORTRAITS) == [JPEG]
    assert found(answer, DOCUMENT) == [PNG, WEBP]


def test_the_innermost_name_of_a_type_counts() -> None:
    answer = {"document": {"front": uri(PNG), "documentPortrait": uri(WEBP)}}

    assert (found(answer, DOCUMENT), found(answer, ImageType.DOCUMENT_PORTRAIT)) == ([PNG], [WEBP])


def test_another_types_spoiled_image_is_not_looked_at() -> None:
    assert found({"DOCUMENT": "data:image/jpeg;base64,!", "SELF_PORTRAITS": uri(JPEG)}) == [JPEG]


def test_images_of_other_types_alone_are_none_of_the_wanted() -> None:
    assert found({"DOCUMENT": [uri(PNG)], "DOCUMENT_PORTRAIT": [uri(WEBP)]}) == []


def test_images_of_other_types_beside_unnamed_ones_are_not_guessed_at() -> None:
    assert refused({"DOCUMENT": [uri(PNG)], "images": [uri(JPEG)]}) == "ambiguous"


@pytest.mark.parametrize(
    "answer", [{"document": "ID_CARD", "images": [uri(JPEG)]}, {"type": "ID_CARD", "image": uri(JPEG)}]
)
def test_a_types_name_without_images_takes_nothing_away(answer: object) -> None:
    assert found(answer, PORTRAITS) == [JPEG]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        b"{}",
        b"[]",
        b"null",
        b'""',
        b"[null, {}, []]",
        b'{"images": []}',
        b'{"images": null}',
        b'{"images": [""]}',
        b'{"anything": []}',
        b'{"SELF_PORTRAITS": []}',
        b'{"status": 200, "data": null}',
        b'{"status": 200, "photos": []}',
        b'{"status": 200, "frontPicture": ""}',
        b'{"ticket": "762ebbda", "name": "front", "images": []}',
    ],
)
@pytest.mark.parametrize("content_type", [JSON, "text/plain", ""])
def test_an_answer_that_says_there_are_none_is_empty(body: bytes, content_type: str) -> None:
    assert read_images(body, content_type, PORTRAITS) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (HTML, "not_json"),
        (b"Service Unavailable", "not_json"),
        (b"https://cdn.example/1", "not_json"),
        (b"OK", "not_json"),
        (b'{"a": 1} and', "not_json"),
        (b"{oops}", "not_json"),
        (b'{"a": 1,}', "not_json"),
        (b'{"a": 1} {"b": 2}', "not_json"),
        (b'{"a": "\x00"}', "not_json"),
        ('{"images": []}'.encode("utf-16"), "not_json"),
        (b"[" * 50_000 + b"]" * 50_000, "too_deep"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "too_deep"),
        (b"[" * 200_000 + b"]" * 200_000, "too_complex"),
        (b"[" + b"{}," * MAX_PARTS + b"{}]", "too_complex"),
        (b"[" + b"1," * MAX_PARTS + b"1]", "too_complex"),
        (b"[" + b"1," * (MAX_PARTS - 1) + b"1]", "no_image"),
        (b"true", "no_image"),
        (b"17", "no_image"),
        (b'"ok"', "no_image"),
        (b'{"result": {"blob": 17, "parts": [{"x": true}]}}', "no_image"),
        (b'{"status": 500, "code": "INTRNL", "message": "Internal error"}', "no_image"),
        (b'{"images": [Infinity], "score": NaN}', "no_image"),
        (b'{"n": ' + b"9" * 5_000 + b"}", "no_image"),
        (b'{"images": ["\\ud800"]}', "no_image"),
        (b'{"images": ["\xff\xfe"]}', "no_image"),
        (b'{"images": ["front.jpg"]}', "no_image"),
        (b'{"images": [255, 216, 255]}', "no_image"),
        (json.dumps({"images": [], "blob": LONG}).encode(), "no_image"),
        (json.dumps({"images": [bare(HTML * 10)]}).encode(), "no_image"),
        (json.dumps({"images": ["data:video/mp4;base64," + LONG]}).encode(), "no_image"),
    ],
)
def test_what_is_not_understood_is_said_and_kept(body: bytes, code: str) -> None:
    assert outcome(body) == code


def test_a_text_is_no_name_or_date_beyond_200_characters() -> None:
    assert refused({"note": "x" * 200, "images": []}) == "0 images"
    assert refused({"note": "x" * 201, "images": []}) == "no_image"


@pytest.mark.parametrize("number", [MAX_IMAGES, MAX_IMAGES + 1])
def test_there_is_a_limit_to_the_number_of_images(number: int) -> None:
    answer = {"images": [f"https://cdn.example/{each}" for each in range(number)]}

    assert refused(answer) == (f"{MAX_IMAGES} images" if number == MAX_IMAGES else "too_many")


@pytest.mark.parametrize("content_type", ["image/jpeg", "application/octet-stream", JSON, "text/html", ""])
@pytest.mark.parametrize("data", FILES)
def test_a_body_that_is_an_image_is_taken_as_it_is(data: bytes, content_type: str) -> None:
    assert [image.data for image in read_images(data, content_type, PORTRAITS) if isinstance(image, InlineImage)] == [
        data
    ]


@pytest.mark.parametrize("text", [uri, bare])
@pytest.mark.parametrize("content_type", ["image/jpeg", "text/plain"])
def test_a_body_that_is_an_images_text_is_taken(text: Callable[[bytes], str], content_type: str) -> None:
    assert outcome(text(JPEG).encode(), content_type) == "1 images"


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (JPEG[:-2], "image/jpeg", "later: truncated"),
        (JPEG[:2], "image/jpeg", "later: truncated"),
        (HTML, "image/jpeg", "not_an_image"),
        (SVG, "image/svg+xml", "type_svg"),
        (SVG, JSON, "type_svg"),
        (b"%PDF-1.7", "application/pdf", "type_pdf"),
        (drawn("GIF"), "image/gif", "type_gif"),
        (b'{"status": 500, "code": "INTRNL", "message": "x"}', "image/jpeg", "no_image"),
    ],
)
def test_a_binary_body_is_judged_by_its_bytes(body: bytes, content_type: str, code: str) -> None:
    assert outcome(body, content_type) == code


WHOLE = json.dumps(
    {"data": {"ok": True, "n": -1.5e3, "images": [uri(JPEG[:40]), '\u00e9\\"', None, {"a": []}]}, "z": "end"}
)


def test_wherever_json_is_cut_off_it_is_asked_for_again() -> None:
    body = WHOLE.encode()

    assert {outcome(body[:length]) for length in range(1, len(body))} == {"later: truncated"}


def test_json_that_is_cut_off_before_white_space_is_asked_for_again() -> None:
    assert outcome(b'{"images": [\r\n  ') == "later: truncated"


# ─── Whatever comes ─────────────────────────────────────────────────────────────────────────────────────────────────

OUTCOMES = st.sampled_from([*ImageType])


@given(body=st.binary(max_size=300), content_type=st.sampled_from([JSON, "image/png", ""]), wanted=OUTCOMES)
def test_whatever_bytes_come_the_outcome_is_typed(body: bytes, content_type: str, wanted: ImageType) -> None:
    assert outcome(body, content_type, wanted) != "another body"


SCRAPS = st.sampled_from(
    [uri(JPEG), bare(PNG), uri(WEBP)[:90], "https://a/1", "data:", "data:image/png,", "/9j/", LONG, "front"]
)
KEYS = st.sampled_from(["images", "type", "DOCUMENT", "self_portraits", "x"])
ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | SCRAPS | st.sampled_from([*ImageType]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(KEYS | st.text(), children, max_size=4),
    max_leaves=15,
)


@given(answer=ANSWERS, wanted=OUTCOMES, cut=st.integers(0, 40))
def test_whatever_json_comes_the_outcome_is_typed(answer: object, wanted: ImageType, cut: int) -> None:
    body = json.dumps(answer).encode()

    assert outcome(body[: len(body) - cut], JSON, wanted) != "another body"


@given(
    data=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.just(0) | st.integers(0, 1 << 16),
    text=st.none() | st.sampled_from([*TEXTS.values()]),
)
def test_whatever_happens_to_an_image_the_outcome_is_typed(
    data: bytes, changes: list[tuple[int, int]], cut: int, text: Callable[[bytes], str] | None
) -> None:
    spoiled = bytearray(data)
    for at, value in changes:
        # half of the changes go to the first 64 bytes, where the headers are
        spoiled[at % (64 if at % 2 else len(spoiled))] = value
    image = bytes(spoiled[: len(spoiled) - cut % len(spoiled)])

    with suppress(UnrecognizedResponse, VendorUnavailable):
        assert check_image(image).data == image
    assert outcome(json.dumps({"images": [text(image)]}).encode() if text else image) != "another body"


@given(st.lists(st.sampled_from(FILES), unique=True, max_size=6), st.sampled_from([*TEXTS.values()]), st.data())
def test_every_image_comes_back_as_it_was_sent(
    files: list[bytes], text: Callable[[bytes], str], data: st.DataObject
) -> None:
    texts = [text(each) for each in files]
    answer = data.draw(
        st.sampled_from(
            [
                texts,
                {"images": texts},
                {"SELF_PORTRAITS": texts, "DOCUMENT": [uri(drawn("PNG", 7))]},
                {"data": [{"image": each} for each in texts]},
            ]
        )
    )

    assert found(answer) == files


# ─── Costs and silence ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["data URI", "base64", "base64 in lines", "base64, URL-safe"])
@pytest.mark.parametrize("number", [1, 4])
def test_memory_stays_within_about_three_times_the_body(form: str, number: int) -> None:
    # GIVEN an answer of some megabytes, with a name beyond Latin-1 in it
    files = [JPEG + random.Random(seed).randbytes(3_000_000 // number) for seed in range(number)]
    body = json.dumps(
        {"name": "Пример 😀", "images": [TEXTS[form](each) for each in files]}, ensure_ascii=False
    ).encode()
    sizes = [len(each) for each in files]
    del files

    # WHEN it is read
    tracemalloc.start()
    try:
        images = read_images(body, JSON, PORTRAITS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # THEN what was allocated, and the body itself, are together about three times the body
    assert [len(image.data) for image in images if isinstance(image, InlineImage)] == sizes
    assert (peak + len(body)) / len(body) < 3.2


def test_a_repr_shows_neither_image_nor_url() -> None:
    assert repr(check_image(JPEG)) == "InlineImage(content_type='image/jpeg', extension='jpg')"
    assert repr(LinkedImage("https://cdn.example/?signature=x")) == "LinkedImage()"


def test_no_error_shows_what_it_was_given() -> None:
    for body in (
        b"Jon Doe",
        b'{"name": "Jon Doe"}',
        b'{"name": "Jon Doe',
        b'{"image": "data:image/png;base64,Jon Doe"}',
    ):
        with pytest.raises((UnrecognizedResponse, VendorUnavailable)) as caught:
            read_images(body, JSON, PORTRAITS)
        assert "Jon" not in str(caught.value) + repr(caught.value) + repr(caught.value.args)


LARGE = drawn("PNG", size=(60, 40))
LARGER = drawn("PNG", seed=1, size=(70, 50))


def test_the_large_samples_are_decoded_where_they_stand() -> None:
    assert len(bare(LARGE)) > _VERY_LONG


def escaped(answer: object) -> bytes:
    """The same JSON as some writers spell it, which cannot be decoded where it stands."""
    return json.dumps(answer).replace("/", "\\/").encode()


@pytest.mark.parametrize(
    "answer",
    [
        {"images": [uri(LARGE, "image/png"), uri(LARGER, "image/png"), bare(JPEG)]},
        {"a": "b", "images": [bare(LARGE)], "": [1.5, None, {"c": "d"}]},
        [{"type": "DOCUMENT", "image": bare(LARGE)}, {"type": "SELF_PORTRAITS", "image": bare(LARGER)}],
        {"DOCUMENT": [uri(LARGE)], "selfPortraits": {"front": uri(LARGER)}},
        bare(LARGE),
        {"images": [bare(LARGE), bare(LARGE)]},
        {"images": [uri(LARGE, "text/html")]},
        {"images": [bare(LARGE)], "note": "\x010"},
        {"images": ["\x010", bare(LARGE)]},
        {bare(LARGE): bare(LARGER)},
    ],
)
def test_large_images_are_the_same_however_the_json_is_spelt(answer: object) -> None:
    plain, slow = json.dumps(answer).encode(), escaped(answer)
    assert plain != slow
    expected = read_images(slow, JSON, PORTRAITS)
    assert expected
    assert read_images(plain, JSON, PORTRAITS) == expected


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"images": [bare(b"x" * 6000)]}, "no_image"),
        ({"template": bare(b"x" * 6000), "images": []}, "no_image"),
        ({"images": [bare(uri(LARGE).encode())]}, "data_uri"),
        ({"images": [bare(LARGE), uri(HTML * 200)]}, "not_an_image"),
        ({"DOCUMENT": [bare(LARGE)], "images": [bare(LARGER)]}, "ambiguous"),
    ],
)
def test_large_texts_are_refused_as_small_ones_are(answer: object, code: str) -> None:
    refusals = []
    for body in (json.dumps(answer).encode(), escaped(answer)):
        with pytest.raises(UnrecognizedResponse) as refusal:
            read_images(body, JSON, PORTRAITS)
        assert refusal.value.body == body
        refusals.append(refusal.value.detail)
    assert set(refusals) == {code}


@pytest.mark.parametrize("end", [10, 5000, 9000, -1, -2, -3])
def test_an_answer_with_a_large_image_that_is_cut_off_is_so_however_it_is_spelt(end: int) -> None:
    answer = {"images": [bare(LARGE), bare(LARGER)], "more": 1}
    for body in (json.dumps(answer).encode(), escaped(answer)):
        with pytest.raises(VendorUnavailable, match="truncated"):
            read_images(body[:end], JSON, PORTRAITS)


def test_json_around_a_large_image_that_is_none_is_refused() -> None:
    with pytest.raises(UnrecognizedResponse, match="not_json"):
        read_images(b'{"images": "%s" "more"}' % bare(LARGE).encode(), JSON, PORTRAITS)


def test_a_large_image_costs_no_second_copy_of_its_text() -> None:
    noise = random.Random(5).randbytes(900 * 800 * 3)
    file = BytesIO()
    Image.frombytes("RGB", (900, 800), noise).save(file, "PNG", compress_level=1)
    body = json.dumps({"images": [uri(file.getvalue(), "image/png")]}).encode()
    tracemalloc.start()
    try:
        read_images(body, JSON, PORTRAITS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.9 * len(body)
