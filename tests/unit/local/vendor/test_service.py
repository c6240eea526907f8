import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable

import pytest
import requests
import time_machine

from local.vendor.server import Simulator
from tests.unit.local.vendor.client import (
    TOKEN_PATH,
    details_path,
    get,
    headers,
    images_path,
    token,
    token_headers,
)


def test_the_token_is_a_jwt_with_its_expiry(vendor: Simulator) -> None:
    answer = requests.post(vendor.url + TOKEN_PATH, headers=token_headers(vendor), timeout=5)
    assert answer.status_code == 200
    issued = answer.json()
    assert issued.keys() == {"token", "expiracy"}
    assert issued["expiracy"] - time.time() == pytest.approx(1200, abs=3)
    claims = issued["token"].split(".")[1]
    assert json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"] == issued["expiracy"]


@pytest.mark.parametrize(
    ("header", "without", "wrong"),
    [
        ("Authorization", 401, 401),
        ("x-api-key", 403, 403),
        ("x-tenant", 400, 401),
        ("x-env", 400, 401),
        ("x-banknu", 400, 401),
        ("user-agent", 400, 200),
        ("x-interface", 400, 200),
    ],
)
def test_every_header_of_the_token_call_is_required_and_checked(
    vendor: Simulator, header: str, without: int, wrong: int
) -> None:
    sent = token_headers(vendor)
    for value, status in (("", without), (sent[header] + "x", wrong)):
        answer = requests.post(vendor.url + TOKEN_PATH, headers={**sent, header: value}, timeout=5)
        assert answer.status_code == status


@pytest.mark.parametrize(("header", "status"), [("Authorization", 401), ("x-api-key", 403), ("user-agent", 400)])
def test_a_ticket_requires_all_three_headers(vendor: Simulator, header: str, status: int) -> None:
    changed = {**headers(vendor), header: ""}
    for path in (details_path, images_path):
        answer = requests.get(vendor.url + path(vendor.ids(1)[0]), headers=changed, timeout=5)
        assert answer.status_code == status


def test_an_expired_token_is_401(vendor: Simulator) -> None:
    path = details_path(vendor.ids(1)[0])
    with time_machine.travel(1_700_000_000) as traveller:
        bearer = token(vendor)
        traveller.shift(1190)
        assert get(vendor, path, bearer).status_code == 200
        traveller.shift(11)
        assert get(vendor, path, bearer).status_code == 401


@pytest.mark.parametrize("path", [details_path, images_path])
def test_an_unknown_ticket_has_the_vendors_own_code(vendor: Simulator, path: Callable[[str], str]) -> None:
    answer = get(vendor, path("00000000-0000-4000-8000-000000000000"))
    assert answer.status_code == 404
    assert answer.json() == {"status": 404, "code": "TCKTNTFND", "message": "Ticket not found"}


@pytest.mark.parametrize(
    "types", ["", "SELFIE", "document", "DOCUMENT,", "DOCUMENT, SELF_PORTRAITS", "A&type=DOCUMENT"]
)
def test_an_unknown_type_is_400(vendor: Simulator, types: str) -> None:
    answer = get(vendor, images_path(vendor.ids(1)[0], types))
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (400, 400, "BDRQST")


def test_a_response_over_the_gateways_limit_is_500() -> None:
    with Simulator(seed=7, body_limit=100_000) as vendor:
        [ticket] = vendor.ids(1)
        vendor.state(ticket, sizes={"DOCUMENT": [150_000]})
        answer = get(vendor, images_path(ticket, "DOCUMENT"))
        assert (answer.status_code, answer.json()) == (500, {"message": "Internal server error"})


def test_an_unknown_path_is_refused_by_the_gateway(vendor: Simulator) -> None:
    for path in ("/", "/id/v1/identity", "/id/v1/identity/transactions/a/b/images", "/id/v1/identity/auth/token"):
        answer = get(vendor, path)
        assert (answer.status_code, answer.json()) == (403, {"message": "Missing Authentication Token"})


@pytest.fixture
def picture_url(vendor: Simulator) -> str:
    [ticket] = vendor.ids(1)
    vendor.state(ticket, shape="URLS")
    url: str = get(vendor, images_path(ticket, "DOCUMENT")).json()["images"][0]
    return url


def test_a_token_sent_to_an_image_url_is_refused_and_recorded(vendor: Simulator, picture_url: str) -> None:
    assert requests.get(picture_url, headers=headers(vendor), timeout=5).status_code == 400
    assert [call["authorization"] for call in vendor.calls(endpoint="picture")] == [True]


def test_an_image_url_is_valid_only_unchanged(vendor: Simulator, picture_url: str) -> None:
    assert requests.get(picture_url.partition("?")[0], timeout=5).status_code == 403
    assert requests.get(picture_url[:-1], timeout=5).status_code == 403
