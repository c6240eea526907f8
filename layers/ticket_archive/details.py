"""Keep a ticket's details, the vendor's JSON, exactly.

DynamoDB holds most JSON as a native map, but not all of it: numbers have 38 digits, maps 32 levels, items 400 KB
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html). JSON that would not come back
identical is kept as the vendor's own bytes, compressed: in the item while they are small, otherwise in the bucket.
"Identical" means the same JSON value, with each number equal as a decimal; the order of an object's keys has no
meaning.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, DecimalException
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from ticket_archive.details_facts import TicketFacts, read_facts, scalars_of, stream_facts
from ticket_archive.errors import UnrecognizedResponse, VendorUnavailable
from ticket_archive.json_text import MAX_PARTS, count_parts, decode_text, ends_early, unwrapped, without_bom
from ticket_archive.keys import details_key
from ticket_archive.models import bare_id

if TYPE_CHECKING:
    from ticket_archive.bucket import Bucket

NATIVE_LIMIT = 300_000
"""Bytes that the map may take in DynamoDB's JSON, which is longer than what the item's 400 KB count."""
PACKED_LIMIT = 300_000
"""Bytes of an item that the compressed form may take."""
RESPONSE_LIMIT = 1_000_000
"""Bytes of JSON that always fit into a function's response: Lambda allows 6 MB, and escaping may multiply JSON by six.
Larger details are a separate object, which a presigned URL can serve."""

ATTRIBUTES = ("details", "details_packed", "details_key")
"""The item's attributes that hold details. Exactly one of them is present."""

_MAX_LEVELS = 30  # of DynamoDB's 32; the item and the attribute take the others
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(repr=False, eq=False)
class Details:
    """A ticket's details as received (`raw`), their facts, and the SHA-256 of their canonical form.

    `value` is the object, of a list of one too, with a Decimal for every number. It is None for JSON of too many parts,
    which is never parsed as a whole; its digest is that of the bytes. `native` is whether `value` is the whole response
    and DynamoDB returns it unchanged.
    """

    value: dict[str, Any] | None
    sha256: str
    size: int
    raw: bytes
    native: bool
    facts: TicketFacts

    def check_ticket(self, ticket: str) -> None:
        """Raise UnrecognizedResponse for details of another ticket (`other_ticket`) or of none (`no_ticket`).

        The vendor may give a ticket a number beside its id, so one of several names is enough. In a list of several
        tickets, the facts may be another's. A text that only mentions the ticket, as an error's message or path does,
        does not name it.
        """
        if self.facts.tickets and not any(all(_is_id(each, ticket) for each in ids) for ids in self.facts.tickets):
            raise UnrecognizedResponse("other_ticket", self.raw)
        if self.facts.recognized or self.value is None:
            return
        if not any(_is_id(each, ticket) for *_, each in scalars_of(self.value)):
            raise UnrecognizedResponse("no_ticket", self.raw)


def read_details(body: bytes) -> Details:
    """Parse the vendor's response: an object, or a list of one. A byte order mark before it is removed.

    Bytes that are not UTF-8 are read as Windows-1252.

    Raises VendorUnavailable("truncated") with the body for JSON that ends early: it is fetched again, and if it stays
    the same, it is the answer. Raises UnrecognizedResponse with the body for `details_not_json`, `details_too_deep` and
    `details_not_an_object`.
    """
    body = without_bom(body)
    text = decode_text(body)
    raw = text.encode()
    if count_parts(body) > MAX_PARTS:
        return _read_unparsed(raw)
    inexact: list[str] = []  # parts of the text that Python's values do not represent exactly

    def number(digits: str) -> Decimal | None:
        try:
            return Decimal(digits)
        except DecimalException:
            inexact.append(digits)
            return None

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            inexact.append("a repeated key")
        return found

    try:
        value = json.loads(
            text, parse_int=number, parse_float=number, parse_constant=inexact.append, object_pairs_hook=pairs
        )
    except RecursionError:
        raise UnrecognizedResponse("details_too_deep", body) from None
    except json.JSONDecodeError as error:
        if ends_early(text, error):
            raise VendorUnavailable("truncated", body) from None
        raise UnrecognizedResponse("details_not_json", body) from None
    found = unwrapped(value)
    if not isinstance(found, dict):
        raise UnrecognizedResponse("details_not_an_object", body)
    try:
        form = raw if inexact else to_json(value)
        native = found is value and not inexact and _is_native(found)
    except (RecursionError, UnicodeEncodeError):  # too deep, or half of a surrogate pair
        form, native = raw, False
    return Details(found, hashlib.sha256(form).hexdigest(), len(raw), raw, native, read_facts(scalars_of(found)))


