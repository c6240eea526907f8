"""The vendor's access token: cached until shortly before it expires, fetched by one thread at a time."""

import base64
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ingest.files.labels import plain_name
from ticket_archive.details_facts import RESPONSE_ENVELOPES
from ticket_archive.errors import DeadlineExceeded, InvalidVendorResponse, RetryableError, VendorAuthError
from ticket_archive.json_text import json_in, unwrapped, without_bom

_DEFAULT_LIFETIME = 300.0  # seconds; shorter than the vendor's twenty minutes
_MIN_LIFETIME = 30.0  # seconds; so that a wrong clock does not cause a token call for every call
_MARGIN = 60.0  # seconds before its expiry at which a token is replaced
_TOKEN = re.compile("[!-~]{1,8192}")
_BARE = re.compile(r"\s*\"?(?:(?i:Bearer) )?([\w.~+/-]{32,}=*)\"?\s*", re.ASCII)  # RFC 6750, 2.1; longer than any word
_NAMES = ("token", "accesstoken", "bearertoken", "idtoken", "authtoken", "jwt")  # the first that is there counts
_WITH_OBJECTS = RESPONSE_ENVELOPES | {*_NAMES}
_MAX_LEVELS = 3  # of objects
_MIN_BACKOFF, _MAX_BACKOFF = 5.0, 60.0  # seconds without a new token; doubled by each refusal until a success


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


class TokenResponse(BaseModel):
    """The token endpoint's response.

    The vendor's SDK reads `token` and `expiracy` (epoch seconds, spelled so); `access_token` and `expires_in` are
    OAuth's names (RFC 6749, 5.1), in any spelling. They may be in an envelope, like those of the vendor's other
    endpoints, or in an object under a token's name (`{"token": {"value": "…", "expiresIn": 3600}}`), or a token alone
    may be there.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    token: str = Field("", validation_alias=AliasChoices(*_NAMES, "bare"))
    expiracy: float | None = None
    expires_in: float | None = Field(None, validation_alias="expiresin")

    @model_validator(mode="before")
    @classmethod
    def _from_members(cls, values: Any) -> Any:
        values = unwrapped(values)
        return dict(_members(values)) if isinstance(values, dict) else values

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


class TokenSource:
    """Caches the current token. `fetch` takes a deadline (monotonic seconds), and returns a new one."""

    def __init__(self, fetch: Callable[[float], Token], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.RLock()
        self._token: Token | None = None
        self._fetched_at = self._replace_at = 0.0
        self._failure: tuple[float, RetryableError] | None = None
        self._backoff_until = 0.0
        self._refusals = 0  # consecutive

    def get(self, deadline: float) -> str:
        """Return the cached token, or fetch a new one. Raises what `fetch` raises, or DeadlineExceeded.

        Threads that wait for the same fetch share its result. During a back-off after refusals of the credential, the
        last refusal is raised again.
        """
        asked_at = self._clock()
        if (token := self._cached()) is not None:
            return token
        if not self._lock.acquire(timeout=max(0.0, deadline - asked_at)):
            raise DeadlineExceeded("token")
        try:
            if (token := self._cached()) is not None:
                return token
            if (failure := self._failure_since(asked_at)) is not None:
                # A new exception, because the traceback of a shared one grows with each thread.
                raise type(failure)(failure.detail, retry_after=failure.retry_after)
            try:
                fetched = self._fetch(deadline)
            except RetryableError as error:
                self._failure = (self._clock(), error)
                if isinstance(error, VendorAuthError) and self._refusals:
                    self.back_off()
                elif isinstance(error, VendorAuthError):  # the first may be temporary, and causes no back-off
                    self._refusals = 1
                raise
            self._fetched_at = self._clock()
            self._replace_at = self._fetched_at + fetched.lifetime - min(_MARGIN, fetched.lifetime / 5)
            self._token = fetched
            self._failure = None
            return fetched.value
        finally:
            self._lock.release()

    def reject(self, token: str, min_age: float = 0.0) -> None:
        """Drop a refused token, unless it was replaced, is younger than `min_age` (seconds), or a back-off lasts."""
        with self._lock:
            is_current = self._token is not None and self._token.value == token
            if is_current and self._clock() >= max(self._backoff_until, self._fetched_at + min_age):
                self._token = None

    def back_off(self) -> None:
        """Fetch no token for a while: a new one was refused too. A refusal that many threads receive counts once."""
        with self._lock:
            if self._clock() >= self._backoff_until:
                seconds = min(_MIN_BACKOFF * 2 ** max(0, self._refusals - 1), _MAX_BACKOFF)
                self._backoff_until = self._clock() + seconds
                self._refusals += 1

    def reset_backoff(self) -> None:
        """Forget earlier refusals: the vendor accepted the current token."""
        self._refusals = 0

    def _failure_since(self, asked_at: float) -> RetryableError | None:
        """Return the failure of a fetch since `asked_at`, or the refusal that caused the current back-off."""
        if self._failure is None:
            return None
        failed_at, error = self._failure
        backing_off = isinstance(error, VendorAuthError) and self._clock() < self._backoff_until
        return error if backing_off or failed_at >= asked_at else None

    def _cached(self) -> str | None:
        token = self._token
        return token.value if token is not None and self._clock() < self._replace_at else None


def _claims(token: str) -> Claims:
    try:
        payload = token.split(".")[1]
        return Claims.model_validate_json(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return Claims()


def _between(start: float, end: float | None) -> float | None:
    """Return the seconds from `start` to `end`; None if it is past, so that another source counts."""
    return end - start if end is not None and end > start else None
