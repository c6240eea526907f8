"""What the names in a response say: a file's image type or side, an error, a further page, a link.

The vendor does not document its names, so case, separators, plurals, numbers and words such as "image" do not matter:
`documentFront`, `DOCUMENT_FRONT` and `document-front-image-1` are one name.
"""

import re
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache

from ticket_archive.details_facts import IN_PROGRESS, SUCCESS_CODES
from ticket_archive.models import ImageType


class Side(IntEnum):
    """The side of a document, in the order in which files are stored."""

    FRONT = 0
    UNKNOWN = 1
    BACK = 2


@dataclass(frozen=True, slots=True)
class Label:
    """What the names around a file say about it."""

    type: ImageType | None = None
    side: Side = Side.UNKNOWN
    number: int = 0

    def within(self, outer: "Label") -> "Label":
        """Return this label with what it leaves open taken from the label around it."""
        side = outer.side if self.side is Side.UNKNOWN else self.side
        return Label(self.type or outer.type, side, outer.number)


UNLABELLED = Label()

_NOISE = re.compile(
    r"\d+|[\W_]+|(?:base64|b64|image|img|photo|picture|file|url|uri|link|data|content|scan|capture|video|side|jpe?g|png|pdf)(?:s(?!elf|ign|ide))?"
)
_TYPES = {
    "selfie": ImageType.SELF_PORTRAITS,
    "document": ImageType.DOCUMENT,
    "signature": ImageType.DOCUMENT_SIGNATURE,
    "ghost": ImageType.DOCUMENT_GHOST_PORTRAIT,
    "ghostportrait": ImageType.DOCUMENT_GHOST_PORTRAIT,
    "documentghost": ImageType.DOCUMENT_GHOST_PORTRAIT,
    **{kind.value.replace("_", "").lower().removesuffix("s"): kind for kind in ImageType},
}
_DOCUMENT = r"(?P<document>(?:(?:identity|identification|id|documento?|doc|card|passport|licen[cs]e|cedula|dni)s?)*)"
_SIDE = r"(?:(?P<front>front|frontal|anverso|frente|obverse|recto)|(?P<back>back|rear|reverse|reverso|dorso|verso))"
_SIDES = (re.compile(_DOCUMENT + _SIDE), re.compile(_SIDE + _DOCUMENT))

_TYPE_FIELDS = frozenset({
    "type", "imagetype", "filetype", "kind", "name", "filename", "label", "category", "side", "imageside",
    "documentside", "key", "id", "capturetype", "phototype", "picturetype", "mediatype", "documentimagetype",
})  # fmt: skip
_NUMBER_FIELDS = frozenset({
    "side", "imageside", "documentside", "page", "pagenumber", "position", "index", "order", "sequence",
})  # fmt: skip
_ERROR_FIELDS = frozenset({"error", "errors", "errorcode", "errormessage", "exception", "fault"})
_FILE_KEYS = frozenset({
    "", "data", "item", "items", "file", "files", "result", "results", "content", "contents", "value", "values",
    "list", "records", "rows", "elements", "entries", "attachments", "media", "embedded", "included", "resources",
    "payload", "response", "body", "base64", "b64", "url", "uri", "src",
})  # fmt: skip
_CONTEXTS = frozenset({"@context", "@odata.context", "$schema"})
_LINKS = frozenset({"_links", "links"})
_DOCUMENT_RELATIONS = frozenset(
    {"self", "first", "last", "prev", "up", "collection", "profile", "describedby", "curies"}
)
_RECEIVER = re.compile("(callback|postback|webhook|redirect|return)ur[il]")
_NEXT = re.compile("(odata|hydra)?next(page|url|uri|link|href|cursor|token|key|marker|offset)*")
_ADDRESSES = frozenset({"href", "url", "uri", "link"})
_TRUTH = {"true": True, "false": False}
_MAX_ADDRESS = 2048
_MORE = frozenset({"more", "hasmore", "hasmorepages", "hasnext", "hasnextpage", "istruncated", "truncated", "partial"})
_LAST = frozenset({"last", "islast", "islastpage"})
_PAGES = ("totalpages", "lastpage")
_PAGE = frozenset({"meta", "metadata", "page", "paging", "pagination", "pageinfo"})
_TOTAL = re.compile(
    "(?=.*(total|count|number))(odata|hydra)?(total|numberof)?"
    "((item|element|result|record|entrie|image|file|document|photo|picture)s?)?(total|count)?"
)
_IN_PROGRESS = {word.replace("_", "").lower() for word in IN_PROGRESS} | {
    "waiting", "uploading", "loading", "capturing", "scanning", "running", "generating", "queued", "scheduled",
    "started", "notready",
}  # fmt: skip
_REFERENCE = re.compile("(file|image|photo|picture|media|attachment|object|blob)(id|key)")
_IMAGE_WORD = re.compile("image|picture|photo|video|portrait|selfie")


def label_of(name: str) -> Label:
    """Return what a name says. A bare side (`front`) leaves the type open, since a selfie may be frontal too."""
    plain = _NOISE.sub("", name[:64].lower().replace("_", ""))
    if kind := _TYPES.get(plain.removesuffix("s")):
        return Label(kind)
    for pattern in _SIDES:
        if found := pattern.fullmatch(plain):
            return Label(ImageType.DOCUMENT if found["document"] else None, Side.FRONT if found["front"] else Side.BACK)
    return UNLABELLED


def label_at(name: str, outer: Label) -> Label:
    """Return what a name says within the label around it: `portrait` within `document` is the document's portrait."""
    found = label_of(name)
    if found.type is None and outer.type is ImageType.DOCUMENT:
        found = label_of(f"document_{name}")
    return found.within(outer)


