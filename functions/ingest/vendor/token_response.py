"""The token endpoint's response: a token, and for how long it is valid. Pure: no I/O."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ingest.files.labels import plain_name
from ticket_archive.details_facts import RESPONSE_ENVELOPES
from ticket_archive.errors import InvalidVendorResponse
from ticket_archive.json_text import json_in, unwrapped, without_bom

_DEFAULT_LIFETIME = 300.0  # seconds; shorter than the vendor's twenty minutes
_MIN_LIFETIME = 30.0  # seconds; so that a wrong clock does not cause a token call for every call
_TOKEN = re.compile("[!-~]{1,8192}")
_BARE = re.compile(r"\s*\"?(?:(?i:Bearer) )?([\w.~+/-]{32,}=*)\"?\s*", re.ASCII)  # RFC 6750, 2.1; longer than any word
_OTHER_TOKEN = re.compile("refresh|csrf|xsrf|request|error|trace|page|device|push")
_JWT = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", re.ASCII)
_NAMES = ("token", "accesstoken", "bearertoken", "idtoken", "authtoken", "jwt")  # the first that is there counts
_WITH_OBJECTS = RESPONSE_ENVELOPES | {*_NAMES}
_MAX_LEVELS = 3  # of objects


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token. `lifetime` is the number of seconds for which it is valid, counted from the response."""

    value: str = field(repr=False)
    lifetime: float


def _seconds(value: object) -> float | None:
    """Parse a positive number, which may be a string; milliseconds become seconds. None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not 0 < number < 1e15:
        return None
    return number / 1000 if number > 1e11 else number


Seconds = Annotated[float | None, BeforeValidator(_seconds)]


def _members(response: dict[str, Any], parent: str = "", level: int = 0) -> Iterator[tuple[str, str | float]]:
    """Yield what may be used, with plain names: also in envelopes, and in objects that stand for the token."""
    for name, value in response.items():
        plain, inner = plain_name(name), unwrapped(json_in(value))
        if plain == "value":
            plain = parent
        if isinstance(inner, dict) and plain in _WITH_OBJECTS and level < _MAX_LEVELS:
            yield from _members(inner, plain, level + 1)
        elif plain.startswith("expir"):
            if seconds := _seconds(value):
                yield plain, seconds
        elif isinstance(inner, str) and inner:
            yield plain, inner
            if plain in RESPONSE_ENVELOPES and (bare := _BARE.fullmatch(inner)):
                yield "bare", bare[1]


def _long_tokens(value: Any, name: str = "", level: int = 0) -> Iterator[tuple[str, str]]:
    """Yield each token of 32 characters or more, with its plain name: a JWT, or what is named like a token."""
    plain = plain_name(name)
    if _OTHER_TOKEN.search(plain):
        return
    value = unwrapped(json_in(value))
    if isinstance(value, dict) and level <= _MAX_LEVELS:
        for inner_name, inner in value.items():
            yield from _long_tokens(inner, inner_name, level + 1)
    elif (
        isinstance(value, str)
        and (bare := _BARE.fullmatch(value))
        and (plain.endswith(("token", "jwt")) or _JWT.fullmatch(bare[1]))
    ):
        yield plain, bare[1]


class TokenResponse(BaseModel):
    """The token endpoint's response.

    The vendor's SDK reads `token` and `expiracy` (epoch seconds, spelled so); `access_token` and `expires_in` are
    OAuth's names (RFC 6749, 5.1), in any spelling. They may be in an envelope, like those of the vendor's other
    endpoints, or in an object under a token's name (`{"token": {"value": "…", "expiresIn": 3600}}`), or a token alone
    may be there. If none of these has a token, one of 32 characters or more counts wherever it is, as no ticket can be
    archived without it.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    token: str = Field("", validation_alias=AliasChoices(*_NAMES, "bare"))
    expiracy: float | None = None
    expires_in: float | None = Field(None, validation_alias="expiresin")

    @model_validator(mode="before")
    @classmethod
    def _from_members(cls, values: Any) -> Any:
        values = unwrapped(values)
        if not isinstance(values, dict):
            return values
        found = dict(_members(values))
        if found.keys().isdisjoint((*_NAMES, "bare")):
            others = dict(_long_tokens(values))
            found["bare"] = next((others[name] for name in (*_NAMES, *others) if name in others), "")
        return found

    @property
    def value(self) -> str:
        """The token, without the scheme that some servers write before it, or white space around it."""
        return re.sub("^bearer ", "", self.token.strip(), flags=re.IGNORECASE)


class Claims(BaseModel):
    """A JWT's times. They are not verified: they only tell how long to cache the token."""

    model_config = ConfigDict(hide_input_in_errors=True)

    exp: Seconds = None
    iat: Seconds = None


def read_token(body: bytes, now: float) -> Token:
    """Return the token in a response of the token endpoint; `now` is epoch seconds.

    The whole body may be the token. Raises InvalidVendorResponse("token_missing"). Without an expiry, the JWT's own
    claims count; the difference of `exp` and `iat` does not depend on a clock.
    """
    body = without_bom(body)
    try:
        response = TokenResponse.model_validate_json(body)
    except ValidationError:
        bare = _BARE.fullmatch(body.decode("latin-1"))
        response = TokenResponse(token=bare[1] if bare else "")
    value = response.value
    if not _TOKEN.fullmatch(value):
        raise InvalidVendorResponse("token_missing")
    claims = _claims(value)
    stated = _between(now, response.expiracy) or response.expires_in or _between(claims.iat or now, claims.exp)
    return Token(value, max(stated or _DEFAULT_LIFETIME, _MIN_LIFETIME))


def _claims(token: str) -> Claims:
    try:
        payload = token.split(".")[1]
        return Claims.model_validate_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return Claims()


def _between(start: float, end: float | None) -> float | None:
    """Return the seconds from `start` to `end`; None if it is past, so that another source counts."""
    return end - start if end is not None and end > start else None
