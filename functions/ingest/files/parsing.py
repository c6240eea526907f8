"""Find the files in a response of the vendor's images endpoint.

The vendor documents the response of `GET …/transactions/{ticket}/images` as "Successful response, application/json" and
no further (docs.preventor.com, server/api-reference/idv-tickets); its SDK shows data URIs. So a file may be a data URI,
base64 or a URL at any depth of a JSON text, one or many, or the whole body, as bytes or as text.

The request names the type, so a file belongs to it unless the response says otherwise: by a key (`SELF_PORTRAITS`,
`selfie`, `documentFront`) or by a field next to the file (`"type": "DOCUMENT"`). See `labels`.
"""

import json
import re
from binascii import a2b_base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from ingest.files import labels
from ingest.files.formats import FileFormat, identify, looks_complete
from ingest.files.labels import UNLABELLED, Label, Side
from ticket_archive.errors import UnrecognizedResponse, VendorUnavailable
from ticket_archive.json_text import MAX_PARTS, count_parts, ends_early, without_bom
from ticket_archive.models import ImageType

MAX_FILES = 50
"""Per type: a document has two sides, and a flow takes a few selfies."""

_HEAD = 4096  # characters that show what a text is
_LONG = 200  # characters; names, ids, dates and addresses are shorter
_LEAST = 32  # characters of base64; no file is smaller
_URL = re.compile(r"\s*https?://[!-~]+\s*", re.IGNORECASE | re.ASCII)
_PATH = re.compile(r"\s*/[!-~]{1,4095}\s*", re.ASCII)
_ADDRESS = re.compile(r"\s*[^\s./]*[./][^\sa-z]*[a-z]\S*\s*", re.IGNORECASE)  # or a file's name
_DATA_URI = re.compile(r"\s*data:[\w.+/-]*((?:;[^,;]{0,64})*),\s*", re.IGNORECASE)
_BASE64 = re.compile(rf"[A-Za-z0-9+/_\-\s]{{{_LEAST},}}={{0,2}}\s*", re.ASCII)
_PIECE = re.compile(r"[A-Za-z0-9+/_\-]+={0,2}\s*", re.ASCII)
_MARKUP = re.compile(r"\s*<[?!a-z]", re.IGNORECASE)
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_STANDARD = bytes.maketrans(b"-_", b"+/")
_WHITE_SPACE = b" \t\r\n\f\v"
_LINE_ENDS = b"\t\r\n\f\v"
_NO_FORM = re.compile(rb"[+_-]")
_NOTHING = frozenset({"", "null", "none", "undefined", "n/a"})


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file's bytes. Without a `format` it is never served; without `complete` it looks cut off."""

    data: bytes = field(repr=False)
    format: FileFormat | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """A file at an http or https URL, or at a path on the vendor's host. It is not checked yet."""

    url: str = field(repr=False)


def inline_file(data: bytes) -> InlineFile:
    """Return the file that these bytes are."""
    found = identify(data)
    return InlineFile(data, found, looks_complete(data, found) if found else True)


def parse_files(body: bytes, content_type: str, wanted: ImageType) -> list[InlineFile | LinkedFile]:
    """Return the files of the wanted type without duplicates, in the vendor's order, a document's front side first.

    The list is empty when the response holds only empty places: `null`, `""`, `[]`, `{}`. A file that cannot be served
    (SVG, HTML, unknown bytes) has the format None, and so has what says that there are more pages. `content_type`
    decides nothing but the code of what is not recognized.

    Raises VendorUnavailable("truncated") with the body for JSON that ends early: it is fetched again, and if it stays
    so, it is the answer. Raises UnrecognizedResponse with the body for `html`, `xml`, `unknown_format` (bytes sent as
    an image or a video), `not_json` (any other text or bytes), `no_file` (JSON with content but no file), `other_type`
    (JSON with files of one other type alone), `too_complex` (see `json_text`), `too_deep` (for Python's JSON parser),
    and `too_many` (over MAX_FILES).
    """
    try:
        return _distinct(_files(body, wanted))
    except UnrecognizedResponse as error:
        code = error.detail
    if code == "not_json" and content_type.lower().startswith(("image/", "video/")):
        code = "unknown_format"
    raise UnrecognizedResponse(code, body)  # here, because the traceback of `error` holds the parsed JSON


