"""The vendor's access token: cached until shortly before it expires, fetched by one thread at a time."""

import threading
import time
from collections.abc import Callable

from ingest.vendor.token_response import Token
from ticket_archive.errors import DeadlineExceeded, RetryableError, VendorAuthError

_MARGIN = 60.0  # seconds before its expiry at which a token is replaced
_MIN_BACKOFF, _MAX_BACKOFF = 5.0, 60.0  # seconds without a new token; doubled by each refusal until a success


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
