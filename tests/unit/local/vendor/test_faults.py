import time

import pytest
import requests

from local.vendor.server import Simulator
from tests.unit.local.vendor.client import (
    details_path,
    get,
    headers,
    images_path,
)


@pytest.fixture
def ticket(vendor: Simulator) -> str:
    [ticket] = vendor.ids(1)
    vendor.state(ticket, shape="DATA_URIS")
    return ticket


def test_a_credential_sent_after_a_redirect_is_recorded(vendor: Simulator, ticket: str) -> None:
    vendor.script("redirect", "details", ticket)
    requests.get(vendor.url + details_path(ticket), headers=headers(vendor), timeout=5)
    assert [call["authorization"] for call in vendor.calls(endpoint="elsewhere")] == [True]


@pytest.mark.parametrize("fault", ["truncated_image", "html_as_image", "svg_as_image", "empty_image"])
@pytest.mark.parametrize("shape", ["BINARY", "URLS"])
def test_an_altered_file_has_the_shape_of_a_correct_one(vendor: Simulator, ticket: str, fault: str, shape: str) -> None:
    vendor.state(ticket, shape=shape, sizes={"DOCUMENT": [3000]})
    vendor.script(fault, "images", ticket)

    def fetched() -> bytes:
        answer = get(vendor, images_path(ticket, "DOCUMENT"))
        return answer.content if shape == "BINARY" else requests.get(answer.json()["images"][0], timeout=5).content

    wrong, right = fetched(), fetched()
    assert {
        "truncated_image": right[: len(right) // 2],
        "html_as_image": wrong if wrong.startswith(b"<!DOCTYPE html>") else None,
        "svg_as_image": wrong if wrong.startswith(b"<svg") else None,
        "empty_image": b"",
    }[fault] == wrong


@pytest.mark.parametrize("shape", ["BINARY", "URLS"])
def test_a_random_fault_cuts_off_no_file_for_good(vendor: Simulator, ticket: str, shape: str) -> None:
    """A link to a file that is cut off is that file, with the same bytes each time."""
    vendor.state(ticket, shape=shape, sizes={"DOCUMENT": [3000]})
    vendor.rate(share=1.0, faults=["truncated_image"])
    get(vendor, images_path(ticket, "DOCUMENT"))
    [call] = vendor.calls(endpoint="images")
    assert call["fault"] == ("truncated_image" if shape == "BINARY" else None)


def test_a_wait_ends_when_the_simulator_stops() -> None:
    with Simulator(seed=7, scale=0.05, patience=60) as vendor:
        [ticket] = vendor.ids(1)
        vendor.script("stall", "details", ticket)
        with pytest.raises(requests.Timeout):
            requests.get(vendor.url + details_path(ticket), headers=headers(vendor), timeout=0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 2
