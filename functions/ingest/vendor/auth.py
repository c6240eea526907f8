"""The vendor's access token: kept until shortly before it ends, fetched by one thread at a time."""

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ticket_archive.errors import DeadlineExceeded, InvalidVendorResponse, RetryableError, VendorAuthError

_UNKNOWN_LIFE = 300.0  # seconds; shorter than the vendor's twenty minutes
_SHORTEST_LIFE = 30.0  # seconds; a clock that is off must not turn every call into a token call
_MARGIN = 60.0  # seconds before the end at which a token counts as old
_LONGEST_TOKEN = 8192
_SHORTEST_BRAKE, _LONGEST_BRAKE = 5.0, 60.0
"""Seconds for which no other token is asked for; twice as long for each refusal without a success in between."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; `life` is how many seconds it can be used from the moment of the answer."""

    value: str = field(repr=False)
    life: float


def read_token(body: bytes, now: float) -> Token:
    """The token in an answer of the token endpoint; `now` is epoch seconds. Raises InvalidVendorResponse without one.

    The vendor's SDK reads `token` and `expiracy` (epoch seconds, spelt so); OAuth's `access_token` and `expires_in` are
    understood as well, and a JWT's own `exp` and `iat`, whose difference does not depend on anybody's clock.
    """
    try:
        answer = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise InvalidVendorResponse("token_not_json") from None
    value = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > _LONGEST_TOKEN:
        raise InvalidVendorResponse("token_missing")
    claims = _claims(value)
    issued = _seconds(claims.get("iat"))
    ends = (
        _until(_seconds(answer.get("expiracy")), now),
        _seconds(answer.get("expires_in")),
        _until(_seconds(claims.get("exp")), issued if issued is not None else now),
    )
    life = next((end for end in ends if end is not None), _UNKNOWN_LIFE)
    return Token(value, max(life, _SHORTEST_LIFE))


class TokenSource:
    """Hands out the current token. `fetch` calls the vendor and is told the deadline (monotonic seconds)."""

    def __init__(self, fetch: Callable[[float], Token], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._old_at = 0.0
        self._failure: tuple[float, RetryableError] | None = None
        self._replaced_from = 0.0
        self._refusals = 0  # in a row

    def get(self, expires_at: float) -> str:
        """A token that is good for the next minute. Raises what `fetch` raises, or DeadlineExceeded.

        A credential that was refused twice is not tried again at once: until then the refusal is raised again.
        """
        asked_at = self._clock()
        if (token := self._fresh()) is not None:
            return token
        if not self._lock.acquire(timeout=max(0.0, expires_at - asked_at)):
            raise DeadlineExceeded("token")
        try:
            if (token := self._fresh()) is not None:
                return token
            if (failed := self._failed_since(asked_at)) is not None:  # do not hammer the endpoint
                raise type(failed)(failed.detail, retry_after=failed.retry_after)
            try:
                fetched = self._fetch(expires_at)
            except RetryableError as error:
                self._failure = (self._clock(), error)
                if isinstance(error, VendorAuthError):
                    self._denied()
                raise
            self._old_at = self._clock() + fetched.life - min(_MARGIN, fetched.life / 5)
            self._token = fetched
            self._failure = None
            return fetched.value
        finally:
            self._lock.release()

    def reject(self, token: str) -> None:
        """The vendor answered 401 to `token`: unless it was replaced meanwhile, it is not handed out again."""
        with self._lock:
            if self._token is not None and self._token.value == token and self._clock() >= self._replaced_from:
                self._token = None

    def back_off(self) -> None:
        """A new token was refused too: another one would not help, so for a while none is asked for."""
        with self._lock:
            self._brake()

    def _brake(self) -> None:
        """Many threads meet one refusal: it counts once."""
        if self._clock() < self._replaced_from:
            return
        self._replaced_from = self._clock() + min(_SHORTEST_BRAKE * 2 ** max(0, self._refusals - 1), _LONGEST_BRAKE)
        self._refusals += 1

    def reset_backoff(self) -> None:
        """The vendor answered to the current token: whatever was refused before is over."""
        self._refusals = 0

    def _denied(self) -> None:
        """The credential was refused. Once may be an accident; from then on there are pauses."""
        if self._refusals:
            self._brake()
        else:
            self._refusals = 1

    def _failed_since(self, asked_at: float) -> RetryableError | None:
        """A failure that holds for who asked then: it came while that thread waited, or it is a refusal that lasts."""
        if self._failure is None:
            return None
        failed_at, error = self._failure
        lasts = isinstance(error, VendorAuthError) and self._clock() < self._replaced_from
        return error if lasts or failed_at >= asked_at else None

    def _fresh(self) -> str | None:
        token = self._token
        return token.value if token is not None and self._clock() < self._old_at else None


def _claims(token: str) -> dict[str, Any]:
    """A JWT's claims, unverified: they only tell how long to keep it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _seconds(value: object) -> float | None:
    """A positive number, or one written as text; milliseconds become seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not 0 < number < 1e15:
        return None
    return number / 1000 if number > 1e11 else number


def _until(end: float | None, start: float) -> float | None:
    """Seconds from `start` to `end`; None where it is past already, so that another source may know better."""
    return end - start if end is not None and end > start else None
