"""Presigned S3 URLs: one object each, for a limited time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from retrieval.models import Disposition, SignedImage
from retrieval.settings import MIN_LIFETIME
from ticket_archive.clock import now
from ticket_archive.errors import ArchiveError
from ticket_archive.models import INLINE_TYPES, StoredImage

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_PASSIVE_TYPE = re.compile(r"image/(?!svg)[a-z0-9.+-]+|video/[a-z0-9.+-]+|application/pdf")
"""Other content types that a download may carry; anything else is served as application/octet-stream."""


class SigningPaused(ArchiveError):
    """The signing credentials expire sooner than the shortest lifetime of a URL."""

    code = "signing_paused"


@dataclass(repr=False, eq=False)
class Presigner:
    """Presigns GET requests for the bucket's objects. Sends nothing.

    `credentials` are those of `client`. `default_lifetime` is in seconds.
    """

    client: "S3Client"
    bucket: str
    credentials: Credentials
    default_lifetime: int

    def images(
        self, images: Sequence[StoredImage], expires_in: int | None = None, disposition: Disposition = "attachment"
    ) -> list[SignedImage]:
        """Return each image with its URL, all with the same expiry. Raises SigningPaused.

        `inline` applies to INLINE_TYPES; files of other types remain attachments.
        """
        start, lifetime = self._lifetime(expires_in)
        return [self._image(image, start, lifetime, disposition) for image in images]

    def details(self, key: str) -> tuple[str, datetime]:
        """Return a URL of gzip-compressed details, which HTTP clients decompress, and its end. Raises SigningPaused."""
        start, lifetime = self._lifetime(None)
        headers = {"ResponseContentType": "application/json", "ResponseContentEncoding": "gzip"}
        return self._sign(key, lifetime, headers), start + timedelta(seconds=lifetime)

    def _image(self, image: StoredImage, start: datetime, lifetime: int, asked: Disposition) -> SignedImage:
        passive = _PASSIVE_TYPE.fullmatch(image.content_type)
        disposition = asked if image.content_type in INLINE_TYPES else "attachment"
        name = f"{image.type.value}-{image.index}.{image.key.rpartition('.')[2] if passive else 'bin'}"
        headers = {
            "ResponseContentType": image.content_type if passive else "application/octet-stream",
            "ResponseContentDisposition": f'{disposition}; filename="{name}"',
        }
        url = self._sign(image.key, lifetime, headers)
        signed = {"url": url, "expires_at": start + timedelta(seconds=lifetime), "content_disposition": disposition}
        return SignedImage.model_validate({**image.model_dump(), **signed})

    def _sign(self, key: str, lifetime: int, headers: dict[str, str]) -> str:
        params = {"Bucket": self.bucket, "Key": key, "ResponseCacheControl": "no-store", **headers}
        return self.client.generate_presigned_url("get_object", Params=params, ExpiresIn=lifetime)

    def _lifetime(self, asked: int | None) -> tuple[datetime, int]:
        """Return the start and the seconds of a URL's lifetime, which ends with the credentials at the latest.

        The start is read before the signature's own time, so no URL expires earlier than the response says.
        """
        end = self._credentials_end()
        start = now().replace(microsecond=0)  # signatures have whole seconds
        lifetime = asked or self.default_lifetime
        if end is not None:
            lifetime = min(lifetime, int((end - start).total_seconds()))
        if lifetime < MIN_LIFETIME:
            raise SigningPaused
        return start, lifetime

    def _credentials_end(self) -> datetime | None:
        """Return when the signing credentials expire, after giving botocore the chance to renew them; None if unknown.

        S3 refuses a URL once the credentials that signed it have expired
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html). With SnapStart they come from
        an endpoint that tells their expiry. Otherwise they come from environment variables, which do not: the policy's
        15 minutes are short compared with the hours that such a session lasts.
        """
        try:
            self.credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError):  # botocore raises RuntimeError if renewed ones are expired
            raise SigningPaused from None
        return getattr(self.credentials, "_expiry_time", None)  # botocore has no public attribute for it
