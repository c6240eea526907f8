"""What may be signed and for how long: one object per URL, until its time, its policy or its signer is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from retrieval.errors import SigningPaused
from retrieval.settings import LIFE_MIN
from ticket_archive.clock import now
from ticket_archive.models import StoredImage

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_IMAGES = frozenset({"image/jpeg", "image/png", "image/webp"})
"""What a browser may be told that an object is; ingest stores nothing else."""


@dataclass(frozen=True, slots=True)
class Link:
    """A signed URL: whoever has it reads the object until `expires_at` (UTC). It belongs into the answer alone."""

    url: str = field(repr=False)
    expires_at: datetime


class Links:
    """Signs URLs of the bucket's objects with its client's own credentials. Nothing is sent."""

    def __init__(self, client: "S3Client", credentials: Credentials, bucket: str, *, usual: int, at_most: int) -> None:
        """`usual` and `at_most` are the seconds that a URL lives unless asked otherwise, and whatever is asked."""
        self._client = client
        self._credentials = credentials
        self._bucket = bucket
        self._usual = usual
        self._at_most = at_most

    def images(self, images: Sequence[StoredImage], asked: int | None = None) -> Sequence[Link]:
        """URLs that download images under a plain name, all with one life. Raises SigningPaused."""
        start, life = self._life(asked)
        return [self._link(image.key, _as_image(image), start, life) for image in images]

    def details(self, key: str) -> Link:
        """A URL of packed details, which HTTP clients unpack by themselves. Raises SigningPaused."""
        start, life = self._life(None)
        form = {"ResponseContentType": "application/json", "ResponseContentEncoding": "gzip"}
        return self._link(key, form, start, life)

    def _link(self, key: str, form: Mapping[str, str], start: datetime, life: int) -> Link:
        url = self._client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": key, "ResponseCacheControl": "no-store", **form},
            ExpiresIn=life,
        )
        return Link(url, start + timedelta(seconds=life))

    def _life(self, asked: int | None) -> tuple[datetime, int]:
        """When life begins and how many seconds it has.

        The beginning is read before the signature's own, so that no URL dies before it said it would.
        """
        end = _end_of(self._credentials)
        start = now().replace(microsecond=0)  # a signature's time has whole seconds
        life = min(asked or self._usual, self._at_most)
        if end is not None:
            life = min(life, int((end - start).total_seconds()))
        if life < LIFE_MIN:
            raise SigningPaused
        return start, life


def _end_of(credentials: Credentials) -> datetime | None:
    """When the signing credentials end, after botocore had its chance to renew them; None where nobody says.

    S3 refuses a URL as soon as the credentials that signed it are over, whatever the URL says
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html). With SnapStart they come from an
    endpoint that tells their end. In an ordinary function they come from the environment, which does not: there the
    policy alone bounds a URL's life, and its 15 minutes are short beside the hours of such a session.
    """
    try:
        credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError, RuntimeError):  # botocore's word for "renewed, and still over" is RuntimeError
        raise SigningPaused from None
    return getattr(credentials, "_expiry_time", None)  # botocore tells it nowhere else


def _as_image(image: StoredImage) -> dict[str, str]:
    known = image.content_type in _IMAGES
    extension = image.key.rpartition(".")[2] if known else "bin"
    return {
        "ResponseContentType": image.content_type if known else "application/octet-stream",
        "ResponseContentDisposition": f'attachment; filename="{image.type.value}-{image.index}.{extension}"',
    }
