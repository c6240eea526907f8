"""The images in an answer of the vendor's, whatever form it has.

The vendor documents `GET …/transactions/{ticket}/images` as "Successful response, application/json", and no more
(docs.preventor.com, page server/api-reference/idv-tickets); its SDK shows data URIs. Taken are data URIs, base64 and
URLs at any depth of the JSON, one or many; and, in place of JSON, an image's own bytes or text. What is none of this
is never guessed at.

Which type an image has is known from the question. An answer may tell types apart all the same, by its keys
(`SELF_PORTRAITS`, `selfPortraits`, …) or by a field beside the image (`"type": "DOCUMENT"`): then only the wanted one
counts. Of equal images the first is kept.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ingest.files.encoding import LinkedImage, PlainBase64, is_link, looks_like_image, plain_base64, read_image
from ingest.files.old_formats import InlineImage, check_image, format_of
from ticket_archive.errors import UnrecognizedResponse, VendorUnavailable
from ticket_archive.models import ImageType

__all__ = ["InlineImage", "LinkedImage", "check_image", "read_images"]

MAX_IMAGES = 50
"""Of one type: a document has two sides, and a flow asks for a few selfies."""

MAX_PARTS = 100_000
"""Of a JSON text. Beyond it, small parts would need many times the text's size as memory."""

MAX_QUOTES = 4 * MAX_PARTS
"""Of a JSON text: a part may have a name and a text. What is put aside does not count, of either."""

_LONG = 200  # characters; names, ids, dates and addresses are shorter
_VERY_LONG = 4096  # characters from which a text is worth being decoded where it stands
_ASIDE = "\x01"  # begins the text that stands in for it

_TYPES = {kind.value.replace("_", "").lower(): kind for kind in ImageType}
_TYPE_FIELDS = frozenset({"type", "imagetype", "kind", "name", "label", "category"})
_PLACES = frozenset({"", "data", "item", "items", "file", "files", "result", "results", *_TYPES})

_BEGINS_AS_JSON = re.compile(rb"""\s*(?:\{\s*(?:"|\}|$)|\[\s*(?:["\[\]{]|$)|")""")


def read_images(body: bytes, content_type: str, wanted: ImageType) -> list[InlineImage | LinkedImage]:
    """The images of the wanted type, in their order; empty where the answer says that there are none.

    Raises VendorUnavailable("truncated") where JSON, base64 or an image ends early. Raises UnrecognizedResponse with the body:

    - `not_json`: HTML, text, bytes of no known kind
    - `too_deep`, `too_complex`: JSON deeper than the parser goes, or of more than MAX_PARTS parts
    - `no_image`: JSON that holds something, but neither an image nor an empty place for one
    - `ambiguous`: images under the names of other types, and some under no name
    - `too_many`: more than MAX_IMAGES
    - the codes of `image_text.read_image` and `image_bytes.check_image`, where one of the images is not in order
    """
    try:
        return _distinct(_read(body, content_type, wanted))
    except UnrecognizedResponse as refusal:
        code = refusal.detail
    raise UnrecognizedResponse(code, body)


def _distinct(images: Iterable[InlineImage | LinkedImage]) -> list[InlineImage | LinkedImage]:
    """In their order. They are few: to compare them costs nothing, and to hash each of them costs what SHA-256 does."""
    found: list[InlineImage | LinkedImage] = []
    for image in images:
        if image not in found:
            found.append(image)
    return found


def _read(body: bytes, content_type: str, wanted: ImageType) -> Iterator[InlineImage | LinkedImage]:
    if not body or body.isspace():
        return
    if format_of(body) or (_is_binary(content_type) and not _is_json(body) and not _is_image_text(body)):
        yield check_image(body)
        return
    texts = _wanted(_survey(*_parse(body)), wanted)
    if len(texts) > MAX_IMAGES:
        raise UnrecognizedResponse("too_many", b"")
    texts.reverse()
    while texts:
        yield read_image(texts.pop())  # popped, so that each text is freed once it is read


def _is_binary(content_type: str) -> bool:
    return content_type.strip().lower().startswith(("image/", "application/octet-stream"))


def _is_json(body: bytes) -> bool:
    return bool(_BEGINS_AS_JSON.match(body))


def _is_image_text(body: bytes) -> bool:
    """A gateway that is not told that a body is binary passes its base64 on."""
    start = body[:512].decode("latin-1")
    return looks_like_image(start) and not is_link(start)


def _parse(body: bytes) -> tuple[Any, list[PlainBase64]]:
    """JSON with objects as tuples of pairs, so that no repeated key hides an image, and with numbers of no meaning.

    What was put aside comes beside it: texts of an image's size are decoded without ever becoming a text of their own,
    which would take their size of memory twice.
    """
    if _is_image_text(body):
        return body.decode("latin-1"), []
    rest, aside = _put_aside(body)
    if sum(map(rest.count, (b"[", b"{", b","))) > MAX_PARTS or rest.count(b'"') > MAX_QUOTES:
        raise UnrecognizedResponse("too_complex", b"")
    try:
        return _parse_json(rest), aside
    except (UnrecognizedResponse, VendorUnavailable):
        if not aside:
            raise
    return _parse_json(body), []  # which says exactly what is wrong


