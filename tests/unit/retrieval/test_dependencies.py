"""Clients are made on first use only, and their URLs need no redirect."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.stub import ANY, Stubber

from retrieval import app
from retrieval.dependencies import Dependencies
from retrieval.settings import RetrievalSettings
from tests.support.stubbing import answering
from tests.unit.retrieval.conftest import CONTEXT
from tests.unit.retrieval.fakes import PICTURE, TICKET, request
from ticket_archive import aws
from ticket_archive.errors import SettingsError

ENVIRONMENT = {"TABLE_NAME": "tickets", "BUCKET_NAME": "archive-bucket"}


@pytest.fixture(scope="module", autouse=True)
def _session() -> Iterator[None]:
    """One session for all tests: it takes a while to load its models."""
    aws.session.cache_clear()
    yield
    aws.session.cache_clear()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")


@pytest.mark.parametrize(
    ("region", "suffix"),
    [*((region, "com") for region in ("eu-central-1", "us-east-1", "us-gov-west-1")), ("cn-north-1", "com.cn")],
)
def test_urls_name_the_buckets_regional_host(monkeypatch: pytest.MonkeyPatch, region: str, suffix: str) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    (link,) = Dependencies(ENVIRONMENT).presigner.images([PICTURE])
    assert urlsplit(link.url).netloc == f"archive-bucket.s3.{region}.amazonaws.{suffix}"


def test_urls_of_another_endpoint_have_the_bucket_in_their_path(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = "http://emulator.internal:4566"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    (link,) = Dependencies({**ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}).presigner.images([PICTURE])
    assert link.url.startswith(f"{endpoint}/archive-bucket/{PICTURE.key}?")
    assert "X-Amz-Signature=" in link.url


def test_the_environment_sets_the_life_of_urls() -> None:
    dependencies = Dependencies({**ENVIRONMENT, "URL_LIFE_SECONDS": "600.5"})
    (default,) = dependencies.presigner.images([PICTURE])
    assert "X-Amz-Expires=600&" in default.url


@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, "") for name in ENVIRONMENT), *(("URL_LIFE_SECONDS", life) for life in ("59.9", "901", "x"))],
)
def test_a_missing_or_invalid_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        RetrievalSettings.read({**ENVIRONMENT, name: value})


def test_missing_credentials_are_an_invalid_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setattr(aws, "session", boto3.Session)
    with pytest.raises(SettingsError):
        _ = Dependencies(ENVIRONMENT).presigner


def test_a_ticket_needs_no_s3_client(monkeypatch: pytest.MonkeyPatch) -> None:
    dependencies = Dependencies(ENVIRONMENT)
    monkeypatch.setattr(app, "dependencies", dependencies)
    more = dict.fromkeys(("Key", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"), ANY)
    with answering(Stubber(dependencies.tickets._client)) as stubber:
        stubber.add_response("get_item", {}, {"TableName": "tickets", **more})
        answer = app.lambda_handler(request("/tickets/{ticket}", {"ticket": TICKET}), CONTEXT)
    assert answer["statusCode"] == 404
    assert "_s3" not in vars(dependencies)