def _distinct(files: Iterable[InlineFile | LinkedFile]) -> list[InlineFile | LinkedFile]:
    found: list[InlineFile | LinkedFile] = []
    for each in files:
        if each not in found:  # there are few, and comparing is cheaper than hashing
            found.append(each)
    return found


def _files(body: bytes, wanted: ImageType) -> Iterator[InlineFile | LinkedFile]:
    if not body or body.isspace():
        return
    head = body[:_HEAD]
    if identify(body):
        yield inline_file(body)
        return
    if is_file(head.decode("latin-1"), key=""):
        yield _read(body.decode("latin-1"))
        return
    if _MARKUP.match(head.decode("latin-1")):
        raise UnrecognizedResponse("html" if _HTML.search(head) else "xml", b"")
    survey = _Survey(_parse(body))
    texts = _select(survey, wanted)
    if len(texts) > MAX_FILES:
        raise UnrecognizedResponse("too_many", b"")
    more = survey.more or survey.lost(wanted, is_found=bool(texts))
    del survey  # it holds the texts, each of which is freed once it is decoded
    texts.reverse()
    while texts:
        yield _read(texts.pop())
    if more:
        yield InlineFile(more.encode("utf-8", "surrogatepass"), None)


def _parse(body: bytes) -> Any:
    """Return the JSON value with objects as tuples of pairs, so that no repeated key is lost. Numbers are not exact.

    It is read as Latin-1, with one byte per character: decoded as UTF-8, one emoji in a name would make the text four
    times as large.
    """
    if count_parts(body) > MAX_PARTS:
        raise UnrecognizedResponse("too_complex", b"")
    text = without_bom(body).decode("latin-1")
    try:
        return _loads(text)
    except RecursionError:
        raise UnrecognizedResponse("too_deep", b"") from None
    except json.JSONDecodeError as error:
        if ends_early(text, error):
            raise VendorUnavailable("truncated", body) from None
        raise UnrecognizedResponse("not_json", b"") from None


def _loads(text: str) -> Any:
    # `len` is quick and never fails, while `int` refuses 5,000 digits. A number of pages has fewer than nine.
    return json.loads(
        text,
        object_pairs_hook=tuple,
        parse_int=lambda digits: int(digits[:9]),
        parse_float=len,
        parse_constant=len,
        strict=False,  # base64 in lines whose ends are not escaped
    )


