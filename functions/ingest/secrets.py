"""The secrets, read from Secrets Manager and remembered for five minutes: a rotation needs no deployment."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError

from ingest.webhooks.event import check_secret
from ticket_archive.errors import RetryableError, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_SECONDS = 300
_MAY_BE_EMPTY = ("tenant", "env", "banknu")


@dataclass(frozen=True, slots=True)
class VendorCredential:
    """The five values that Preventor gives a customer; the last three may be empty."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    tenant: str = field(default="", repr=False)
    env: str = field(default="", repr=False)
    banknu: str = field(default="", repr=False)


class LiveSecret:
    """A secret's live values: the current one and, since the last change, the one before (`AWSPREVIOUS`).

    One provider per stage: Powertools' cache does not tell stages apart.
    """

    def __init__(self, client: "SecretsManagerClient", secret: str, name: str) -> None:
        """`secret` is its id, `name` what errors call it."""
        self._current = SecretsProvider(boto3_client=client)
        self._previous = SecretsProvider(boto3_client=client)
        self._no_previous_until = 0.0
        self._successor: object = None
        self._secret = secret
        self._name = name

    def current(self, *, fresh: bool = False) -> object:
        """The current value; `fresh` reads it again. Raises RetryableError where it is out of reach."""
        try:
            return self._current.get(self._secret, max_age=_SECONDS, force_fetch=fresh)
        except GetParameterError:
            raise RetryableError(self._name) from None

    def previous(self) -> object | None:
        """The value before, None where there is none. Raises RetryableError where it is out of reach: not the same thing.

        It is remembered for one current value only: with another, what was current is the one before.
        """
        changed = (current := self.current()) != self._successor
        if not changed and time.monotonic() < self._no_previous_until:
            return None
        try:
            value = self._previous.get(self._secret, max_age=_SECONDS, force_fetch=changed, VersionStage="AWSPREVIOUS")
        except GetParameterError as error:
            if not _absent(error):
                raise RetryableError(self._name) from None
            value = None  # never changed
            self._no_previous_until = time.monotonic() + _SECONDS
        self._successor = current
        return value


class Secrets:
    """The queue door's secrets, as what they hold."""

    def __init__(self, client: "SecretsManagerClient", *, vendor_credential: str, webhook_secret: str) -> None:
        self._vendor_credential = LiveSecret(client, vendor_credential, "vendor_credential")
        self._webhook_secret = LiveSecret(client, webhook_secret, "webhook_secret")

    def vendor_credential(self, *, fresh: bool = False) -> VendorCredential:
        """The vendor's credential; `fresh` reads it again. Raises RetryableError where it is out of reach, SettingsError."""
        return _vendor_credential(self._vendor_credential.current(fresh=fresh))

    def webhook_secrets(self) -> list[bytes]:
        """The live webhook secrets, 32 bytes each: the current one and, during a rotation, the one before.

        Raises RetryableError where they are out of reach, SettingsError where the current one is not 32 bytes long.
        """
        secrets = [_webhook_secret(self._webhook_secret.current())]
        previous = self._webhook_secret.previous()  # without it an event of before the rotation would be taken for junk
        if previous is not None:
            with suppress(SettingsError):  # what was there before was not a webhook secret
                secrets.append(_webhook_secret(previous))
        return secrets


def _absent(error: GetParameterError) -> bool:
    """Whether Secrets Manager says that there is no such version. Powertools keeps its error as the context only."""
    cause = error.__context__
    return isinstance(cause, ClientError) and cause.response["Error"].get("Code") == "ResourceNotFoundException"


def _vendor_credential(value: object) -> VendorCredential:
    """{"api_key", "secret", "tenant", "env", "banknu"}: text. Others beside them are nobody's business here."""
    try:
        parsed = json.loads(value) if isinstance(value, str | bytes) else None
    except ValueError:
        parsed = None
    match parsed:
        # both are empty until somebody fills in the template's secret
        case {"api_key": str(api_key), "secret": str(secret), **more} if api_key and secret:
            others = {name: text for name in _MAY_BE_EMPTY if isinstance(text := more.get(name, ""), str)}
            if len(others) == len(_MAY_BE_EMPTY):
                return VendorCredential(api_key, secret, **others)
    raise SettingsError("vendor credential: malformed")


def _webhook_secret(value: object) -> bytes:
    """{"secret": "32 characters"}, or the 32 characters alone."""
    try:
        parsed = json.loads(value) if isinstance(value, str | bytes) else None
    except ValueError:
        parsed = {"secret": value}
    secret = parsed.get("secret") if isinstance(parsed, dict) else value
    if not isinstance(secret, str):
        raise SettingsError("webhook secret: malformed")
    return check_secret(secret)
