"""The files that are found in a response, in every form, and the responses that are not recognized."""

import json
import random
import time
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.files.decoding import InlineFile, LinkedFile, inline_file
from ingest.files.formats import JPEG as JPEG_FORMAT
from ingest.files.labels import Label, Side, label_of
from ingest.files.parsing import MAX_FILES, parse_files
from tests.support.ingest_pipeline import JPEG as TINY
from tests.support.memory import peak_of_memory
from tests.support.sample_files import FILES, HTML, SVG, drawn
from tests.support.strategies import json_values
from ticket_archive.errors import ArchiveError, UnrecognizedResponse, VendorUnavailable
from ticket_archive.json_text import MAX_PARTS
from ticket_archive.models import ImageType

JSON = "application/json"
SELFIES, DOCUMENT, PORTRAIT = ImageType.SELF_PORTRAITS, ImageType.DOCUMENT, ImageType.DOCUMENT_PORTRAIT
JPEG, PNG, WEBP, PDF, MP4 = (FILES[name][0] for name in ("jpeg", "png", "webp", "pdf", "mp4"))
LONG = "x" * 1000


def uri(data: bytes, content_type: str = "image/jpeg") -> str:
    return f"data:{content_type};base64,{b64encode(data).decode()}"


def bare(data: bytes) -> str:
    return b64encode(data).decode()


def parsed(answer: object, wanted: ImageType = SELFIES) -> list[InlineFile | LinkedFile]:
    return parse_files(json.dumps(answer).encode(), JSON, wanted)


def found(answer: object, wanted: ImageType = SELFIES) -> list[bytes]:
    """Return the bytes of the inline files of a JSON response."""
    return [file.data for file in parsed(answer, wanted) if isinstance(file, InlineFile)]


