"""What may be signed, for how long, and what the URL makes of the object."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import time_machine
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import SigningPaused
from retrieval.presign import Link, Links
from tests.unit.retrieval.fakes import ADDRESS, BUCKET, image
from ticket_archive.models import ImageType, StoredImage

NOW = datetime(2026, 1, 15, 10, 0, 0, 700_000, tzinfo=UTC)
PICTURE = StoredImage(**{**image(ImageType.DOCUMENT), "type": ImageType.DOCUMENT})


def links(credentials: Credentials | None = None, *, usual: int = 300, at_most: int = 900) -> Links:
    """Links whose end is that of `credentials`."""
    signer = credentials or Credentials("AKIAEXAMPLE", "example")
    return Links(ADDRESS, "eu-central-1", signer, usual=usual, at_most=at_most)


def lasting(seconds: float, renewed: Callable[[], dict[str, Any]] | None = None) -> RefreshableCredentials:
    """Credentials that end in `seconds`."""

    def refuse() -> dict[str, Any]:
        raise CredentialRetrievalError(provider="test", error_msg="out of reach")

    return RefreshableCredentials(
        "ASIAEXAMPLE", "example", "token", NOW + timedelta(seconds=seconds), renewed or refuse, "test"
    )


def renewal(seconds: float) -> Callable[[], dict[str, Any]]:
    end = (NOW + timedelta(seconds=seconds)).isoformat()
    return lambda: {"access_key": "ASIARENEWED", "secret_key": "example", "token": "new", "expiry_time": end}


def signed(link: Link) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link.url).query).items()}


@time_machine.travel(NOW, tick=False)
def test_a_url_lives_the_usual_time() -> None:
    (link,) = links(usual=120).images([PICTURE])

    assert signed(link)["X-Amz-Expires"] == "120"
    assert link.expires_at == NOW.replace(microsecond=0) + timedelta(seconds=120)


@pytest.mark.parametrize(("asked", "at_most", "life"), [(600, 900, 600), (900, 600, 600), (None, 200, 200)])
def test_a_url_lives_as_asked_but_not_beyond_the_policy(asked: int | None, at_most: int, life: int) -> None:
    (link,) = links(at_most=at_most).images([PICTURE], asked)

    assert signed(link)["X-Amz-Expires"] == str(life)


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(("left", "life"), [(3600, 900), (880.7, 881), (601, 601)])
def test_a_url_ends_with_the_credentials_that_signed_it(left: float, life: int) -> None:
    # GIVEN credentials that botocore would renew by now, and cannot yet
    (link,) = links(lasting(left)).images([PICTURE], 900)

    assert signed(link)["X-Amz-Expires"] == str(life)
    assert link.expires_at <= NOW + timedelta(seconds=left)


@time_machine.travel(NOW, tick=False)
def test_credentials_near_their_end_are_renewed_before_they_sign() -> None:
    (link,) = links(lasting(30, renewal(3600))).images([PICTURE], 900)

    assert signed(link)["X-Amz-Expires"] == "900"
    assert signed(link)["X-Amz-Credential"].startswith("ASIARENEWED/")


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize("left", [30, 300])
def test_nothing_is_signed_where_credentials_at_their_end_cannot_be_renewed(left: float) -> None:
    with pytest.raises(SigningPaused):
        links(lasting(left)).images([PICTURE])


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize("left", [-1, 58])
def test_nothing_is_signed_where_renewed_credentials_have_less_left_than_the_shortest_life(left: float) -> None:
    with pytest.raises(SigningPaused):
        links(lasting(30, renewal(left))).images([PICTURE])


@given(asked=st.integers(60, 900), left=st.floats(601, 4000), at_most=st.integers(60, 900), tick=st.floats(0, 0.99))
def test_no_url_ends_before_it_says_nor_outlives_what_bounds_it(
    asked: int, left: float, at_most: int, tick: float
) -> None:
    with time_machine.travel(NOW + timedelta(seconds=tick), tick=False):
        (link,) = links(lasting(left), at_most=at_most).images([PICTURE], asked)

    begins = datetime.strptime(signed(link)["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ends = begins + timedelta(seconds=int(signed(link)["X-Amz-Expires"]))
    assert link.expires_at <= ends
    assert ends - begins <= timedelta(seconds=min(asked, at_most))
    assert link.expires_at <= NOW + timedelta(seconds=left)


def test_an_image_is_downloaded_under_a_plain_name_as_what_it_is_and_not_kept() -> None:
    (link,) = links().images([PICTURE])

    parameters = signed(link)
    assert urlsplit(link.url).path == f"/{PICTURE.key}"
    assert parameters["response-content-type"] == "image/jpeg"
    assert parameters["response-content-disposition"] == 'attachment; filename="DOCUMENT-0.jpg"'
    assert parameters["response-cache-control"] == "no-store"
    assert parameters["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert parameters["X-Amz-SignedHeaders"] == "host"


@pytest.mark.parametrize("content_type", ["image/svg+xml", "text/html", "image/gif", "application/pdf", ""])
def test_what_is_no_stored_kind_of_image_is_only_bytes(content_type: str) -> None:
    odd = StoredImage(ImageType.DOCUMENT, 0, "tickets/t/images/DOCUMENT/x.html", "x", 1, content_type)

    (link,) = links().images([odd])

    assert signed(link)["response-content-type"] == "application/octet-stream"
    assert signed(link)["response-content-disposition"] == 'attachment; filename="DOCUMENT-0.bin"'


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize("token", [None, "a/token+with=signs"])
@pytest.mark.parametrize("key", [PICTURE.key, "tickets/a-B_9/details/00ff.json.gz", "tickets/t/images/X/é +%.jpg"])
def test_a_url_is_the_one_that_an_s3_client_would_give(token: str | None, key: str) -> None:
    # GIVEN
    client = boto3.client(
        "s3",
        region_name="eu-central-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="example",
        aws_session_token=token,
        config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    )
    credentials = Credentials("AKIAEXAMPLE", "example", token)
    # WHEN
    (image_link,) = links(credentials).images([StoredImage(ImageType.DOCUMENT, 0, key, "x", 1, "image/jpeg")], 600)
    details_link = links(credentials).details(key)
    # THEN
    parameters = {"Bucket": BUCKET, "Key": key, "ResponseCacheControl": "no-store"}
    name = f'attachment; filename="DOCUMENT-0.{key.rpartition(".")[2]}"'
    form = {"ResponseContentType": "image/jpeg", "ResponseContentDisposition": name}
    assert parts(image_link.url) == parts(
        client.generate_presigned_url("get_object", Params={**parameters, **form}, ExpiresIn=600)
    )
    form = {"ResponseContentType": "application/json", "ResponseContentEncoding": "gzip"}
    assert parts(details_link.url) == parts(
        client.generate_presigned_url("get_object", Params={**parameters, **form}, ExpiresIn=300)
    )


def parts(url: str) -> tuple[str, str, str, dict[str, list[str]]]:
    split = urlsplit(url)
    return split.scheme, split.netloc, split.path, parse_qs(split.query, strict_parsing=True)


def test_a_link_does_not_show_its_url() -> None:
    (link,) = links().images([PICTURE])

    assert "https" not in repr(link)


def test_all_urls_of_an_answer_end_together() -> None:
    ends = {link.expires_at for link in links().images([PICTURE] * 20)}

    assert len(ends) == 1
