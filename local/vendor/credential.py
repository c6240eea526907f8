"""The customer's credential at the vendor, and its access tokens."""

import json
import os
import time
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.vendor.seeding import seeded

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
_TOKEN_SECONDS = 1200


@dataclass(frozen=True)
class Credential:
    """The five values of a credential, as the vendor's iOS SDK sends them."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    tenant: str
    env: str
    banknu: str

    @classmethod
    def generate(cls, seed: int) -> "Credential":
        """Return the credential of a seed."""
        rng = seeded(seed, "credential")
        api_key, secret = ("".join(rng.choices(_LETTERS, k=length)) for length in (40, 32))
        return cls(api_key, secret, tenant="simulated", env="sandbox", banknu=f"{rng.randint(1, 9999):04d}")

    @classmethod
    def load(cls, path: Path) -> "Credential":
        """Return the credential in a JSON file of exactly the five values. Raises ValueError."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (TypeError, json.JSONDecodeError):
            raise ValueError("the credential file must hold api_key, secret, tenant, env and banknu") from None

    @property
    def basic(self) -> str:
        """Return the `Authorization` header of the token call."""
        return "Basic " + b64encode(f"{self.api_key}:{self.secret}".encode()).decode()


class Tokens:
    """Issues tokens that live for twenty minutes and can be revoked."""

    def __init__(self) -> None:
        self._expiry: dict[str, float] = {}

    def issue(self) -> dict[str, Any]:
        """Return the token call's body: the JWT, and `expiracy` (the vendor's spelling) in epoch seconds."""
        now = time.time()
        expires = int(now) + _TOKEN_SECONDS
        claims = {"sub": "simulated", "iat": int(now), "exp": expires}
        parts = [json.dumps(each).encode() for each in ({"alg": "HS256", "typ": "JWT"}, claims)]
        signature = os.urandom(32)  # which nobody verifies; it makes the token unique
        token = ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))
        self._expiry[token] = now + _TOKEN_SECONDS
        return {"token": token, "expiracy": expires}

    def is_valid(self, token: str) -> bool:
        """Whether the token was issued here, is not expired and was not revoked."""
        return self._expiry.get(token, 0) > time.time()

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        self._expiry.pop(token, None)
