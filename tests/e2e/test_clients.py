"""The archive as callers in Python and JavaScript use it: signed API calls, and presigned URLs.

The front for S3 refuses what S3 refuses: SigV4's headers, which clients send on after a redirect, on a presigned URL.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from tests.support.api import Api
from tests.support.stack import LocalStack
from ticket_archive_client import SignedImage, TicketArchive

pytestmark = pytest.mark.stack

NUMBER = 5400  # of the simulator's tickets: this module's
PACKAGE = "@aws-sdk/client-s3@3.1175.0"
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT")
SECONDS = 60
SCRIPT = Path(__file__).with_name("consumer.mjs")


@pytest.fixture(scope="module")
def ticket(stack: LocalStack) -> str:
    stack.vendor("state", ticket=stack.ticket(NUMBER), flow="DOCUMENT_AND_SELFIE")
    return stack.archive(NUMBER)


@pytest.fixture
def session(stack: LocalStack) -> boto3.Session:
    """Temporary credentials, as a role has: their token is one more header, which S3 would refuse unsigned."""
    held = stack.sts.get_session_token()["Credentials"]
    return boto3.Session(
        held["AccessKeyId"], held["SecretAccessKey"], held["SessionToken"], region_name=stack.at.region
    )


REFUSED = {
    "x-amz-date": (403, b"AccessDenied"),
    "x-amz-security-token": (403, b"AccessDenied"),
    "x-amz-content-sha256": (403, b"AccessDenied"),
    "Authorization": (400, b"InvalidArgument"),
}


def test_a_presigned_url_alone_gives_the_image_and_sigv4_headers_beside_it_are_refused(
    stack: LocalStack, ticket: str
) -> None:
    image = stack.api.get(f"/tickets/{ticket}/images", type="DOCUMENT").json()["images"][0]

    def get(**headers: str) -> tuple[int, bytes]:
        response = requests.get(
            image["url"], headers=headers, verify=stack.at.ca_bundle, timeout=SECONDS, allow_redirects=False
        )
        return response.status_code, response.content

    status, body = get()
    assert (status, hashlib.sha256(body).hexdigest()) == (200, image["sha256"])
    for header, (refusal, code) in REFUSED.items():
        status, body = get(**{header: "AWS4-HMAC-SHA256 Credential=x"})
        assert (status, code in body) == (refusal, True), header


def test_the_documented_python_client_reads_everything_with_temporary_credentials(
    stack: LocalStack, session: boto3.Session, ticket: str
) -> None:
    archive: TicketArchive = Api(stack.at, session)
    expected = stack.vendor("expected", ticket=ticket)
    found = archive.ticket(ticket, wait=30)
    images = archive.images(ticket)
    assert (found.outcome, archive.details(ticket)) == (expected["outcome"], expected["details"])
    assert [image.sha256 for image in images] == [image.sha256 for image in found.images]
    assert sum(len(archive.download(image)) for image in images) == sum(image.bytes for image in found.images)
    one: SignedImage = archive.image(ticket, images[0].sha256)
    assert len(archive.download(one)) == one.bytes


def test_the_aws_sdk_for_javascript_reads_manifests_signs_calls_and_downloads(
    stack: LocalStack, session: boto3.Session, ticket: str, tmp_path: Path
) -> None:
    """With the SDK's own signer and S3 client, which npm installs where the network has it."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--prefix", str(tmp_path)]
    try:
        subprocess.run(["npm", "install", *options, PACKAGE], check=True, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip("npm has no network: it timed out")
    except subprocess.CalledProcessError as error:
        if code := next((code for code in NO_NETWORK if code.encode() in error.stderr), None):
            pytest.skip(f"npm has no network: {code}")
        raise AssertionError(error.stderr.decode()) from None
    held: Any = session.get_credentials()
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_EXTRA_CA_CERTS": stack.at.ca_bundle,
        "API_URL": stack.at.api_url,
        "S3_URL": stack.at.endpoint_url,
        "AWS_REGION": stack.at.region,
        "AWS_ACCESS_KEY_ID": held.access_key,
        "AWS_SECRET_ACCESS_KEY": held.secret_key,
        "AWS_SESSION_TOKEN": held.token,
    }
    command = ["node", shutil.copy(SCRIPT, tmp_path), stack.at.bucket, ticket]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert found["manifest"]["ticket"] == ticket
    wanted = [(image["sha256"], image["bytes"]) for image in found["manifest"]["images"]]
    assert len(wanted) >= 3
    assert [(image["sha256"], image["bytes"]) for image in found["fromTheApi"]] == wanted
    assert [(image["sha256"], image["bytes"]) for image in found["fromTheBucket"]] == wanted