def _put_aside(body: bytes) -> tuple[bytes, list[PlainBase64]]:
    """The body with its very long base64 replaced by short texts that say which it was.

    What stands between two quotes and is nothing but base64 is a whole string of JSON, wherever the search began:
    between two strings there is at least one character that is none of base64's.
    """
    aside: list[PlainBase64] = []
    if b"\\u0001" in body:  # somebody else's
        return body, aside
    pieces, kept, start = [], 0, body.find(b'"')
    for _ in range(MAX_QUOTES + 1):  # and no further: what is left has too many then
        if start < 0 or (end := body.find(b'"', start + 1)) < 0:
            break
        plain = plain_base64(memoryview(body)[start + 1 : end]) if end - start > _VERY_LONG else None
        if plain is None:
            start = end
            continue
        pieces += [body[kept:start], b'"\\u0001%d"' % len(aside)]
        aside.append(plain)
        kept, start = end + 1, body.find(b'"', end + 1)
    return b"".join([*pieces, body[kept:]]) if aside else body, aside


def _parse_json(body: bytes) -> Any:
    """Read as Latin-1, one byte a character whatever script a name is in: all that matters here is ASCII."""
    try:
        # `len` is a function of the number's digits that is quick and never fails, as `int` does for 5,000 of them.
        return json.loads(
            body.decode("latin-1"), object_pairs_hook=tuple, parse_int=len, parse_float=len, parse_constant=len
        )
    except RecursionError:
        code = "too_deep"
    except json.JSONDecodeError as error:
        code = "truncated" if _ends_early(body, error) else "not_json"
    if code == "truncated":
        raise VendorUnavailable(code)
    raise UnrecognizedResponse(code, b"")


def _ends_early(body: bytes, error: json.JSONDecodeError) -> bool:
    """Whether JSON was well until it ended: in a string, between two parts, or within a literal or an escape."""
    if not _is_json(body) or error.msg.startswith("Extra data"):
        return False
    text = body.rstrip()
    left = len(text) - error.pos
    return error.msg.startswith("Unterminated string") or left <= 0 or (left < 9 and text[-1:] not in b'}]"')


class _Survey:
    """What a JSON text holds: texts that look like images, each with the type that it stands under; and what else."""

    def __init__(self) -> None:
        self.images: list[tuple[ImageType | None, str | PlainBase64]] = []
        self.holds_long_text = False
        self.holds_something = False
        self.has_empty_place = False


def _survey(tree: Any, aside: list[PlainBase64]) -> _Survey:
    survey = _Survey()
    stack: list[tuple[ImageType | None, str, Any]] = [(None, "", tree)]
    while stack:
        kind, key, node = stack.pop()
        if node is None or node in ("", [], ()):
            survey.has_empty_place |= _is_place(key)
        elif isinstance(node, list):
            stack.extend((kind, key, each) for each in reversed(node))
        elif isinstance(node, tuple):
            kind = _declared_type(node) or kind
            stack.extend((_type_named(name) or kind, name, each) for name, each in reversed(node))
        elif isinstance(node, str) and aside and node.startswith(_ASIDE):
            plain = aside[int(node[len(_ASIDE) :])]
            if looks_like_image(plain.head):
                survey.images.append((kind, plain))
            else:
                survey.holds_something = survey.holds_long_text = True
        elif isinstance(node, str) and looks_like_image(node):
            survey.images.append((kind, node))
        else:
            survey.holds_something = True
            survey.holds_long_text |= isinstance(node, str) and len(node) > _LONG
    return survey


def _wanted(survey: _Survey, wanted: ImageType) -> list[str | PlainBase64]:
    if not survey.images:
        if survey.holds_long_text or (survey.holds_something and not survey.has_empty_place):
            raise UnrecognizedResponse("no_image", b"")
        return []
    named = [text for kind, text in survey.images if kind is wanted]
    unnamed = [text for kind, text in survey.images if kind is None]
    if named or not unnamed:
        return named
    if len(unnamed) < len(survey.images):
        raise UnrecognizedResponse("ambiguous", b"")
    return unnamed


def _declared_type(pairs: tuple[tuple[str, Any], ...]) -> ImageType | None:
    for name, value in pairs:
        if isinstance(value, str) and _plain(name) in _TYPE_FIELDS and (kind := _type_named(value)):
            return kind
    return None


def _type_named(name: str) -> ImageType | None:
    return _TYPES.get(_plain(name))


def _is_place(key: str) -> bool:
    """Whether images would stand under this key, so that its being empty says that there are none."""
    plain = _plain(key)
    return plain in _PLACES or "image" in plain or "picture" in plain or "photo" in plain


def _plain(name: str) -> str:
    """`selfPortraits`, `SELF_PORTRAITS` and `self-portraits` are one name."""
    return re.sub(r"[\W_]", "", name[:64]).lower()