def stored_form(ticket: str, details: Details) -> tuple[dict[str, Any], bytes]:
    """Return the item's attributes that hold these details exactly, and the object's body if that is in the bucket."""
    if details.native:
        return {"details": details.value}, b""
    packed = gzip.compress(details.raw, mtime=0)  # without the time, the same details are the same object
    if len(packed) <= PACKED_LIMIT and details.size <= RESPONSE_LIMIT:
        return {"details_packed": packed}, b""
    return {"details_key": details_key(ticket, details.sha256)}, packed


def to_json(value: Any) -> bytes:
    """Return canonical JSON: UTF-8, sorted keys, exact numbers. Raises UnicodeEncodeError on lone surrogates."""
    return _canonical(value).encode()


def compressed(attributes: Mapping[str, Any]) -> bytes | None:
    """Return the details of an item as an object's body; None if it has none, or they are an object already."""
    if "details" in attributes:
        return gzip.compress(to_json(attributes["details"]), mtime=0)
    return attributes.get("details_packed")


def read_stored_details(attributes: Mapping[str, Any], bucket: "Bucket") -> bytes:
    """Return the details of an item as JSON, from the first of ATTRIBUTES that it has.

    Raises KeyError if the item has no details, botocore's ClientError if the object cannot be read, zlib.error if the
    stored bytes are damaged.
    """
    if "details" in attributes:
        return to_json(attributes["details"])
    packed = attributes.get("details_packed") or bucket.read(attributes["details_key"])
    return zlib.decompress(packed, wbits=31)  # their size was capped when they were received


def _read_unparsed(body: bytes) -> Details:
    """Check only the first and the last character before the facts are streamed: more would take seconds."""
    ends = body.lstrip()[:1] + body.rstrip()[-1:]
    if ends != b"{}":
        if ends[:1] == b"{":
            raise VendorUnavailable("truncated", body)
        raise UnrecognizedResponse("details_not_an_object" if ends == b"[]" else "details_not_json", body)
    return Details(None, hashlib.sha256(body).hexdigest(), len(body), body, False, stream_facts(body))


def _is_id(value: object, ticket: str) -> bool:
    """Return whether a value is the ticket's id, in capitals or not, with the same hyphens or without any."""
    found, ticket = bare_id(value), ticket.lower()
    if not isinstance(found, str):
        return False
    found = found.lower()
    return found in (ticket, ticket.replace("-", "")) or found.replace("-", "") == ticket


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: pair[0])
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_canonical(each)}" for key, each in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, Decimal):
        number = value.normalize(_EXACT)  # 98.0, 98 and 9.8e1 are one number and have one text
        return f"{number:f}" if -40 < number.adjusted() < 40 else str(number)
    return json.dumps(value, ensure_ascii=False)


def _is_native(value: dict[str, Any]) -> bool:
    """Return whether DynamoDB returns this map unchanged. boto3 refuses the numbers that it would round."""
    try:
        attribute = TypeSerializer().serialize(value)
    except DecimalException:
        return False
    return _is_storable(value, 1) and len(json.dumps(attribute, ensure_ascii=False).encode()) <= NATIVE_LIMIT


def _is_storable(value: Any, level: int) -> bool:
    """Return whether a value has no empty key, no -0 (DynamoDB returns 0) and not too many levels."""
    if isinstance(value, Decimal):
        return bool(value) or not value.is_signed()
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return (
        level <= _MAX_LEVELS
        and not (isinstance(value, dict) and "" in value)
        and all(_is_storable(each, level + 1) for each in inner)
    )
