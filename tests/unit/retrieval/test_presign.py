"""Presigned URLs: expiry, content type, disposition."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from hypothesis import given
from hypothesis import strategies as st

from retrieval.models import Disposition, SignedImage
from retrieval.presign import SigningPaused
from tests.unit.retrieval.fakes import BUCKET, PICTURE, presigner

NOW = datetime(2026, 1, 15, 10, 0, 0, 700_000, tzinfo=UTC)
ANY = "application/octet-stream"


def lasting(seconds: float, renewed: Callable[[], dict[str, Any]] | None = None) -> RefreshableCredentials:
    """Credentials that expire in `seconds`."""

    def refuse() -> dict[str, Any]:
        raise CredentialRetrievalError(provider="test", error_msg="out of reach")

    return RefreshableCredentials(
        "ASIAEXAMPLE", "example", "token", NOW + timedelta(seconds=seconds), renewed or refuse, "test"
    )


def renewal(seconds: float) -> Callable[[], dict[str, Any]]:
    end = (NOW + timedelta(seconds=seconds)).isoformat()
    return lambda: {"access_key": "ASIARENEWED", "secret_key": "example", "token": "new", "expiry_time": end}


def signed(link: SignedImage) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link.url).query).items()}


@pytest.mark.parametrize(("asked", "lifetime"), [(600, 600), (None, 300)])
def test_a_url_has_the_requested_or_the_default_lifetime(asked: int | None, lifetime: int) -> None:
    (link,) = presigner().images([PICTURE], asked)
    assert signed(link)["X-Amz-Expires"] == str(lifetime)


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(("left", "life"), [(3600, 900), (880.7, 881), (601, 601)])
def test_a_url_expires_with_the_credentials_that_signed_it(left: float, life: int) -> None:
    # GIVEN credentials that botocore tries to renew and cannot yet
    (link,) = presigner(lasting(left)).images([PICTURE], 900)
    assert signed(link)["X-Amz-Expires"] == str(life)
    assert link.expires_at <= NOW + timedelta(seconds=left)


@time_machine.travel(NOW, tick=False)
def test_expiring_credentials_are_renewed_before_they_sign() -> None:
    (link,) = presigner(lasting(30, renewal(3600))).images([PICTURE], 900)
    assert signed(link)["X-Amz-Expires"] == "900"
    assert signed(link)["X-Amz-Credential"].startswith("ASIARENEWED/")


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(("left", "renewed"), [(30, None), (300, None), (30, renewal(-1)), (30, renewal(58))])
def test_signing_pauses_if_renewed_credentials_do_not_outlive_the_shortest_life(left: float, renewed: Any) -> None:
    with pytest.raises(SigningPaused):
        presigner(lasting(left, renewed)).images([PICTURE])


@given(asked=st.integers(60, 900), left=st.floats(601, 4000), tick=st.floats(0, 0.99))
def test_no_url_expires_before_it_says_or_outlives_bounds(asked: int, left: float, tick: float) -> None:
    with time_machine.travel(NOW + timedelta(seconds=tick), tick=False):
        (link,) = presigner(lasting(left)).images([PICTURE], asked)
    begins = datetime.strptime(signed(link)["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ends = begins + timedelta(seconds=int(signed(link)["X-Amz-Expires"]))
    assert link.expires_at <= ends
    assert ends - begins <= timedelta(seconds=asked)
    assert link.expires_at <= NOW + timedelta(seconds=left)


def test_an_image_is_downloaded_with_its_type_and_a_plain_name_and_is_not_cached() -> None:
    (link,) = presigner().images([PICTURE])
    parameters = signed(link)
    assert urlsplit(link.url).hostname == f"{BUCKET}.s3.eu-central-1.amazonaws.com"
    assert urlsplit(link.url).path == f"/{PICTURE.key}"
    assert parameters["response-content-type"] == "image/jpeg"
    assert parameters["response-content-disposition"] == 'attachment; filename="DOCUMENT-0.jpg"'
    assert parameters["response-cache-control"] == "no-store"
    assert parameters["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert parameters["X-Amz-SignedHeaders"] == "host"


@pytest.mark.parametrize(
    ("content_type", "asked", "sent_type", "sent_disposition"),
    [
        *((f"image/{kind}", "inline", f"image/{kind}", "inline") for kind in ("jpeg", "png", "webp", "gif", "avif")),
        *((kind, "inline", kind, "attachment") for kind in ("image/tiff", "image/heic", "video/mp4")),
        ("application/pdf", "inline", "application/pdf", "attachment"),
        ("image/gif", "attachment", "image/gif", "attachment"),
        *((kind, "inline", ANY, "attachment") for kind in ("image/svg+xml", "text/html", "application/xhtml+xml", "")),
    ],
)
def test_only_types_that_run_nothing_are_named_and_only_safe_ones_are_inline(
    content_type: str, asked: Disposition, sent_type: str, sent_disposition: str
) -> None:
    stored = PICTURE.model_copy(update={"content_type": content_type})
    (link,) = presigner().images([stored], None, asked)
    extension = "bin" if sent_type == ANY else "jpg"
    assert signed(link)["response-content-type"] == sent_type
    assert signed(link)["response-content-disposition"] == f'{sent_disposition}; filename="DOCUMENT-0.{extension}"'
    assert link.content_disposition == sent_disposition


def test_the_url_is_not_in_the_repr() -> None:
    (link,) = presigner().images([PICTURE])
    assert "https" not in repr(link)


def test_all_urls_of_a_response_expire_together() -> None:
    ends = {link.expires_at for link in presigner().images([PICTURE] * 20)}
    assert len(ends) == 1
