from pathlib import Path

import pytest

from local.account import Account

ACCOUNT = Account("https://127.0.0.1:4566", "authority.pem", "eu-central-1", "AKIALOCAL", "a secret")


def test_a_session_ignores_the_developers_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a developer with a profile, another region, another endpoint and another authority
    (tmp_path / "config").write_text("[profile production]\nregion = us-east-1\nendpoint_url = https://example.com\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "production")

    # WHEN a client is made
    session = ACCOUNT.session()
    client = session.client("s3", endpoint_url=ACCOUNT.endpoint_url)

    # THEN it has the account's settings alone
    credentials = session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.secret_key) == ("AKIALOCAL", "a secret")
    assert client.meta.region_name == "eu-central-1"
    assert client.meta.endpoint_url == "https://127.0.0.1:4566"
    assert client._endpoint.http_session._verify == "authority.pem"  # type: ignore[attr-defined]
