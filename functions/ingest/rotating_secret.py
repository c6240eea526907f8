"""The secrets, read from Secrets Manager and cached for five minutes, so that a rotation needs no deployment."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError

from ticket_archive.errors import SettingsError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

CACHE_SECONDS = 300

T = TypeVar("T")


class RotatingSecret(Generic[T]):
    """A secret's current value and, since its last change, the previous one (`AWSPREVIOUS`), as `read` returns them.

    Each stage has its own provider, because Powertools' cache does not distinguish stages. Both methods raise
    SettingsError, and botocore's ClientError, whose code tells a removed permission from throttling.
    """

    def __init__(self, client: "SecretsManagerClient", secret_id: str, read: Callable[[object], T]) -> None:
        self._current = SecretsProvider(boto3_client=client)
        self._previous = SecretsProvider(boto3_client=client)
        self._no_previous_until = 0.0
        self._successor: object = None
        self._id = secret_id
        self._read = read

    def current(self, *, fresh: bool = False) -> T:
        """Return the current value; `fresh` bypasses the cache."""
        return self._read(self._get(self._current, force_fetch=fresh))

    def live(self) -> Iterator[T]:
        """Yield the current value and then the previous one, which is read only when needed."""
        yield self.current()
        if (previous := self._previous_text()) is not None:
            with suppress(SettingsError):  # it may not have been valid
                yield self._read(previous)

    def _previous_text(self) -> object:
        """Return the previous value, or None where there is none.

        It is cached for one current value only: once that changes, what was current is the previous value.
        """
        changed = (current := self._get(self._current)) != self._successor
        if not changed and time.monotonic() < self._no_previous_until:
            return None
        value = None
        try:
            value = self._get(self._previous, force_fetch=changed, VersionStage="AWSPREVIOUS")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            self._no_previous_until = time.monotonic() + CACHE_SECONDS
        self._successor = current
        return value

    def _get(self, provider: SecretsProvider, **options: Any) -> object:
        try:
            return provider.get(self._id, max_age=CACHE_SECONDS, **options)
        except GetParameterError as error:
            raise (error.__context__ or error) from None  # the SDK's error