class _Survey:
    """The texts of a JSON value that are files, each with its label, and what else the value holds.

    `more` is the member that says that this is not the whole answer. `unread` has what may be a file in another form,
    with its label and its key.
    """

    def __init__(self, tree: Any) -> None:
        self.files: list[tuple[Label, str]] = []
        self.types: set[ImageType | None] = set()  # of files and of empty places
        self.keys: set[str] = set()  # of files
        self.unread: list[tuple[Label, str, Any]] = []
        self.has_empty_place = self.has_content = self.has_error = False
        self.more = ""
        parts = 0
        stack: list[tuple[Label, str, Any, bool]] = [(UNLABELLED, "", tree, True)]
        while stack:
            label, key, node, is_root = stack.pop()
            if _is_empty(node):
                self.types.add(label.type)
                self.has_empty_place |= labels.may_hold_files(key)
            elif isinstance(node, list):
                if len(node) > _LONG:  # bytes, one by one
                    self.unread.append((label, key, node))
                stack.extend((label, key, each, False) for each in reversed(_joined(node)))
            elif isinstance(node, tuple):
                if any(name == "rel" and labels.leads_to_no_file(key, str(value)) for name, value in node):
                    continue
                paths = {name for name, value in node if isinstance(value, str) and _is_path(value, name)}
                if paths and any(isinstance(value, str) and is_file(value, key="") for _, value in node):
                    node = tuple(member for member in node if member[0] not in paths)  # where the same file is
                members = []
                for name, value in node:
                    if isinstance(value, str) and labels.describes_file(name):
                        label = labels.label_at(value, label)
                    says_something = not _is_empty(value)
                    if says_something and labels.reports_error(name, value, is_root=is_root):
                        self.has_error = True
                        # a code or a message may mean success
                        if labels.plain_name(name) == "status" or not isinstance(value, str):
                            self.more = f"{name}: {value}"
                    if says_something and labels.announces_more(key, name, value):
                        self.more = f"{name}: {value}"
                    elif not labels.leads_to_no_file(key, name):
                        members.append((name, value))
                stack.extend((labels.label_at(name, label), name, each, False) for name, each in reversed(members))
            elif isinstance(node, str) and is_file(node, key):
                self.types.add(label.type)
                self.keys.add(key)
                self.files.append((label, node))
            elif isinstance(node, str) and node[:_LONG].lstrip()[:1] in ("{", "["):
                parts += count_parts(node)  # here, as an escape in the body hides them from the first count
                if parts > MAX_PARTS:
                    raise UnrecognizedResponse("too_complex", b"")
                try:  # as a server that serializes twice
                    stack.append((label, key, _loads(node), True))
                except (ValueError, RecursionError):
                    self._see_content(label, key, node)
            else:
                self._see_content(label, key, node)

    def _see_content(self, label: Label, key: str, node: Any) -> None:
        self.has_content = True
        if isinstance(node, str) and (len(node) > _LONG or (labels.names_image(key) and _ADDRESS.fullmatch(node))):
            self.unread.append((label, key, node))

    def lost(self, wanted: ImageType, *, is_found: bool) -> str:
        """Return what is there instead of a file of the wanted type, or of another one of its files, such as a side."""
        sides = {Side.UNKNOWN, *(label.side for label, _ in self.files)}
        for label, key, node in self.unread:
            is_side = wanted is ImageType.DOCUMENT and label.side not in sides
            is_only = label.type is wanted and not is_found
            if label.type in (wanted, None) and (is_side or is_only or key in self.keys):
                return f"{key}: {node}"
        return ""


def _select(survey: _Survey, wanted: ImageType) -> list[str]:
    """Return the texts of the wanted type: those labelled with it, and those that nothing labels.

    A bare side belongs to the document where other types are labelled; where none is, it may be that of a selfie.
    With an error, or with what may be a file in another form, an empty place says nothing: `{"error": "timeout",
    "data": null}`, `{"front": "front.jpg", "back": null}`. Where all files have the same
    label, of another type, the label may be the vendor's word for any file: `{"documents": [selfie]}`.
    """
    has_answer = (
        survey.has_empty_place
        and not survey.has_error
        and not any(label.type in (wanted, None) for label, *_ in survey.unread)
    )
    if not survey.files and survey.has_content and not has_answer:
        raise UnrecognizedResponse("no_file", b"")
    files = [(label, text) for label, text in survey.files if label.type in (wanted, None)]
    if survey.files and not files and len(survey.types - {None}) == 1:
        raise UnrecognizedResponse("other_type", b"")
    if wanted is ImageType.DOCUMENT:
        files.sort(key=lambda file: file[0].side)
    elif any(label.type for label, _ in survey.files):
        files = [(label, text) for label, text in files if label.type or label.side is Side.UNKNOWN]
    return [text for _, text in files]


def _is_empty(node: Any) -> bool:
    """Return whether a value says that there is nothing: a word for it and a data URI without data do, too."""
    if not isinstance(node, str) or len(node) >= _LONG:
        return node in (None, [], ()) or (isinstance(node, str) and node.isspace())
    return node.strip().lower() in _NOTHING or _DATA_URI.fullmatch(node) is not None


