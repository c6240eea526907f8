"""The three secrets in Secrets Manager as models, which never show their values.

Every model has `read`, which takes a secret's text and raises SettingsError that names the secret.
"""

import base64
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator

from ticket_archive.errors import SettingsError
from ticket_archive.json_text import json_in
from ticket_archive.models import Model
from ticket_archive.webhook_encryption import check_secret

_Filled = Field(min_length=1)


class _Secret(Model):
    label: ClassVar[str]

    @classmethod
    def read(cls, text: object) -> Self:
        """Parse a secret's text. Raises SettingsError."""
        with suppress(ValidationError):  # which holds the text, and must not become this error's context
            return cls.model_validate_json(text if isinstance(text, str | bytes) else "")
        raise SettingsError(f"{cls.label}: malformed")


def _check_header_value(secret: SecretStr) -> SecretStr:
    """Reject what no header can hold. A line break, easily copied with a value, would look like a network failure."""
    value = secret.get_secret_value()
    if value != value.strip() or not value.isprintable() or not value.isascii():
        raise ValueError("not a header's value")
    return secret


_HeaderValue = Annotated[SecretStr, AfterValidator(_check_header_value)]


class VendorCredential(_Secret):
    """The five values that Preventor gives a customer; the last three may be empty. All but `secret` become headers."""

    label = "vendor credential"

    api_key: _HeaderValue = _Filled
    secret: SecretStr = _Filled
    tenant: _HeaderValue = SecretStr("")
    env: _HeaderValue = SecretStr("")
    banknu: _HeaderValue = SecretStr("")


class WebhookSecret(_Secret):
    """The key of encrypted webhooks: `{"secret": "32 characters"}`, or the 32 characters alone."""

    label = "webhook secret"

    secret: SecretStr

    @classmethod
    def read(cls, text: object) -> Self:
        """Parse a secret's text. Raises SettingsError."""
        if isinstance(text, str) and not isinstance(json_in(text), dict):
            return cls(secret=SecretStr(text))
        return super().read(text)

    @property
    def key(self) -> bytes:
        """The AES key. Raises SettingsError unless it is 32 bytes."""
        return check_secret(self.secret.get_secret_value())


class WebhookCredentials(_Secret):
    """The credentials that every webhook must carry: a header with this exact value.

    `{"header", "value"}`, or `{"username", "password"}` for HTTP Basic credentials.
    """

    label = "webhook credentials"

    header: str = _Filled
    value: SecretStr = _Filled

    @model_validator(mode="before")
    @classmethod
    def _from_basic(cls, values: Any) -> Any:
        match values:
            case {"username": str(username), "password": str(password)} if username and password:
                pair = f"{username}:{password}".encode("utf-8", "surrogatepass")
                return {"header": "authorization", "value": "Basic " + base64.b64encode(pair).decode()}
            case {"header": str(header)}:
                return {**values, "header": header.lower()}
        return values
