"""Find the files in a response of the vendor's images endpoint.

The vendor documents the response of `GET …/transactions/{ticket}/images` as "Successful response, application/json" and
no further (docs.preventor.com, server/api-reference/idv-tickets); its SDK shows data URIs. So a file may be a data URI,
base64 or a URL at any depth of a JSON text, one or many, or the whole body, as bytes or as text.

The request names the type, so a file belongs to it unless the response says otherwise: by a key (`SELF_PORTRAITS`,
`selfie`, `documentFront`) or by a field next to the file (`"type": "DOCUMENT"`). See `labels`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ingest.files import decoding, labels
from ingest.files.decoding import File, InlineFile
from ingest.files.formats import identify
from ingest.files.labels import UNLABELLED, Label, Side
from ticket_archive.details_facts import RESPONSE_ENVELOPES
from ticket_archive.errors import UnrecognizedResponse, VendorUnavailable
from ticket_archive.json_text import MAX_PARTS, count_parts, ends_early, without_bom
from ticket_archive.models import ImageType

MAX_FILES = 50
"""Per type: a document has two sides, and a flow takes a few selfies."""

_FILE_NAME = re.compile(r"\s*[^\s./]*[./][^\sa-z]*[a-z]\S*\s*", re.IGNORECASE)  # or an address
_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)

_Value = tuple[Label, str, int, Any]
"""A value, with the label around it, its key and its place before it. The elements of a list have one place, and the
members of one name in such elements have one, too.
"""
_Node = tuple[Label, str, int, Any, bool]
"""A value like _Value, and after it whether it is the root of a JSON text, or an envelope there."""


@dataclass(frozen=True, slots=True)
class _End:
    """The end of an object. Before it, so many files were found, with empty values, and with those but empty lists."""

    members: tuple[tuple[str, Any], ...]
    files: int
    found: int
    came: int


def parse_files(body: bytes, content_type: str, wanted: ImageType) -> list[File]:
    """Return the files of the wanted type without duplicates, in the vendor's order, a document's front side first.

    The list is empty if the response has only empty values where files may be: `null`, `""`, `[]`, `{}`. The format is
    None for a file that cannot be served (SVG, HTML, unknown bytes), and for a member that says that there are more
    pages. `content_type` affects only the error's code.

    Raises VendorUnavailable("truncated") with the body for JSON that ends early: it is fetched again, and settles if it
    stays the same. Raises UnrecognizedResponse with the body for `html`, `xml`, `unknown_format` (bytes sent as
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


def _distinct(files: Iterable[File]) -> list[File]:
    found: list[File] = []
    for each in files:
        if each not in found:  # there are few, and comparing is cheaper than hashing
            found.append(each)
    return found


def _files(body: bytes, wanted: ImageType) -> Iterator[File]:
    if not body or body.isspace():
        return
    head = body[: decoding.HEAD_CHARACTERS]
    if identify(body):
        yield decoding.inline_file(body)
        return
    if decoding.is_file(head.decode("latin-1")):
        yield decoding.decode_file(body.decode("latin-1"))
        return
    if decoding.is_markup(head.decode("latin-1")):
        raise UnrecognizedResponse("html" if _HTML.search(head) else "xml", b"")
    contents = _Contents(_parse(body))
    texts = _select(contents, wanted)
    if len(texts) > MAX_FILES:
        raise UnrecognizedResponse("too_many", b"")
    more = contents.unfinished or contents.unread_file(wanted, is_found=bool(texts))
    del contents  # it holds the texts, each of which is freed once it is decoded
    texts.reverse()
    while texts:
        yield decoding.decode_file(texts.pop())
    if more:
        yield InlineFile(more.encode("utf-8", "surrogatepass"), None)


def _parse(body: bytes) -> Any:
    """Return the JSON value with objects as tuples of pairs, so that no repeated key is lost. Numbers are not exact.

    The text is decoded as Latin-1, with one byte per character: as UTF-8, one emoji would make it four times as large.
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
    # `int` refuses 5,000 digits, and `float` is slow with them. A number of pages has fewer than nine.
    return json.loads(
        text,
        object_pairs_hook=tuple,
        parse_int=lambda digits: int(digits[:9]),
        parse_float=lambda _: 0.5,
        parse_constant=lambda _: 0.5,
        strict=False,  # base64 in lines whose ends are not escaped
    )


class _Contents:
    """The texts of a JSON value that are files, each with its label, and what else the value holds.

    `unfinished` is a member that says that this is not the whole answer. `unread` has each value that may be a file in
    another form, or stands for one that is not there yet.
    """

    def __init__(self, tree: Any) -> None:
        self.files: list[tuple[Label, str]] = []
        self.types: set[ImageType | None] = set()  # of files and of empty values
        self.unread: list[_Value] = []
        self.empty_values = self._empty_lists = 0  # where files may be
        self.has_content = self.has_error = False
        self.unfinished = ""
        self._keys: set[str] = set()  # of files
        self._places: dict[tuple[int, str], int] = {}
        self._taken: set[int] = set()  # places of files, of empty values, and of what contains them
        self._others: list[_Value] = []  # unread if they are in such a place
        parts = 0
        stack: list[_Node] = [(UNLABELLED, "", 0, tree, True)]
        while stack:
            label, key, place, node, is_root = stack.pop()
            if isinstance(node, _End):
                self._leave(label, key, place, node, is_root=is_root)
            elif decoding.is_empty(node):
                self.types.add(label.type)
                if labels.may_hold_files(key):
                    self.empty_values += 1
                    self._empty_lists += not isinstance(node, str | None)
                    self._taken.add(place)
            elif isinstance(node, list):
                if len(node) > decoding.LONG_TEXT:  # bytes, one by one
                    self.unread.append((label, key, place, node))
                stack.extend((label, key, place, each, False) for each in reversed(decoding.joined_pieces(node)))
            elif isinstance(node, tuple):
                for name, value in node:
                    label = labels.described(label, name, value)
                stack.append((label, key, place, _End(node, len(self.files), self._found, self._came), is_root))
                stack.extend(reversed(self._members(label, key, place, node, is_root=is_root)))
            elif isinstance(node, str) and decoding.is_file(node, key):
                self.types.add(label.type)
                self._keys.add(_without_digits(key))
                self._taken.add(place)
                self.files.append((label, node))
            elif isinstance(node, str) and node[: decoding.LONG_TEXT].lstrip()[:1] in ("{", "[", '"'):
                parts += count_parts(node)  # here, as an escape in the body hides them from the first count
                if parts > MAX_PARTS:
                    raise UnrecognizedResponse("too_complex", b"")
                try:  # some servers serialize twice
                    stack.append((label, key, place, _loads(node), True))
                except (ValueError, RecursionError):
                    self._add_content(label, key, place, node)
            else:
                self._add_content(label, key, place, node)
        self.unread += [other for other in self._others if self._is_in_place(other)]

    @property
    def _found(self) -> int:
        return len(self.files) + self.empty_values

    @property
    def _came(self) -> int:
        return self._found - self._empty_lists

    def _members(
        self, label: Label, key: str, place: int, node: tuple[tuple[str, Any], ...], *, is_root: bool
    ) -> list[_Node]:
        """Return an object's members that may hold files; record an error, and what says that there is more."""
        if any(name == "rel" and labels.leads_to_no_file(key, str(value)) for name, value in node):
            return []
        paths = {name for name, value in node if isinstance(value, str) and decoding.is_path(value, name)}
        if paths:
            files = [name for name, value in node if isinstance(value, str) and decoding.is_file(value)]
            paths = {path for path in paths if any(labels.may_be_same(path, file) for file in files)}
            node = tuple(each for each in node if each[0] not in paths)  # they lead to the file beside them
        members = []
        for name, value in node:
            is_empty = decoding.is_empty(value)
            if not is_empty and labels.reports_error(name, value, is_root=is_root):
                self.has_error = True
                # a code or a message may mean success
                if labels.is_status(name) or not isinstance(labels.typed(value), str):
                    self.unfinished = f"{name}: {value}"
            if not is_empty and labels.announces_more(key, name, value):
                self.unfinished = f"{name}: {value}"
            elif not labels.leads_to_no_file(key, name):
                members.append((name, value, is_empty))
        empty = [name for name, _, is_empty in members if is_empty and labels.may_hold_files(name)]
        if empty and not is_root:  # beside an error, an empty value is no answer
            errors = [value for name, value, is_empty in members if not is_empty and labels.is_error(name, value)]
            self.unread += [(labels.label_at(name, label), name, place, errors[0]) for name in empty if errors]
        return [
            (
                labels.label_at(name, label),
                name,
                self._places.setdefault((place, _without_digits(name)), len(self._places) + 1),
                value,
                is_root and name in RESPONSE_ENVELOPES,
            )
            for name, value, _ in members
        ]

    def _leave(self, label: Label, key: str, place: int, end: _End, *, is_root: bool) -> None:
        """Note whether an object has files, and as many as it announces, or stands for one that is not there yet."""
        members = [(name, value) for name, value in end.members if value and not decoding.is_empty(value)]
        if self._found > end.found:
            for name, value in members:
                if labels.announces_files(name, value, self._came - end.came):
                    self.unfinished = f"{name}: {value}"
            if len(self.files) == end.files and any(labels.refers_to_file(name) for name, _ in members):
                self.unread.append((label, key, place, end.members))
            elif not any(labels.is_error(name, value) for name, value in members):
                self._taken.add(place)
        elif not is_root and not all(labels.describes(name, value) for name, value in members):
            is_labelled = labels.label_of(key) is not UNLABELLED
            (self.unread if is_labelled else self._others).append((label, key, place, end.members))

    def _add_content(self, label: Label, key: str, place: int, node: Any) -> None:
        self.has_content = True
        is_long = isinstance(node, str) and len(node) > decoding.LONG_TEXT
        if is_long or (isinstance(node, str) and (_FILE_NAME.fullmatch(node) or labels.is_in_progress(node))):
            (self.unread if is_long or labels.names_image(key) else self._others).append((label, key, place, node))

    def _is_in_place(self, value: _Value) -> bool:
        """Return whether a file is in the value's place, or under its key."""
        _, key, place, _ = value
        return place in self._taken or _without_digits(key) in self._keys

    def unread_file(self, wanted: ImageType, *, is_found: bool) -> str:
        """Return the key and value that may be a file of the wanted type, in a form that is not read, or "".

        If files of the type are found, it must be under the key of a file, or be the document's other side.
        """
        sides = {Side.UNKNOWN, *(label.side for label, _ in self.files)}
        for unread in self.unread:
            label, key, _, node = unread
            is_side = wanted is ImageType.DOCUMENT and label.side not in sides
            is_only = label.type is wanted and not is_found
            if label.type in (wanted, None) and (is_side or is_only or self._is_in_place(unread)):
                return f"{key}: {node}"
        return ""


def _without_digits(key: str) -> str:
    """Return what `image1` and `image2` have in common."""
    return key.rstrip("0123456789")


def _select(contents: _Contents, wanted: ImageType) -> list[str]:
    """Return the texts of the wanted type: those with its label, and those without any.

    A document's files are sorted by side, then by number if each has another. A bare side belongs to the document if
    other files have a type; if none has, it may be a selfie's. Beside an error, or a file in a form that is not read,
    an empty value is no answer: `{"error": "timeout", "data": null}`, `{"front": "front.jpg", "back": null}`. If all
    files have one other type, that label may be the vendor's word for any file: `{"documents": [selfie]}`.
    Raises UnrecognizedResponse (`no_file`, `other_type`).
    """
    has_answer = (
        contents.empty_values
        and not contents.has_error
        and not any(label.type in (wanted, None) for label, *_ in contents.unread)
    )
    if not contents.files and contents.has_content and not has_answer:
        raise UnrecognizedResponse("no_file", b"")
    files = [(label, text) for label, text in contents.files if label.type in (wanted, None)]
    if contents.files and not files and len(contents.types - {None}) == 1:
        raise UnrecognizedResponse("other_type", b"")
    if wanted is ImageType.DOCUMENT:
        is_numbered = len({label.number for label, _ in files}) == len(files)
        files.sort(key=lambda file: (file[0].side, file[0].number if is_numbered else 0))
    elif any(label.type for label, _ in contents.files):
        files = [(label, text) for label, text in files if label.type or label.side is Side.UNKNOWN]
    return [text for _, text in files]