def _joined(parts: list[Any]) -> list[Any]:
    """Return a list of one text for a file in pieces of one length, of which only the first begins a file."""
    begins = len(parts) > 1 and all(
        isinstance(part, str) and is_file(part, key="") == (number == 0) for number, part in enumerate(parts)
    )
    if begins and len(set(map(len, parts[1:-1]))) <= 1 and all(map(_PIECE.fullmatch, parts[1:])):
        whole = "".join(parts)
        if not _is_complete(_read(parts[0])) and _is_complete(_read(whole)):
            return [whole]
    return parts


def is_file(text: str, key: str) -> bool:
    """Return whether a text is a file, by its beginning.

    Under a `key` that names files, markup and base64 of unknown bytes are files too; under that of a URL, a path is.
    """
    head = text[:_HEAD]
    if _URL.fullmatch(head) or _DATA_URI.match(head):
        return True
    place = labels.may_hold_files(key) and key != ""
    if digits := _BASE64.match(head):
        plain = digits[0].encode().translate(_STANDARD, delete=_WHITE_SPACE)
        data = b""
        with suppress(ValueError):  # padding within the text
            data = a2b_base64(plain[: len(plain) // 4 * 4])
        if identify(data) or data.startswith(b"data:") or (data and place and digits.end() == len(head) > _LONG):
            return True
    return (place and bool(_MARKUP.match(head))) or _is_path(text, key)


def _is_path(text: str, key: str) -> bool:
    """Return whether a text under the name of a URL is a path. The base64 of a JPEG begins with `/`, too."""
    return bool(_PATH.fullmatch(text)) and labels.holds_address(key) and not is_file(text, key="image")


def _read(text: str) -> InlineFile | LinkedFile:
    if _URL.fullmatch(text) or _is_path(text, key="url"):
        return LinkedFile(text.strip())
    if uri := _DATA_URI.match(text):
        is_base64, start = uri[1].lower().endswith(";base64"), uri.end()
        del uri  # it holds the text, of which there are never more than two copies
        text = text[start:]
        if not is_base64:
            return inline_file(unquote_to_bytes(text.encode("utf-8", "surrogatepass")))
    elif _MARKUP.match(text):
        return InlineFile(text.encode("latin-1", "replace"), None)
    try:
        data = a2b_base64(text, strict_mode=True)  # reads the text in place; `base64` would copy it first
    except ValueError:
        digits = text.encode("latin-1", "replace")
        del text
        if b" " in digits and not _NO_FORM.search(digits):
            return _read_with_spaces(digits)
        digits = digits.translate(_STANDARD, delete=_WHITE_SPACE)
        return _decoded(digits)
    return _inline(data)


def _read_with_spaces(digits: bytes) -> InlineFile | LinkedFile:
    """Read base64 with spaces, each of which was a `+` before a form's decoder, or separates lines.

    The right reading has four digits for three bytes. Where that does not tell: spaces between lines are at equal
    distances, and the file is complete without them.
    """
    plain = digits.translate(None, delete=_WHITE_SPACE)
    text = digits.translate(None, delete=_LINE_ENDS)
    text = (text.strip() if len(text) % 4 else text).replace(b" ", b"+")
    file, restored = _decoded(plain), _decoded(text)
    if (len(text) % 4 == 0) != (len(plain) % 4 == 0):
        return file if len(text) % 4 else restored
    even = len({len(line) for line in text.split(b"+")[:-1] if line}) <= 1
    return file if even and (_is_complete(file) or not _is_complete(restored)) else restored


def _decoded(digits: bytes) -> InlineFile | LinkedFile:
    missing = b"" if digits.endswith(b"=") else b"=" * (-len(digits) % 4)
    try:  # one remaining digit is no byte: the text was truncated
        return _inline(a2b_base64(digits[:-1] if missing == b"===" else digits + missing, strict_mode=True))
    except ValueError:
        return InlineFile(digits, None, complete=False)


def _inline(data: bytes) -> InlineFile | LinkedFile:
    return _read(data.decode("latin-1")) if data.startswith(b"data:") else inline_file(data)


def _is_complete(file: InlineFile | LinkedFile) -> bool:
    return isinstance(file, InlineFile) and file.format is not None and file.complete
