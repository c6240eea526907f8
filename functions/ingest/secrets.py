"""The secrets, read from Secrets Manager and cached for five minutes, so that a rotation needs no deployment."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError

from ticket_archive.errors import SettingsError
from ticket_archive.webhook_credentials import VendorCredential, WebhookSecret

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

CACHE_SECONDS = 300


class RotatingSecret:
    """A secret's current value and, since its last change, the previous one (`AWSPREVIOUS`).

    Each stage has its own provider, because Powertools' cache does not distinguish stages. Both methods raise
    botocore's ClientError, whose code tells a removed permission from throttling.
    """

    def __init__(self, client: "SecretsManagerClient", secret_id: str) -> None:
        self._current = SecretsProvider(boto3_client=client)
        self._previous = SecretsProvider(boto3_client=client)
        self._no_previous_until = 0.0
        self._successor: object = None
        self._id = secret_id

    def current(self, *, fresh: bool = False) -> object:
        """Return the current value; `fresh` bypasses the cache."""
        try:
            return self._current.get(self._id, max_age=CACHE_SECONDS, force_fetch=fresh)
        except GetParameterError as error:
            raise _cause(error) from None

    def previous(self) -> object | None:
        """Return the previous value, or None where there is none.

        It is cached for one current value only: once that changes, what was current is the previous value.
        """
        changed = (current := self.current()) != self._successor
        if not changed and time.monotonic() < self._no_previous_until:
            return None
        try:
            value = self._previous.get(self._id, max_age=CACHE_SECONDS, force_fetch=changed, VersionStage="AWSPREVIOUS")
        except GetParameterError as error:
            cause = _cause(error)
            if not (isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "ResourceNotFoundException"):
                raise cause from None
            value = None
            self._no_previous_until = time.monotonic() + CACHE_SECONDS
        self._successor = current
        return value


class Secrets:
    """The secrets that the SQS handler needs."""

    def __init__(self, client: "SecretsManagerClient", *, vendor_credential: str, webhook_secret: str) -> None:
        self._vendor_credential = RotatingSecret(client, vendor_credential)
        self._webhook_secret = RotatingSecret(client, webhook_secret)

    def vendor_credential(self, *, fresh: bool = False) -> VendorCredential:
        """Return the vendor's credential; `fresh` bypasses the cache. Raises SettingsError, ClientError."""
        return VendorCredential.read(self._vendor_credential.current(fresh=fresh))

    def webhook_secrets(self) -> list[bytes]:
        """Return the current AES key and, after a rotation, the previous one. Raises SettingsError, ClientError."""
        keys = [WebhookSecret.read(self._webhook_secret.current()).key]
        if (previous := self._webhook_secret.previous()) is not None:
            with suppress(SettingsError):  # the previous value may not have been a webhook secret
                keys.append(WebhookSecret.read(previous).key)
        return keys


def _cause(error: GetParameterError) -> BaseException:
    """Return the SDK's error, which Powertools keeps as its context."""
    return error.__context__ or error