def outcome(answer: object, content_type: str = JSON, wanted: ImageType = SELFIES) -> str:
    """Return how many files are found in a response, or why none is: its bytes, or the value of its JSON."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    try:
        return f"{len(parse_files(body, content_type, wanted))} files"
    except UnrecognizedResponse as error:
        return error.detail if error.body == body else "another body"
    except VendorUnavailable as error:
        return f"later: {error.detail}" if error.body == body else "another body"


# ─── One file's text ────────────────────────────────────────────────────────────────────────────────────────────────

TEXTS: dict[str, Callable[[bytes], str]] = {
    "data URI": uri,
    "data URI of another type": lambda data: uri(data, "text/plain"),
    "data URI with parameters": lambda data: f"data:image/jpeg;charset=utf-8;name=a.jpg;base64,{bare(data)}",
    "data URI without a type": lambda data: f"data:;base64,{bare(data)}",
    "data URI in capitals": lambda data: f"DATA:IMAGE/JPEG;BASE64,{bare(data)}",
    "data URI in much white space": lambda data: " " * 300 + uri(data),
    "data URI in white space": lambda data: f"\n {uri(data)}\n",
    "data URI, URL-safe": lambda data: f"data:image/png;base64,{urlsafe_b64encode(data).decode()}",
    "data URI, percent-encoded": lambda data: f"data:image/jpeg,{quote(data)}",
    "data URI, base64 percent-encoded": lambda data: f"data:image/jpeg; base64,{quote(bare(data), safe='')}",
    "data URI, quoted": lambda data: json.dumps(uri(data)),
    "data URI within a data URI": lambda data: uri(uri(data).encode()),
    "data URI within base64": lambda data: bare(uri(data).encode()),
    "base64": bare,
    "base64 without padding": lambda data: bare(data).rstrip("="),
    "base64, URL-safe": lambda data: urlsafe_b64encode(data).decode(),
    "base64, URL-safe without padding": lambda data: urlsafe_b64encode(data).decode().rstrip("="),
    "base64 in lines": lambda data: encodebytes(data).decode().replace("\n", "\r\n"),
    "base64 whose + became spaces": lambda data: bare(data).replace("+", " "),
    "base64 in lines whose + became spaces": lambda data: encodebytes(data).decode().replace("+", " "),
    "base64, URL-safe, in lines with two spaces between": lambda data: (
        urlsafe_b64encode(data).decode()[:40] + "  " + urlsafe_b64encode(data).decode()[40:]
    ),
    "base64 in lines with spaces between": lambda data: encodebytes(data).decode().strip().replace("\n", " "),
    "base64 in very short lines": lambda data: "\n".join(bare(data)),
}


@given(data=st.sampled_from([data for data, _ in FILES.values()]), tail=st.binary(max_size=3))
def test_every_form_of_text_gives_the_same_bytes(data: bytes, tail: bytes) -> None:
    """`tail` goes through every length of padding."""
    for form, text in TEXTS.items():
        assert found({"images": [text(data + tail)]}) == [data + tail], form


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_found_in_every_shape(name: str) -> None:
    data, expected = FILES[name]
    for body in (data, *(json.dumps({"files": [text(data)]}).encode() for text in (uri, bare))):
        assert parse_files(body, "application/octet-stream", DOCUMENT) == [InlineFile(data, expected, complete=True)]


@pytest.mark.parametrize(
    "url", ["https://cdn.example/1?sig=x", "http://10.0.0.5/1", "HTTPS://CDN.EXAMPLE/1", " https://a/1 "]
)
def test_a_url_is_left_to_be_fetched(url: str) -> None:
    assert parsed({"images": [{"url": url}]}) == [LinkedFile(url.strip())]


@pytest.mark.parametrize("key", ["url", "imageUrl", "front_uri", "src"])
def test_a_path_under_the_name_of_a_url_is_left_to_be_fetched(key: str) -> None:
    for path in ("/files/1.jpg", "/" + "a" * 300 + ".jpg", "//cdn.example/1?sig=a=b", f"/{'a' * 40}=b", "/9j/4"):
        for answer in ({"images": [{key: f" {path} "}]}, {"front": {key: path}, "back": None}):
            assert parsed(answer, DOCUMENT) == [LinkedFile(path)]
        beside = json.dumps({"images": [{key: path, "content": bare(JPEG)}]}).encode()
        assert outcome(beside) == "1 files", "the path is where the same file is"
        for other in ({"back": {key: path}}, {"backUrl": path}, {"videoUrl": path}):
            assert outcome({"front": bare(JPEG), **other}) == "2 files"
    for data in (JPEG, TINY):
        assert found({key: bare(data)}) == [data], "which begins with a slash, too"
    for other in ({"path": "/files/1.jpg"}, {"href": "/files/1.jpg"}, {key: "/"}, {key: "1.jpg"}, {key: "/ 1"}):
        assert outcome(other) == "no_file"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (uri(SVG, "image/svg+xml"), SVG),
        ("data:image/svg+xml;utf8,<svg/>", b"<svg/>"),
        (SVG.decode(), SVG),
        (uri(HTML, "text/html"), HTML),
        (bare(bytes(300)), bytes(300)),
        ("data:image/jpeg;base64,!!!", b"!!!"),
        (uri(JPEG).replace("/9j/", "/9j*"), bare(JPEG).replace("/9j/", "/9j*").encode()),
    ],
)
def test_a_file_that_cannot_be_served_does_not_spoil_the_others(text: str, data: bytes) -> None:
    files = parsed({"images": [uri(JPEG), text, bare(PNG)]})
    expected = [(JPEG, False), (data, True), (PNG, False)]
    assert [(file.data, file.format is None) for file in files if isinstance(file, InlineFile)] == expected


@pytest.mark.parametrize("text", [uri(JPEG)[:-8], bare(JPEG)[: len(bare(JPEG)) // 2], bare(JPEG)[:401], bare(PNG[:-1])])
def test_a_cut_off_file_is_marked_incomplete(text: str) -> None:
    [file] = parsed({"images": [text]})
    assert isinstance(file, InlineFile)
    assert file.format is not None
    assert not file.complete


# ─── The response ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "answer",
    [
        uri(JPEG),
        [uri(JPEG)],
        {"image": uri(JPEG)},
        {"images": {"0": uri(JPEG)}},
        {"images": [{"side": "front", "content_type": "image/jpeg", "size": len(JPEG), "image": bare(JPEG)}]},
        {"status": 200, "data": {"transaction": {"images": [{"file": {"content": bare(JPEG)}}]}}},
        {"ticket": "762ebbda", "date": "2026-01-15", "name": "Zoë Пример 名前 😀", "front": uri(JPEG), "more": None},
        {"images": [uri(JPEG), "", None, [], {}, "data:image/jpeg;base64,"]},
        {"template": LONG, "token": "eyJ" + LONG, "selfie": uri(JPEG)},
        {"score": 17, "big": 10**400, "precise": 1.5, "selfie": uri(JPEG)},
        {"document": "ID_CARD", "images": [uri(JPEG)]},
        {"type": "ID_CARD", "image": uri(JPEG)},
        {"images": [uri(JPEG), bare(JPEG)]},
        {"images": [bare(JPEG)[at : at + 60] for at in range(0, len(bare(JPEG)), 60)]},
        {"images": ["data:image/jpeg;base64," + bare(JPEG)[:76], *encodebytes(JPEG).decode().splitlines(True)[1:]]},
        {"status": 200, "data": json.dumps({"images": [bare(JPEG)]})},
        {"images": [json.dumps({"content": uri(JPEG)}), "n/a", "null"]},
    ],
    ids=lambda answer: json.dumps(answer)[:50],
)
def test_a_file_is_found_wherever_it_stands(answer: object) -> None:
    assert found(answer) == [JPEG]


def test_a_file_is_found_at_any_depth() -> None:
    answer: object = uri(JPEG)
    for level in range(200):
        answer = [answer] if level % 2 else {"more": answer}
    assert found(answer) == [JPEG]


@pytest.mark.parametrize("links", ["_links", "links"])
def test_a_link_to_a_document_is_no_file(links: str) -> None:
    url = "https://api.example/images"
    embedded = {"images": [{"content": bare(JPEG)}]}
    assert found({links: {"self": {"href": url}, "first": url}, "_embedded": embedded}) == [JPEG]
    assert outcome({links: {"self": url}, "data": []}) == "0 files"
    documents = [{"rel": "self", "href": url}, {"url": url, "rel": "up"}]
    assert outcome({links: documents, "image": bare(JPEG)}) == "1 files"
    assert outcome({links: [{"rel": "image", "href": url}], "rel": "self"}) == "1 files"
    for file in ({links: {"front": {"href": url}}}, {"self": url}, {"first": url}):
        assert outcome(file) == "1 files"


@pytest.mark.parametrize("key", ["callbackUrl", "redirect_uri", "RETURN-URL", "webhookUrl"])
@pytest.mark.parametrize("url", ["/v1/callback", "https://app.example/done", None])
def test_a_callback_url_is_no_file(key: str, url: str | None) -> None:
    assert outcome({"images": [bare(JPEG)], key: url}) == "1 files"
    assert outcome({"images": [], key: url}) == "0 files"
    assert outcome({"score": 1, key: url}) == "no_file"


@pytest.mark.parametrize(
    "more",
    [
        {"next": "/images?page=2"}, {"_links": {"next": {"href": "https://api.example/images?page=2"}}},
        {"links": [{"rel": "next", "href": "page=2"}]}, {"meta": {"nextPageToken": "x"}}, {"@odata.nextLink": "x"},
        {"next_page": 2}, {"next": "\ud800"}, {"links": [{"Rel": "NEXT", "href": "page=2"}]}, {"has_more": True},
        {"pagination": {"page": 1, "total_pages": 2}}, {"current_page": 1, "last_page": 2},
        {"number": 0, "last": False}, {"IsTruncated": True}, {"LastEvaluatedKey": {"ticket": {"S": "x"}}},
        {"hydra:view": {"hydra:next": "/images?page=2"}}, {"total": 2}, {"count": "2"},
        {"@odata.context": "https://a/$metadata", "@odata.count": 2}, {"meta": {"page": 1, "totalCount": 2}},
        {"numberOfImages": 2}, {"imagesCount": 2}, {"truncated": True},
        {"meta": {"page": "1", "pages": "2"}}, {"hasMore": "true"}, {"totalPages": "2"},
    ],
)  # fmt: skip
def test_one_of_several_pages_is_incomplete(more: dict[str, object]) -> None:
    for images in ([bare(JPEG)], []):
        *files, rest = parsed({"images": images, **more})
        assert [file.data for file in files if isinstance(file, InlineFile)] == ([JPEG] if images else [])
        assert isinstance(rest, InlineFile)
        assert rest.format is None


def test_files_beside_an_error_are_incomplete() -> None:
    answer = {"images": [bare(JPEG)]}
    errors = (
        {"Status": "PROCESSING"},
        {"errors": [{"message": "back: timeout"}]},
        {"success": False},
        {"ready": "false"},
    )
    for error in errors:
        assert outcome({**answer, **error}) == "2 files"
    part = {"front": {"image": bare(JPEG), "status": "READY"}, "back": {"image": None, "status": "PENDING"}}
    assert outcome(part, wanted=DOCUMENT) == "2 files"
    assert outcome(b'{"code": "SUCCESS", "data": {"status": "PROCESSING", "images": []}}') == "no_file"
    success = {"errorCode": "000", "errorMessage": "OK"}
    for word in ({"quality": {"status": "FAIL"}}, {"code": "IMGRTRVD"}, success, {"status": "FAILED"}):
        assert outcome({**answer, **word}) == "1 files"


@pytest.mark.parametrize(
    ("answer", "files"),
    [
        ({"front": uri(JPEG), "back": "back.jpg"}, 1),
        ({"front": uri(JPEG), "back": [255] * 201}, 1),
        ({"document": {"front": {"url": "https://a/1"}, "back": {"src": "s3://b/k"}}}, 1),
        ({"images": [uri(JPEG), "s3://bucket/key"]}, 1),
        ({"pages": [{"image": uri(JPEG)}, {"image": "files/2.jpg"}]}, 1),
        ({"selfie": uri(JPEG), "documentPortrait": uri(PNG), "document": "d.jpg"}, 0),
        ({"images": [{"side": "FRONT", "data": uri(JPEG)}, {"side": "BACK", "data": None, "error": "timeout"}]}, 1),
        ({"front": {"image": uri(JPEG)}, "back": {"image": "", "errors": [{"code": "S3"}]}}, 1),
        ({"images": [{"data": uri(JPEG)}, {"data": None, "error": {"code": "S3"}}]}, 1),
        ({"front": uri(JPEG), "back": {"fileId": "5f0c2b1e"}}, 1),
        ({"front": uri(JPEG), "back": {"status": "UPLOADING"}}, 1),
        ({"front": uri(JPEG), "back": "PENDING"}, 1),
        ({"data": [{"id": 1, "content": uri(JPEG)}, {"id": 2, "bucket": "b", "key": "k"}]}, 1),
        ({"items": [{"file": {"data": uri(JPEG)}}, {"file": {"ready": "soon"}}]}, 1),
        ({"image1": {"base64": uri(JPEG)}, "image2": {"sha256": "00ff"}}, 1),
        ({"photo1": uri(JPEG), "photo2": "in progress"}, 1),
        ({"selfie": uri(JPEG), "signature": None, "document": {"fileId": "5f0c2b1e"}}, 0),
        ({"items": [{"content": uri(JPEG)}, {"content": None, "State": "Uploading"}]}, 1),
        ({"data": {"images": [uri(JPEG)], "errors": ["back: timeout"]}}, 1),
        ({"front": {"fileId": "5f0c", "url": uri(JPEG)}, "back": {"fileId": "2b1e", "url": None}}, 1),
        ({"images": [{"imageKey": "a/1", "data": uri(JPEG)}, {"imageKey": "a/2", "data": ""}]}, 1),
    ],
)
def test_value_in_place_of_another_file_is_kept_beside_the_files(answer: object, files: int) -> None:
    *found, lost = parsed(answer, DOCUMENT)
    assert len(found) == files
    assert isinstance(lost, InlineFile)
    assert lost.format is None


@pytest.mark.parametrize(
    "more",
    [
        *({"imageType": "image/jpeg"}, {"imageName": "front.jpg"}, {"frontImageUrl": "a/b.jpg"}, {"selfie": "s.jpg"}),
        *({"signature": {"image": None, "error": "none"}}, {"quality": {"errors": ["GLARE"]}}),
        *({"back": {"id": "2", "image": None}}, {"extra": {"fileId": "2b1e", "data": uri(JPEG), "thumbnail": None}}),
        *({"back": {"image": None, "error": None}}, {"back": {"image": None, "error": False}}),
        {"back": {"side": "BACK", "type": "ID_CARD", "id": "BACK", "size": 0}},
        *({"back": {"fileId": "n/a", "url": None}}, {"back": {"available": False, "position": 2}}),
        *({"status": "WARNING"}, {"scores": [{"status": "PASSED"}, {"glare": 1}]}),
    ],
)
def test_metadata_beside_a_file_is_no_other_file(more: dict[str, object]) -> None:
    for answer in ({"front": uri(JPEG), **more}, {"document": {"front": uri(JPEG)}, **more}):
        assert found(answer, DOCUMENT) == [JPEG]


@pytest.mark.parametrize(
    "last",
    [
        {"next": None}, {"next": ""}, {"nextPage": False}, {"has_more": False}, {"total_pages": 1}, {"last": True},
        {"last_page": 1}, {"LastEvaluatedKey": None}, {"next_step": "SIGN"}, {"next": "null"},
        {"total": 1, "count": "1", "meta": {"total_items": 1}},
        {"total": 98.5, "attempts": {"total": 3}, "account": 5, "remaining_count": 2, "page_size": 50},
        {"total": True, "pages": 3, "has_more": "false", "last_page": "1", "success": "true", "error": "false"},
        {"total": 2, "selfie": None}, {"$schema": "https://a/schema.json"},
    ],
)  # fmt: skip
def test_the_only_page_is_complete(last: dict[str, object]) -> None:
    assert outcome({"images": [bare(JPEG)], **last}) == "1 files"


def test_pieces_that_make_no_whole_file_are_not_joined() -> None:
    for rest in (bare(bytes(300)), "FRONTSIDE"):
        for first in (JPEG[:-2], JPEG, JPEG + bytes(-len(JPEG) % 3)):
            assert found({"images": [bare(first), rest]})[0] == first
    text = bare(JPEG)
    assert found({"images": [text[:40], text[40:48], text[48:52], text[52:]]})[0] == JPEG[:30]


def test_form_decoded_base64_may_be_in_white_space() -> None:
    assert found({"images": [f" {bare(PNG).replace('+', ' ')}\n"]}) == [PNG]


def test_a_cut_off_file_in_lines_with_spaces_between_keeps_its_bytes() -> None:
    data = b"\xff\xd8\xff" + b"x" * 237
    assert found({"images": [encodebytes(data).decode().strip().replace("\n", " ")]}) == [data]


def test_an_error_in_json_within_json_counts_as_at_the_root() -> None:
    inner = json.dumps({"success": False, "error": "timeout", "data": None})
    assert outcome({"statusCode": 200, "body": inner}) == "no_file"
    assert outcome({"statusCode": 200, "body": '{"data": null}'}) == "0 files"
    partial = json.dumps({"success": False, "images": [bare(JPEG)]})
    assert outcome({"statusCode": 200, "body": partial}) == "2 files"


def test_json_within_json_counts_towards_the_limit_of_parts() -> None:
    many = "[" + "0\\u002c" * (MAX_PARTS // 2) + "0]"
    assert outcome(f'{{"a": "{many}", "b": "{many}", "c": "[]"}}'.encode()) == "too_complex"


def test_json_within_json_of_too_many_levels_is_no_file() -> None:
    assert outcome({"image": "[" * 50_000 + "]" * 50_000}) == "no_file"


def test_a_file_under_a_key_for_the_next_page_is_a_file() -> None:
    assert found({"next": {"image": bare(JPEG)}}) == [JPEG]


def test_files_are_in_the_vendors_order() -> None:
    files = [drawn("JPEG", seed) for seed in range(10)]
    assert found({"z": uri(files[0]), "a": [bare(each) for each in files[1:9]], "m": {"x": uri(files[9])}}) == files


def test_line_ends_in_base64_need_no_escape() -> None:
    assert outcome(b'{"image": "%s"}' % encodebytes(JPEG)) == "1 files"


def test_a_repeated_key_hides_no_file() -> None:
    body = f'{{"image": "{uri(JPEG)}", "image": "{uri(PNG)}"}}'.encode()
    assert outcome(body) == "2 files"


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (
            "SELF_PORTRAITS selfPortraits SelfPortrait self-portraits selfie selfies selfieImage video_selfie",
            Label(SELFIES),
        ),
        ("DOCUMENT document documents documentImages document_photo_1 documentImageUrl", Label(DOCUMENT)),
        ("DOCUMENT_PORTRAIT documentPortrait document-portraits documentPortraitImage", Label(PORTRAIT)),
        ("signature signatures DOCUMENT_SIGNATURE signatureImage", Label(ImageType.DOCUMENT_SIGNATURE)),
        ("ghostPortrait DOCUMENT_GHOST_PORTRAIT ghost_image documentGhost", Label(ImageType.DOCUMENT_GHOST_PORTRAIT)),
        (
            "documentFront document_front DOCUMENT-FRONT frontDocument documentFrontImage idFront",
            Label(DOCUMENT, Side.FRONT),
        ),
        ("documentBack documentback passportBack idCardBackImage documentReverse", Label(DOCUMENT, Side.BACK)),
        ("front frontSide FRONT_IMAGE anverso frontal front1 front.jpg", Label(None, Side.FRONT)),
        ("back backSide reverse reverso rear backPhotoBase64", Label(None, Side.BACK)),
        ("images ID_CARD portrait name documentType qr 0 id", Label()),
    ],
)
def test_names_are_read_in_any_spelling(names: str, label: Label) -> None:
    assert {name: label_of(name) for name in names.split()} == dict.fromkeys(names.split(), label)


EVERYTHING = {"documentBack": uri(PNG), "documentFront": uri(JPEG), "documentPortrait": uri(WEBP), "selfie": uri(MP4)}

WITHIN_DOCUMENT = {
    "document": {"back": uri(PNG), "images": {"front": uri(JPEG)}, "portrait": uri(WEBP), "ghostPortrait": [uri(MP4)]}
}


@pytest.mark.parametrize(
    ("answer", "wanted", "files"),
    [
        (EVERYTHING, DOCUMENT, [JPEG, PNG]),
        (EVERYTHING, PORTRAIT, [WEBP]),
        (EVERYTHING, SELFIES, [MP4]),
        (EVERYTHING, ImageType.DOCUMENT_SIGNATURE, []),
        ({"reverso": uri(PNG), "anverso": uri(JPEG)}, DOCUMENT, [JPEG, PNG]),
        ({"images": [{"side": "BACK", "data": uri(PNG)}, {"side": "FRONT", "data": uri(JPEG)}]}, DOCUMENT, [JPEG, PNG]),
        ({"document": {"back": uri(PNG), "front": uri(JPEG), "documentPortrait": uri(WEBP)}}, DOCUMENT, [JPEG, PNG]),
        (WITHIN_DOCUMENT, DOCUMENT, [JPEG, PNG]),
        (WITHIN_DOCUMENT, PORTRAIT, [WEBP]),
        (WITHIN_DOCUMENT, ImageType.DOCUMENT_GHOST_PORTRAIT, [MP4]),
        ({"type": "DOCUMENT", "name": "portrait", "image": uri(WEBP)}, PORTRAIT, [WEBP]),
        ({"document": {"portrait": uri(WEBP)}}, PORTRAIT, [WEBP]),
        ([{"image": uri(JPEG)}, {"image": uri(PNG), "name": "document_back"}, uri(PDF)], DOCUMENT, [JPEG, PDF, PNG]),
        ({"selfie": uri(JPEG), "back": uri(PNG), "front": uri(WEBP)}, SELFIES, [JPEG]),
        ({"selfie": uri(JPEG), "back": uri(PNG), "front": uri(WEBP)}, DOCUMENT, [WEBP, PNG]),
        ({"back": uri(PNG), "front": uri(WEBP)}, SELFIES, [PNG, WEBP]),
        ({"selfPortraits": {"left": uri(PNG), "front": uri(WEBP)}, "document": uri(JPEG)}, SELFIES, [PNG, WEBP]),
        ({"DOCUMENT": [uri(PNG)], "images": [uri(JPEG)]}, SELFIES, [JPEG]),
        ({"selfie": uri(PNG), "liveness": uri(JPEG)}, SELFIES, [PNG, JPEG]),
        ({"DOCUMENT": [uri(PNG)], "DOCUMENT_PORTRAIT": [uri(WEBP)]}, SELFIES, []),
        (
            [{"type": "DOCUMENT", "image": uri(PNG)}, {"image": uri(JPEG), "image_type": "self_portraits"}],
            SELFIES,
            [JPEG],
        ),
        ({"DOCUMENT": "data:image/jpeg;base64,!", "SELF_PORTRAITS": uri(JPEG)}, SELFIES, [JPEG]),
        ([{"key": "BACK", "value": uri(PNG)}, {"key": "FRONT", "value": uri(JPEG)}], DOCUMENT, [JPEG, PNG]),
        ([{"page": 2, "file": uri(PNG)}, {"page": 1, "file": uri(JPEG)}], DOCUMENT, [JPEG, PNG]),
        ([{"side": "2", "file": uri(PNG)}, {"side": "1", "file": {"data": uri(JPEG)}}], DOCUMENT, [JPEG, PNG]),
        (
            [{"side": "back", "order": 0, "file": uri(PNG)}, {"side": "front", "order": 1, "file": uri(JPEG)}],
            DOCUMENT,
            [JPEG, PNG],
        ),
        ([{"page": n, "file": uri(file)} for n, file in ((2, PNG), (1, JPEG), (1, PDF))], DOCUMENT, [PNG, JPEG, PDF]),
        ({"page": 1, "images": [uri(PNG), uri(JPEG)]}, DOCUMENT, [PNG, JPEG]),
        ([{"captureType": "SELFIE", "data": uri(PNG)}, {"captureType": "DOCUMENT", "data": uri(JPEG)}], SELFIES, [PNG]),
        ([{"id": "DOCUMENT", "data": uri(PNG)}, {"id": "SELF_PORTRAITS", "data": uri(JPEG)}], SELFIES, [JPEG]),
    ],
)
def test_labels_select_the_type_and_order_the_sides(answer: object, wanted: ImageType, files: list[bytes]) -> None:
    assert found(answer, wanted) == files


@pytest.mark.parametrize("answer", [{"documents": [uri(JPEG)]}, {"DOCUMENT": {"front": uri(JPEG), "back": uri(PNG)}}])
def test_files_of_another_type_alone_are_unrecognized(answer: dict[str, object]) -> None:
    """The label may be wrong, or the vendor may return everything for each type. What else it names tells."""
    assert outcome(answer, wanted=SELFIES) == "other_type"
    assert found(answer | {"selfies": []}, SELFIES) == []
    assert found(answer | {"signature": None}, SELFIES) == []
    assert found(answer | {"image": uri(WEBP)}, SELFIES) == [WEBP]


@pytest.mark.parametrize(
    "body",
    [
        b"", b" \r\n", b"{}", b"[]", b"null", b'""', b"[null, {}, []]", b'{"images": []}', b'{"images": [""]}',
        b'{"anything": []}', b'{"a": {"front": null, "back": ""}, "b": [[], {}]}', b'{"SELF_PORTRAITS": []}',
        b'{"status": 200, "data": null}', b'{"status": 200, "photos": []}', b'{"status": 200, "selfie": "  "}',
        b'{"success": true, "code": "SUCCESS", "error": null, "errors": [], "data": null}',
        b'{"code": "0", "items": []}', b'{"status": "FAILED", "country": {"code": "PA"}, "images": []}',
        b'[{"type": "SELF_PORTRAITS", "url": null}, {"name": "a", "base64": ""}, {"src": null, "size": 0}]',
        b'{"status": 200, "image": "data:image/jpeg;base64,"}', b'{"ticket": "762ebb", "name": "front", "images": []}',
        b'{"images": [], "version": "v1.2/a"}', b'{"images": [], "selfie": "blurred"}',
        b'{"images": ["' + b" " * 300 + b'"]}',
    ],
)  # fmt: skip
def test_a_response_of_empty_values_has_no_files(body: bytes) -> None:
    for content_type in (JSON, "image/jpeg", ""):
        assert parse_files(body, content_type, SELFIES) == []


UNREAD: list[dict[str, object]] = [
    {"blob": LONG}, {"front": "front.jpg"}, {"image": "/files/1.jpg"}, {"back": "s3://bucket/1"},
    {"url": "https://cdn.example/Peña.jpg"}, {"front": {"type": "Buffer", "data": [*JPEG]}},
]  # fmt: skip

ERRORS = (
    b'"success": false', b'"error": "timeout"', b'"errors": [{"message": "timeout"}]', b'"status": "error"',
    b'"status": "PROCESSING"', b'"code": "INTRNL"', b'"errorMessage": "timeout"',
)  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code"),
    [
        *((body, "html") for body in (HTML, b"\n <HTML>")),
        *((body, "xml") for body in (SVG, b'<?xml version="1.0"?><Error/>')),
        *((body, "not_json") for body in (b"Service Unavailable", b"{oops}", b'{"a": 1,}', b'{"a": 1} {"b": 2}')),
        *((body, "not_json") for body in (b"{\x00}", bytes(1000), '{"images": []}'.encode("utf-16"))),
        (b"[" * 50_000 + b"]" * 50_000, "too_deep"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "too_deep"),
        (b"[" * 200_000 + b"]" * 200_000, "too_complex"),
        (b"[" + b"1," * MAX_PARTS + b"1]", "too_complex"),
        (b"[" + b"1," * (MAX_PARTS - 1) + b"1]", "no_file"),
        *((body, "no_file") for body in (b"true", b'"ok"', b'{"images": ["\\ud800"]}', b'{"images": ["\xff\xfe"]}')),
        (b'{"status": 500, "code": "INTRNL", "message": "Internal error"}', "no_file"),
        *((b'{"data": null, "images": [], ' + error + b"}", "no_file") for error in ERRORS),
        (b'{"images": [{"url": null}, {"status": "QUEUED"}]}', "no_file"),
        (b'{"fileId": "5f0c2b1e", "url": null}', "no_file"),
        (b'{"images": [], "meta": {"id": "5f0c2b1e"}}', "0 files"),
        (b'{"images": [Infinity], "score": NaN}', "no_file"),
        (b'{"n": ' + b"9" * 5_000 + b"}", "no_file"),
        (b'{"images": ["front.jpg", "ftp://host/a"]}', "no_file"),
        (b'{"images": [255, 216, 255]}', "no_file"),
        *((json.dumps({"images": [], **unread}).encode(), "no_file") for unread in UNREAD),
        *((json.dumps({"selfie": None, "document": unread}).encode(), "0 files") for unread in UNREAD),
        *((json.dumps({"document": None, "selfie": unread}).encode(), "no_file") for unread in UNREAD),
        (json.dumps({"template": bare(bytes(300))}).encode(), "no_file"),
        (json.dumps([f"https://a/{each}" for each in range(MAX_FILES)]).encode(), f"{MAX_FILES} files"),
        (json.dumps([f"https://a/{each}" for each in range(MAX_FILES + 1)]).encode(), "too_many"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_an_unrecognized_response_is_kept_with_a_code(body: bytes, code: str) -> None:
    assert outcome(body) == code


@pytest.mark.parametrize("text", [uri, bare, lambda _: "https://cdn.example/1"])
@pytest.mark.parametrize("content_type", ["image/jpeg", "text/plain"])
def test_a_body_that_is_a_files_text_is_taken(text: Callable[[bytes], str], content_type: str) -> None:
    assert outcome(text(JPEG).encode(), content_type) == "1 files"
    assert outcome(b"\xef\xbb\xbf" + json.dumps([text(JPEG)]).encode(), content_type) == "1 files"
    if content_type == "image/jpeg":
        assert outcome(bytes(100), content_type) == "unknown_format"


@pytest.mark.parametrize(
    "text",
    [
        "Calle Mayor 12\u00a0 28013 Madrid Spain Europe abc",  # white space that is no part of base64
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo\x0b\x1c",
        "QUJD=REVGR0hJSktMTU5PUFFSU1RVVldYWVo0",
        "https://a.example/\ud800",
        "data:image/svg+xml,<svg>\ud83d</svg>",
    ],
)
@pytest.mark.parametrize("key", ["image", "address"])
def test_text_that_is_almost_a_file_has_a_typed_outcome(text: str, key: str) -> None:
    body = json.dumps({"images": None, key: text}).encode()
    files: list[InlineFile | LinkedFile] = []
    with suppress(UnrecognizedResponse):
        files = parse_files(body, JSON, ImageType.DOCUMENT)
    assert [file for file in files if isinstance(file, LinkedFile) or file.format] == []


def test_truncated_json_is_retried() -> None:
    answer = {"data": {"ok": True, "n": -1.5e3, "images": [uri(JPEG[:40]), 'é\\"', None, {"a": []}]}, "z": "end"}
    body = json.dumps(answer).encode()
    assert {outcome(body[:length]) for length in range(1, len(body))} == {"later: truncated"}
    assert outcome(b'{"images": [\r\n  ') == "later: truncated"
    assert outcome(b'{"images": undefined') == "not_json"


# ─── Any input ──────────────────────────────────────────────────────────────────────────────────────────────────────

TYPES = st.sampled_from([*ImageType])
SCRAPS = st.sampled_from(
    [
        *(uri(JPEG), bare(PNG), uri(WEBP)[:90], "https://a/1", "data:", "data:image/png,", "/9j/", LONG, "front"),
        *(SVG.decode(), "/1.jpg", "//["),
    ]
)
KEYS = st.sampled_from(
    ["images", "url", "links", "rel", "type", "DOCUMENT", "self_portraits", "front", "documentBack", "x"]
)
ANSWERS = json_values(SCRAPS, st.sampled_from([*ImageType]), keys=KEYS | st.text())


@given(answer=ANSWERS, wanted=TYPES, cut=st.integers(0, 40))
def test_any_json_has_a_typed_outcome(answer: object, wanted: ImageType, cut: int) -> None:
    body = json.dumps(answer).encode()
    assert outcome(body[: len(body) - cut], JSON, wanted) != "another body"


# ─── Cost and silence ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["data URI", "base64", "base64 in lines", "base64, URL-safe"])
@pytest.mark.parametrize("number", [1, 4])
def test_memory_stays_within_about_three_times_the_body(form: str, number: int) -> None:
    files = [JPEG + random.Random(seed).randbytes(1_000_000 // number) for seed in range(number)]
    body = json.dumps(
        {"name": "Пример 😀", "images": [TEXTS[form](each) for each in files]}, ensure_ascii=False
    ).encode()
    del files
    assert _peak(body) / len(body) < 3.2


def test_small_parts_need_little_memory() -> None:
    """A tenth of the limit of parts; `_peak` counts the body itself."""
    assert _peak(b"[" + b'{"a":1},' * (MAX_PARTS // 20 - 1) + b"{}]") < 2_500_000


def test_texts_that_look_like_addresses_take_little_time() -> None:
    began = time.thread_time()
    assert outcome({f"image{number}": "/" * 199 + "é" for number in range(10_000)}) == "no_file"
    assert time.thread_time() - began < 4


def test_a_long_text_is_no_file_name_and_is_not_searched_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.files.parsing._FILE_NAME", None)
    assert outcome({"image": "!" * 201}) == "no_file"


def _peak(body: bytes) -> int:
    with peak_of_memory() as peak:
        outcome(body)
    return peak.bytes + len(body)


def test_no_repr_and_no_error_shows_content() -> None:
    assert repr(inline_file(JPEG)) == f"InlineFile(format={JPEG_FORMAT!r}, complete=True)"
    assert repr(LinkedFile("https://cdn.example/?signature=x")) == "LinkedFile()"
    for body in (b"Jon Doe", b'{"name": "Jon Doe"}', b'{"name": "Jon Doe'):
        with pytest.raises(ArchiveError) as caught:
            parse_files(body, JSON, SELFIES)
        assert "Jon" not in str(caught.value) + repr(caught.value) + repr(caught.value.args)