def describes_file(name: str) -> bool:
    """Return whether a field of this name describes the file next to it."""
    return plain_name(name) in _TYPE_FIELDS


def described(label: Label, name: str, value: object) -> Label:
    """Return the label with what a field says of the file next to it: a type, a side, or a number (`"page": 2`)."""
    if isinstance(value, str) and describes_file(name):
        label = label_at(value, label)
    number = _number(value) if plain_name(name) in _NUMBER_FIELDS else None
    return label if number is None else replace(label, number=number)


def leads_to_no_file(around: str, name: str) -> bool:
    """Return whether a link leads to no file: `self` within HAL's or JSON:API's `_links` or as `rel`, or a callback."""
    is_document = name in _CONTEXTS or (around in _LINKS and name in _DOCUMENT_RELATIONS)
    return is_document or bool(_RECEIVER.fullmatch(plain_name(name)))


def names_image(name: str) -> bool:
    """Return whether a key names an image, a side of the document, or a URL."""
    return bool(_IMAGE_WORD.search(plain_name(name))) or label_of(name) is not UNLABELLED or holds_address(name)


def holds_address(name: str) -> bool:
    """Return whether a path under this name (`imageUrl`, `src`) is a file's. `href` often leads to a document."""
    return plain_name(name).endswith(("url", "uri", "src"))


def may_be_same(path: str, file: str) -> bool:
    """Return whether a path and a file with such names may be one: `url` and `front`, not `backUrl` or `videoUrl`."""
    names = label_of(path), label_of(file)
    is_other_form = "video" in path.lower() and "video" not in file.lower()
    return not is_other_form and (UNLABELLED in names or names[0] == names[1])


def announces_more(around: str, name: str, value: object) -> bool:
    """Return whether a member that is not empty says that the response is one page of several.

    `around` is the key above it: `{"next": {"href": "…"}}`. A long text is a file, not an address.
    """
    plain, value = plain_name(name), typed(value)
    if isinstance(value, str):
        leads_on = _NEXT.fullmatch(plain) or (plain in _ADDRESSES and _NEXT.fullmatch(plain_name(around)))
        return len(value) < _MAX_ADDRESS and (bool(leads_on) or (plain == "rel" and value.lower() == "next"))
    if isinstance(value, int):
        return (
            (plain in _MORE and value is True)
            or (plain in _LAST and value is False)
            or (value > 0 and bool(_NEXT.fullmatch(plain)))
            or (value > 1 and (plain in _PAGES or (plain in ("pages", "pagecount") and plain_name(around) in _PAGE)))
        )
    return plain == "lastevaluatedkey"  # an object


def announces_files(name: str, value: object, came: int) -> bool:
    """Return whether a member says that there are more files than came: `"total": 3`, also in `meta` or the like."""
    plain = plain_name(name)
    if isinstance(value, tuple) and plain in _PAGE:
        return any(announces_files(inner, number, came) for inner, number in value)
    return bool(_TOTAL.fullmatch(plain)) and (_number(value) or 0) > came


def reports_error(name: str, value: object, *, is_root: bool = True) -> bool:
    """Return whether a member of a response, which is not empty, says that the request failed or is not done yet.

    Below the root, only a status that is in progress does.
    """
    plain, value = plain_name(name), typed(value)
    word = value.strip().upper() if isinstance(value, str) else ""
    if is_status(name) and is_in_progress(word):
        return True
    if not is_root:
        return False
    if plain in ("success", "ok", "ready", "complete"):
        return value is False
    if plain == "status":
        return word in ("ERROR", "FAIL", "FAILURE")  # FAILED may be the ticket's outcome
    if plain == "code":
        return bool(word) and not word.isdecimal() and word not in SUCCESS_CODES
    return is_error(name, value)


def is_status(name: str) -> bool:
    """Return whether a member of this name has a status, such as `PENDING`."""
    return plain_name(name) in ("status", "state")


def is_in_progress(word: str) -> bool:
    """Return whether a word says that something is not done yet: `IN_PROGRESS`, `PENDING`, `uploading`."""
    return _plain(word) in _IN_PROGRESS


def describes(name: str, value: object) -> bool:
    """Return whether a member says what a file is, but not that there is one: `"side": "BACK"`, not an id."""
    if plain_name(name) in _NUMBER_FIELDS and _number(value) is not None:
        return True
    return describes_file(name) and isinstance(value, str) and (name != "id" or label_of(value) is not UNLABELLED)


def refers_to_file(name: str) -> bool:
    """Return whether a member of this name, which is not empty, says that there is a file, whose data may be empty."""
    return bool(_REFERENCE.fullmatch(plain_name(name)))


def is_error(name: str, value: object) -> bool:
    """Return whether a member, which is not empty, describes an error."""
    return plain_name(name) in _ERROR_FIELDS and not isinstance(value, bool | int)


def may_hold_files(name: str) -> bool:
    """Return whether a key of this name holds files, so that an empty value means that there are none."""
    plain = plain_name(name)
    return plain in _FILE_KEYS or bool(_IMAGE_WORD.search(plain)) or label_of(name) is not UNLABELLED


def _number(value: object) -> int | None:
    """Return a whole number, also of a text with its digits."""
    number = typed(value)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def typed(value: object) -> object:
    """Return the number or the truth value that a text is, as some servers write them, and anything else unchanged."""
    if isinstance(value, str) and len(value) < 9:
        return int(value) if value.isdecimal() else _TRUTH.get(value.lower(), value)
    return value


@lru_cache(maxsize=256)
def plain_name(name: str) -> str:
    """Return a name in lower case, without separators. Names are few; values, which may be a person's, are not kept."""
    return _plain(name)


def _plain(text: str) -> str:
    return re.sub(r"[\W_]", "", text[:64]).lower()
