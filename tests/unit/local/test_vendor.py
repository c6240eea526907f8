"""The simulator is as strict as the vendor and as varied: a simulator that is neither would let a wrong client pass.

What it answers is compared with the client's results in tests/faults and tests/e2e.
"""

import json
import re
from collections.abc import Callable, Iterator

import pytest
import requests
import time_machine

from local import ROOT
from local.vendor.details import details
from local.vendor.pictures import FileFormat
from local.vendor.server import ACTIONS, Simulator
from local.vendor.shapes import Absence, Shape, Unusable
from local.vendor.tickets import DetailsForm, Envelope, Flow, Outcome, State, Tickets
from ticket_archive.models import ImageType

pytestmark = pytest.mark.loopback

TOKEN_PATH = "/id/v1/identity/auth/token"
SMALL = Tickets(seed=3, scale=0.05)


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    """A simulator with small files and short waits."""
    with Simulator(seed=7, scale=0.05, pause=0.02, hold_seconds=0.2) as simulator:
        yield simulator


def details_path(ticket: str) -> str:
    return f"/id/v1/identity/transactions/{ticket}"


def images_path(ticket: str, types: str = "ALL") -> str:
    return f"{details_path(ticket)}/images?type={types}"


def token_headers(vendor: Simulator) -> dict[str, str]:
    mine = vendor.service.credential
    own = {"x-tenant": mine.tenant, "x-env": mine.env, "x-banknu": mine.banknu, "x-interface": "API"}
    return {"Authorization": mine.basic, "x-api-key": mine.api_key, "user-agent": "tests", **own}


def headers(vendor: Simulator, bearer: str = "") -> dict[str, str]:
    bearer = bearer or vendor.service.tokens.issue()["token"]
    return {"Authorization": f"Bearer {bearer}", "x-api-key": vendor.service.credential.api_key, "user-agent": "tests"}


def get(vendor: Simulator, path: str, bearer: str = "") -> requests.Response:
    return requests.get(vendor.url + path, headers=headers(vendor, bearer), timeout=5, allow_redirects=False)


