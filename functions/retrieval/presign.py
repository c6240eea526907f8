"""What may be signed and for how long: one object per URL, until its time, its policy or its signer is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError

from retrieval.errors import SigningPaused
from retrieval.settings import LIFE_MIN
from ticket_archive.clock import now
from ticket_archive.models import StoredImage

_IMAGES = frozenset({"image/jpeg", "image/png", "image/webp"})
"""What a browser may be told that an object is; ingest stores nothing else."""


@dataclass(frozen=True, slots=True)
class Link:
    """A signed URL: whoever has it reads the object until `expires_at` (UTC). It belongs into the answer alone."""

    url: str = field(repr=False)
    expires_at: datetime


class Links:
    """Signs URLs of the bucket's objects. Nothing is sent.

    By botocore's signer alone: an S3 client gives the same URLs, but making one takes a tenth of the cold start, and
    having it sign takes most of a warm request.
    """

    def __init__(self, address: str, region: str, credentials: Credentials, *, usual: int, at_most: int) -> None:
        """`address` is the bucket's URL, without a slash at its end.

        `usual` and `at_most` are the seconds that a URL lives unless asked otherwise, and whatever is asked.
        """
        self._address = address
        self._region = region
        self._credentials = credentials
        self._usual = usual
        self._at_most = at_most

    def images(self, images: Sequence[StoredImage], asked: int | None = None) -> Sequence[Link]:
        """URLs that download images under a plain name, all with one life. Raises SigningPaused."""
        signer, start, life = self._life(asked)
        return [self._link(image.key, _as_image(image), signer, start, life) for image in images]

    def details(self, key: str) -> Link:
        """A URL of packed details, which HTTP clients unpack by themselves. Raises SigningPaused."""
        signer, start, life = self._life(None)
        form = {"response-content-type": "application/json", "response-content-encoding": "gzip"}
        return self._link(key, form, signer, start, life)

    def _link(self, key: str, form: Mapping[str, str], signer: ReadOnlyCredentials, start: datetime, life: int) -> Link:
        parameters = {"response-cache-control": "no-store", **form}
        request = AWSRequest("GET", f"{self._address}/{quote(key)}", params=parameters)
        S3SigV4QueryAuth(signer, "s3", self._region, expires=life).add_auth(request)
        return Link(str(request.url), start + timedelta(seconds=life))

    def _life(self, asked: int | None) -> tuple[ReadOnlyCredentials, datetime, int]:
        """Who signs, when life begins, and how many seconds it has.

        The beginning is read before the signature's own, so that no URL dies before it said it would.
        """
        signer, end = _frozen(self._credentials)
        start = now().replace(microsecond=0)  # a signature's time has whole seconds
        life = min(asked or self._usual, self._at_most)
        if end is not None:
            life = min(life, int((end - start).total_seconds()))
        if life < LIFE_MIN:
            raise SigningPaused
        return signer, start, life


def _frozen(credentials: Credentials) -> tuple[ReadOnlyCredentials, datetime | None]:
    """The signing credentials, after botocore had its chance to renew them, and when they end; None where nobody says.

    S3 refuses a URL as soon as the credentials that signed it are over, whatever the URL says
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html). With SnapStart they come from an
    endpoint that tells their end. In an ordinary function they come from the environment, which does not: there the
    policy alone bounds a URL's life, and its 15 minutes are short beside the hours of such a session.
    """
    try:
        frozen = credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError, RuntimeError):  # botocore's word for "renewed, and still over" is RuntimeError
        raise SigningPaused from None
    return frozen, getattr(credentials, "_expiry_time", None)  # botocore tells it nowhere else


def _as_image(image: StoredImage) -> dict[str, str]:
    known = image.content_type in _IMAGES
    extension = image.key.rpartition(".")[2] if known else "bin"
    return {
        "response-content-type": image.content_type if known else "application/octet-stream",
        "response-content-disposition": f'attachment; filename="{image.type.value}-{image.index}.{extension}"',
    }