# ─── Strict ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("header", "without", "wrong"),
    [
        ("Authorization", 401, 401),
        ("x-api-key", 403, 403),
        *((header, 400, 401) for header in ("x-tenant", "x-env", "x-banknu")),
        *((header, 400, 200) for header in ("user-agent", "x-interface")),
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
        bearer = requests.post(vendor.url + TOKEN_PATH, headers=token_headers(vendor), timeout=5).json()["token"]
        traveller.shift(1190)
        assert get(vendor, path, bearer).status_code == 200
        traveller.shift(11)
        assert get(vendor, path, bearer).status_code == 401


@pytest.mark.parametrize("path", [details_path, images_path])
def test_an_unknown_ticket_has_the_vendors_own_code(vendor: Simulator, path: Callable[[str], str]) -> None:
    answer = get(vendor, path("00000000-0000-4000-8000-000000000000"))
    assert answer.status_code == 404
    assert answer.json() == {"status": 404, "code": "TCKTNTFND", "message": "Ticket not found"}


@pytest.mark.parametrize("types", ["", "SELFIE", "document", "DOCUMENT,", "DOCUMENT, SELF_PORTRAITS"])
def test_an_unknown_type_is_400(vendor: Simulator, types: str) -> None:
    answer = get(vendor, images_path(vendor.ids(1)[0], types))
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (400, 400, "BDRQST")


def test_a_response_over_the_gateways_limit_is_500(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    for size, status in ((7_800_000, 200), (7_900_000, 500)):  # in base64 below and above 10 MiB
        vendor.state(ticket, shape="BASE64", sizes={"DOCUMENT": [size]}, formats={"DOCUMENT": "video/mp4"})
        assert get(vendor, images_path(ticket, "DOCUMENT")).status_code == status
    assert get(vendor, images_path(ticket, "DOCUMENT")).json() == {"message": "Internal server error"}


def test_an_image_url_is_valid_only_unchanged_and_without_the_token(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    vendor.state(ticket, shape="URLS")
    url: str = get(vendor, images_path(ticket, "DOCUMENT")).json()["images"][0]
    for altered in (url.partition("?")[0], url[:-1]):
        assert requests.get(altered, timeout=5).status_code == 403
    assert requests.get(url, headers=headers(vendor), timeout=5).status_code == 400
    assert vendor.calls(endpoint="picture")[-1]["authorization"] is True


def test_a_credential_sent_after_a_redirect_is_recorded(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    vendor.script("redirect", "details", ticket)
    requests.get(vendor.url + details_path(ticket), headers=headers(vendor), timeout=5)
    assert [call["authorization"] for call in vendor.calls(endpoint="elsewhere")] == [True]


@pytest.mark.parametrize(
    ("action", "given"),
    [
        ("script", {"fault": "gremlin", "endpoint": "details"}),
        ("script", {"fault": "reset", "endpoint": "nowhere"}),
        ("script", {"fault": "token_expired", "endpoint": "images"}),
        ("state", {"ticket": "unknown"}),
        ("latency", {"nowhere": 3}),
    ],
)
def test_an_action_that_would_do_nothing_is_400(vendor: Simulator, action: str, given: dict[str, object]) -> None:
    assert requests.post(f"{vendor.url}/_sim/{action}", json=given, timeout=5).status_code == 400


def test_a_reset_ends_faults_latencies_changes_tokens_and_records(vendor: Simulator) -> None:
    [ticket] = vendor.ids(1)
    before, bearer = vendor.expected(ticket), vendor.service.tokens.issue()["token"]
    vendor.script("unavailable", "details", times=None)
    vendor.latency(details=2000)
    vendor.state(ticket, sizes={}, envelope="STATUS")
    assert get(vendor, details_path(ticket)).status_code == 503
    vendor.reset()
    assert (vendor.calls(), vendor.expected(ticket)) == ([], before)
    assert get(vendor, details_path(ticket), bearer).status_code == 401
    answer = get(vendor, details_path(ticket))
    assert (answer.status_code, answer.elapsed.total_seconds() < 2) == (200, True)


def test_actions_that_the_documentation_and_tests_name_exist() -> None:
    files = [ROOT / "local" / "README.md", *(ROOT / "tests").rglob("*.py")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    named = set(re.findall(r'/_sim/(\w+)|\bvendor\(\s*"(\w+)"', text))
    assert {"tickets", "reset"} <= {name for pair in named for name in pair if name} <= set(ACTIONS)


# ─── Varied ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_forty_tickets_have_every_variety() -> None:
    tickets = [SMALL.get(ticket) for ticket in SMALL.ids(40)]
    assert {ticket.shape for ticket in tickets} == set(Shape)
    assert {ticket.absence for ticket in tickets} == set(Absence)
    assert {ticket.outcome for ticket in tickets} == set(Outcome)
    assert {ticket.details_form for ticket in tickets} == set(DetailsForm)
    assert {ticket.document.type for ticket in tickets} == {"PASSPORT", "ID_CARD", "DRIVER_LICENSE", "RESIDENCE_PERMIT"}
    scripts = {"Arabic", "Cyrillic", "Devanagari", "Greek", "Han", "Hebrew", "Japanese", "Latin"}
    assert {ticket.person.script for ticket in tickets} == scripts
    assert {ticket.flow for ticket in tickets} == set(Flow) - {Flow.NOTHING}
    assert {ticket.envelope for ticket in tickets} == set(Envelope)
    unusable = {each for ticket in SMALL.ids(80) for each in SMALL.get(ticket).unusable.values()}
    assert unusable == {Unusable.HTML, Unusable.SVG}
    formats = {picture.content_type for ticket in tickets for kind in ImageType for picture in ticket.pictures(kind)}
    assert formats == set(FileFormat)


def test_a_new_take_replaces_every_file_of_the_same_person() -> None:
    before, after = (SMALL.get(SMALL.id(0), State(take=take)) for take in (0, 1))
    assert details(before) == details(after)
    for kind in ImageType:
        old, new = ({picture.sha256 for picture in ticket.pictures(kind)} for ticket in (before, after))
        assert len(old) == len(new)
        assert not old & new


def test_hard_details_exceed_the_tables_limits() -> None:
    def of(form: DetailsForm) -> str:
        return json.dumps(details(SMALL.get(SMALL.id(0), State(details=form))), ensure_ascii=False)

    assert "1" + "0" * 43 + "7" in of(DetailsForm.PRECISE)
    assert of(DetailsForm.DEEP).count('{"next": [') == 40
    assert len(of(DetailsForm.LARGE).encode()) > 400 * 1024
