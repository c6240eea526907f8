"""Preventor's API as this side uses it: one token for all, few and quick tries, and the token nowhere else."""

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from urllib3 import HTTPHeaderDict

from ingest.files.parsing import InlineFile, LinkedFile
from ingest.vendor import client
from ingest.vendor import client as client_module
from ingest.vendor.client import ATTEMPT_TIMEOUT, MAX_BYTES, TOKEN_MAX_BYTES, Preventor
from ingest.vendor.http import HttpClient, Response
from ticket_archive.errors import (
    DeadlineExceeded,
    InvalidRequest,
    InvalidVendorResponse,
    RetryableError,
    SettingsError,
    TicketNotFound,
    UnrecognizedResponse,
    VendorAuthError,
    VendorThrottled,
    VendorUnavailable,
)
from ticket_archive.models import ImageType
from ticket_archive.webhook_credentials import VendorCredential

ORIGIN = "https://api.client_module.com"
TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
TOKEN_PATH = "/id/v1/identity/auth/token"
DETAILS_PATH = f"/id/v1/identity/transactions/{TICKET}"
IMAGES_PATH = f"{DETAILS_PATH}/images"

# The smallest JPEG that is whole: a frame header (one pixel), a scan, the end.
JPEG = bytes.fromhex("ffd8 ffc0 000b 08 0001 0001 01 01 11 00 ffda 0008 01 01 00 00 3f 00 ff00 ffd9")
SELFIES = {"images": ["data:image/jpeg;base64," + base64.b64encode(JPEG).decode()]}


@dataclass
class Call:
    method: str
    url: str
    headers: Mapping[str, str]
    deadline: float
    max_bytes: int
    public_only: bool

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


Reply = Response | Exception | Callable[[Call], Response]


def answer(status: int = 200, body: object = None, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = HTTPHeaderDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, raw, "application/json")


def refused(status: int, code: str = "", **headers: str) -> Response:
    return answer(status, {"status": status, "code": code, "message": "no"}, **headers)


@dataclass
class FakeTransport:
    """Answers by path. `next` (by path) come first, and once."""

    calls: list[Call] = field(default_factory=list)
    next: dict[str, deque[Reply]] = field(default_factory=dict)
    tokens: int = 0
    good: Callable[[str], bool] = lambda _token: True
    """Whether the vendor takes a token."""

    def answers(self, path: str, *replies: Reply) -> None:
        self.next.setdefault(path, deque()).extend(replies)

    def to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline: float,
        max_bytes: int,
        public_only: bool = False,
    ) -> Response:
        call = Call(method, url, headers, deadline, max_bytes, public_only)
        self.calls.append(call)
        scripted = self.next.get(call.path)
        reply = scripted.popleft() if scripted else self._standing
        if isinstance(reply, Exception):
            raise reply
        return reply(call) if callable(reply) else reply

    def _standing(self, call: Call) -> Response:
        if call.path == TOKEN_PATH:
            self.tokens += 1
            return answer(201, {"token": f"token-{self.tokens}", "expiracy": int(time.time()) + 1200})
        if call.headers.get("Authorization", "").startswith("Bearer ") and not self.good(call.headers["Authorization"]):
            return refused(401)
        if call.path == DETAILS_PATH:
            return answer(200, {"flow_status": "ACCEPTED"})
        if call.path == IMAGES_PATH:
            return answer(200, SELFIES)
        return Response(200, {}, JPEG, "image/jpeg")


class Credentials:
    """The vendor's credential, as Secrets Manager would give it: `newer` shows once it is read afresh."""

    def __init__(self) -> None:
        self.current = self.made("key", "secret")
        self.newer: VendorCredential | None = None
        self.fresh_reads = 0

    @staticmethod
    def made(api_key: str, secret: str) -> VendorCredential:
        return VendorCredential(
            api_key=api_key,
            secret=secret,
            tenant="tenant",
            env="SANDBOX",
            banknu="B1",
        )

    def __call__(self, *, fresh: bool = False) -> VendorCredential:
        if fresh:
            self.fresh_reads += 1
            self.current = self.newer or self.current
        return self.current


class Vendor:
    """A Preventor on a fake transport. `pauses` are those that it would have slept."""

    def __init__(self, origin: str = ORIGIN, image_hosts: tuple[str, ...] = ("images.example.com",)) -> None:
        self.transport = FakeTransport()
        self.credentials = Credentials()
        self.pauses: list[float] = []
        self.api = Preventor(
            origin, self.credentials, cast("HttpClient", self.transport), image_hosts, sleep=self.pauses.append
        )

    def details(self, seconds: float = 10.0, ticket: str = TICKET) -> Any:
        return self.api.details(ticket, time.monotonic() + seconds).value

    def images(
        self, kind: ImageType = ImageType.SELF_PORTRAITS, seconds: float = 10.0, ticket: str = TICKET
    ) -> list[InlineFile | LinkedFile]:
        return self.api.files(ticket, kind, time.monotonic() + seconds)

    def linked(self, url: str = "https://images.example.com/1.jpg", seconds: float = 10.0) -> InlineFile:
        return self.api.linked_file(LinkedFile(url), time.monotonic() + seconds)


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


class TestTheCalls:
    def test_for_details_that_are_an_error_or_nothing_are_not_understood(self, vendor: Vendor) -> None:
        for body in ({}, {"status": 200, "code": "SUCCESS", "message": "ok"}):
            vendor.transport.answers(DETAILS_PATH, answer(200, body))

            with pytest.raises(UnrecognizedResponse) as raised:
                vendor.details()
            assert (raised.value.detail, json.loads(raised.value.body)) == ("details_of_no_ticket", body)

    def test_for_details(self, vendor: Vendor) -> None:
        assert vendor.details() == {"flow_status": "ACCEPTED"}

        [call] = vendor.transport.to(DETAILS_PATH)
        assert (call.method, call.url, call.max_bytes, call.public_only) == (
            "GET",
            ORIGIN + DETAILS_PATH,
            MAX_BYTES,
            False,
        )
        assert call.headers["Authorization"] == "Bearer token-1"
        assert call.headers["x-api-key"] == "key"

    @pytest.mark.parametrize("kind", list(ImageType))
    def test_for_images_ask_for_one_type(self, vendor: Vendor, kind: ImageType) -> None:
        [image] = vendor.images(kind)

        assert isinstance(image, InlineFile)
        assert image.data == JPEG
        [call] = vendor.transport.to(IMAGES_PATH)
        assert parse_qs(urlsplit(call.url).query) == {"type": [kind.value]}
        assert call.headers["Authorization"] == "Bearer token-1"

    def test_for_a_token_carry_the_whole_credential(self, vendor: Vendor) -> None:
        vendor.details()

        [call] = vendor.transport.to(TOKEN_PATH)
        assert (call.method, call.max_bytes) == ("POST", TOKEN_MAX_BYTES)
        assert call.headers["Authorization"] == "Basic " + base64.b64encode(b"key:secret").decode()
        assert [call.headers[f"x-{name}"] for name in ("api-key", "tenant", "env", "banknu")] == [
            "key",
            "tenant",
            "SANDBOX",
            "B1",
        ]

    def test_for_a_token_leave_out_what_the_credential_does_not_have(self, vendor: Vendor) -> None:
        vendor.credentials.current = VendorCredential(api_key="key", secret="secret")

        vendor.details()

        assert not {"x-tenant", "x-env", "x-banknu"} & vendor.transport.to(TOKEN_PATH)[0].headers.keys()

    def test_end_with_the_deadline_or_their_own_limit(self, vendor: Vendor) -> None:
        began = time.monotonic()

        vendor.details(seconds=3.0)
        vendor.details(seconds=300.0)

        short, long = vendor.transport.to(DETAILS_PATH)
        assert short.deadline - began == pytest.approx(3.0, abs=0.5)
        assert long.deadline - began == pytest.approx(ATTEMPT_TIMEOUT, abs=0.5)

    @pytest.mark.parametrize(
        "ticket", ["", "../T", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\r\nX: y", "é", "-a", "a" * 129, ".", "a\x00"]
    )
    def test_are_never_made_for_what_cannot_be_a_tickets_id(self, vendor: Vendor, ticket: str) -> None:
        for ask in (vendor.details, vendor.images):
            with pytest.raises(InvalidRequest):
                ask(ticket=ticket)

        assert vendor.transport.calls == []


class TestTheToken:
    def test_is_fetched_once_for_many_calls(self, vendor: Vendor) -> None:
        for _ in range(3):
            vendor.details()
            vendor.images()

        assert len(vendor.transport.to(TOKEN_PATH)) == 1

    def test_is_fetched_once_for_many_threads(self, vendor: Vendor) -> None:
        together = threading.Barrier(8, timeout=5)

        def slow(call: Call) -> Response:
            time.sleep(0.05)
            return answer(200, {"token": "slow", "expiracy": int(time.time()) + 1200})

        vendor.transport.answers(TOKEN_PATH, slow)

        def ask() -> Any:
            together.wait()
            return vendor.details()

        with ThreadPoolExecutor(8) as pool:
            [future.result() for future in [pool.submit(ask) for _ in range(8)]]

        assert len(vendor.transport.to(TOKEN_PATH)) == 1
        assert {call.headers["Authorization"] for call in vendor.transport.to(DETAILS_PATH)} == {"Bearer slow"}

    def test_that_is_refused_is_replaced_once_and_the_call_repeated_at_once(self, vendor: Vendor) -> None:
        vendor.details()
        vendor.transport.good = lambda header: header != "Bearer token-1"

        vendor.details()

        assert len(vendor.transport.to(TOKEN_PATH)) == 2
        assert [call.headers["Authorization"] for call in vendor.transport.to(DETAILS_PATH)][1:] == [
            "Bearer token-1",
            "Bearer token-2",
        ]
        assert vendor.pauses == []

    def test_that_is_refused_twice_is_access_denied(self, vendor: Vendor) -> None:
        vendor.transport.good = lambda _header: False

        with pytest.raises(VendorAuthError) as raised:
            vendor.details()

        assert raised.value.detail == "401"
        assert len(vendor.transport.to(TOKEN_PATH)) == 2
        assert len(vendor.transport.to(DETAILS_PATH)) == 2
        assert vendor.pauses == []

    def test_that_is_refused_for_good_does_not_hammer_the_token_endpoint(self, vendor: Vendor) -> None:
        vendor.transport.good = lambda _header: False

        for _ in range(6):
            with pytest.raises(VendorAuthError):
                vendor.details()

        assert len(vendor.transport.to(TOKEN_PATH)) == 2

    def test_that_many_threads_see_refused_is_replaced_once(self, vendor: Vendor) -> None:
        vendor.details()
        vendor.transport.good = lambda header: header != "Bearer token-1"
        together = threading.Barrier(6, timeout=5)

        def meet(call: Call) -> Response:
            together.wait()
            return refused(401)

        vendor.transport.answers(IMAGES_PATH, *[meet] * 6)
        with ThreadPoolExecutor(6) as pool:
            results = [future.result() for future in [pool.submit(vendor.images) for _ in range(6)]]

        assert all(len(images) == 1 for images in results)
        assert len(vendor.transport.to(TOKEN_PATH)) == 2

    def test_is_not_asked_for_again_for_a_403(self, vendor: Vendor) -> None:
        vendor.transport.answers(DETAILS_PATH, refused(403))

        with pytest.raises(VendorAuthError):
            vendor.details()
        assert len(vendor.transport.calls) == 2

    @pytest.mark.parametrize("status", [401, 403])
    def test_that_is_denied_has_the_credential_read_again_once(self, vendor: Vendor, status: int) -> None:
        vendor.transport.answers(TOKEN_PATH, refused(status))

        with pytest.raises(VendorAuthError):
            vendor.details()

        assert vendor.credentials.fresh_reads == 1
        assert len(vendor.transport.calls) == 1, "the same credential is not tried twice"

    def test_that_is_denied_now_and_then_costs_no_pause(self, vendor: Vendor) -> None:
        """GIVEN two accidents with a success between them, WHEN it is asked for again at once, THEN it is fetched."""
        for _ in range(2):
            vendor.transport.answers(TOKEN_PATH, refused(401))
            with pytest.raises(VendorAuthError):
                vendor.details()
            vendor.details()
            vendor.transport.good = lambda header: header == f"Bearer token-{vendor.transport.tokens}"
            vendor.transport.tokens += 1  # the token that is known here is none any more

    def test_is_asked_for_with_a_credential_that_was_rotated(self, vendor: Vendor) -> None:
        vendor.transport.answers(TOKEN_PATH, refused(401))
        vendor.credentials.newer = Credentials.made("new-key", "new-secret")

        vendor.details()

        assert [call.headers["x-api-key"] for call in vendor.transport.calls] == ["key", "new-key", "new-key"]
        assert vendor.credentials.fresh_reads == 1

    def test_that_is_denied_to_the_rotated_credential_too_is_access_denied(self, vendor: Vendor) -> None:
        vendor.transport.answers(TOKEN_PATH, refused(401), refused(401))
        vendor.credentials.newer = Credentials.made("new-key", "new-secret")

        with pytest.raises(VendorAuthError):
            vendor.details()

        assert vendor.credentials.fresh_reads == 1
        assert len(vendor.transport.to(TOKEN_PATH)) == 2

    @pytest.mark.parametrize("code", ["", "TCKTNTFND"])
    def test_whose_address_is_not_found_says_nothing_of_a_ticket(self, vendor: Vendor, code: str) -> None:
        vendor.transport.answers(TOKEN_PATH, refused(404, code), refused(404, code))

        for ask in (vendor.details, vendor.images):
            with pytest.raises(InvalidVendorResponse):
                ask()

    @pytest.mark.parametrize(
        "body", [b"<html>", b"{}", b'{"token": ""}', b'{"token": "a\\nb"}', b"[]", b'{"token": 7}']
    )
    def test_that_is_none_is_misbehaviour(self, vendor: Vendor, body: bytes) -> None:
        vendor.transport.answers(TOKEN_PATH, answer(200, body))

        with pytest.raises(InvalidVendorResponse):
            vendor.details()

    def test_is_tried_for_quickly_like_any_other_call(self, vendor: Vendor) -> None:
        vendor.transport.answers(TOKEN_PATH, refused(503), VendorUnavailable("reset"))

        vendor.details()

        assert len(vendor.transport.to(TOKEN_PATH)) == 3

    def test_is_not_hammered_for_by_many_threads(self, vendor: Vendor) -> None:
        together = threading.Barrier(8, timeout=5)
        vendor.api._sleep = lambda seconds: cast("None", together.wait())

        def fail(call: Call) -> Response:
            time.sleep(0.05)
            return refused(503)

        vendor.transport.answers(TOKEN_PATH, *[fail] * 100)

        def ask() -> None:
            together.wait()
            with pytest.raises(VendorUnavailable):
                vendor.details()

        with ThreadPoolExecutor(8) as pool:
            [future.result() for future in [pool.submit(ask) for _ in range(8)]]

        assert len(vendor.transport.to(TOKEN_PATH)) < 12, "about one for each of three rounds, not eight"


QUICK = [refused(500), refused(502), refused(503), refused(504), refused(408), VendorUnavailable("truncated")]


class TestTryingAgain:
    @pytest.mark.parametrize("failure", QUICK, ids=lambda reply: str(getattr(reply, "status", reply)))
    def test_happens_twice_with_growing_pauses(self, vendor: Vendor, failure: Reply) -> None:
        vendor.transport.answers(DETAILS_PATH, failure, failure)

        vendor.details()

        assert len(vendor.transport.to(DETAILS_PATH)) == 3
        first, second = vendor.pauses
        assert 0.1 <= first <= 0.2
        assert 0.3 <= second <= 0.6

    @pytest.mark.parametrize("failure", QUICK, ids=lambda reply: str(getattr(reply, "status", reply)))
    def test_ends_after_three_tries(self, vendor: Vendor, failure: Reply) -> None:
        vendor.transport.answers(DETAILS_PATH, failure, failure, failure, failure)

        with pytest.raises(VendorUnavailable):
            vendor.details()

        assert len(vendor.transport.to(DETAILS_PATH)) == 3
        assert len(vendor.pauses) == 2

    def test_happens_for_an_answer_that_was_cut_off(self, vendor: Vendor) -> None:
        vendor.transport.answers(DETAILS_PATH, answer(200, b'{"flow_status": "ACCE'))
        vendor.transport.answers(IMAGES_PATH, answer(200, b'{"images": ["data:image/jpeg;base64,/9j/'))

        vendor.details()
        vendor.images()

        assert len(vendor.pauses) == 2

    def test_happens_for_a_linked_image(self, vendor: Vendor) -> None:
        vendor.transport.answers("/1.jpg", refused(503), Response(200, {}, JPEG[:-2], "image/jpeg"))

        assert vendor.linked().data == JPEG
        assert len(vendor.pauses) == 2

    @pytest.mark.parametrize(
        "failure",
        [
            refused(429),
            refused(429, Retry_After="1"),
            refused(400, "BDRQST"),
            refused(404),
            refused(403),
            answer(200, b"<html>Good day</html>"),
            InvalidVendorResponse("too_large"),
        ],
        ids=["429", "429 with a pause", "400", "404", "403", "HTML", "too large"],
    )
    def test_does_not_happen_where_that_makes_no_sense(self, vendor: Vendor, failure: Reply) -> None:
        vendor.transport.answers(DETAILS_PATH, failure)

        with pytest.raises((RetryableError, UnrecognizedResponse)):
            vendor.details()

        assert len(vendor.transport.to(DETAILS_PATH)) == 1
        assert vendor.pauses == []

    def test_does_not_happen_before_the_vendor_wants_it(self, vendor: Vendor) -> None:
        vendor.transport.answers(DETAILS_PATH, refused(503, Retry_After="30"))

        with pytest.raises(VendorUnavailable) as raised:
            vendor.details()

        assert raised.value.retry_after == 30
        assert vendor.pauses == []

    def test_does_not_happen_where_no_time_is_left(self, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client_module, "_QUICK_PAUSES", (60.0, 60.0))
        vendor.transport.answers(DETAILS_PATH, refused(503))

        with pytest.raises(VendorUnavailable):
            vendor.details(seconds=10.0)

        assert vendor.pauses == []

    def test_does_not_happen_after_a_try_that_took_all_the_time(
        self, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_module, "_QUICK_PAUSES", (0.8, 0.8))

        def slow(call: Call) -> Response:
            time.sleep(0.6)
            return refused(503)

        vendor.transport.answers(DETAILS_PATH, slow)

        with pytest.raises(VendorUnavailable):
            vendor.details(seconds=1.5)

        assert vendor.pauses == [], "a pause that no try could follow"

    def test_is_not_even_begun_without_time(self, vendor: Vendor) -> None:
        for ask in (vendor.details, vendor.images, vendor.linked):
            with pytest.raises(DeadlineExceeded):
                ask(seconds=0.1)

        assert vendor.transport.calls == []

    def test_hands_on_what_a_429_asks_for(self, vendor: Vendor) -> None:
        vendor.transport.answers(IMAGES_PATH, refused(429, Retry_After="120"))

        with pytest.raises(VendorThrottled) as raised:
            vendor.images()

        assert raised.value.retry_after == 120

    def test_leaves_a_fault_of_ours_alone(self, vendor: Vendor) -> None:
        def malformed(*, fresh: bool = False) -> VendorCredential:
            raise SettingsError("vendor credential: malformed")

        vendor.api._credential = malformed

        with pytest.raises(SettingsError):
            vendor.details()
        assert vendor.transport.calls == []


class TestNotFound:
    @pytest.mark.parametrize("reply", [refused(404), refused(404, "TCKTNTFND"), refused(400, "TCKTNTFND")])
    def test_of_details_is_the_ticket(self, vendor: Vendor, reply: Response) -> None:
        vendor.transport.answers(DETAILS_PATH, reply)

        with pytest.raises(TicketNotFound):
            vendor.details()

    @pytest.mark.parametrize("reply", [refused(404), refused(404, "TCKTNTFND"), answer(200, {"images": []})])
    def test_of_images_is_none_of_that_type(self, vendor: Vendor, reply: Response) -> None:
        vendor.transport.answers(IMAGES_PATH, reply)

        assert vendor.images() == []

    def test_of_images_is_not_what_a_token_that_cannot_be_had_means(self, vendor: Vendor) -> None:
        vendor.transport.answers(TOKEN_PATH, refused(404))

        with pytest.raises(InvalidVendorResponse):
            vendor.images()

    def test_of_a_link_is_misbehaviour(self, vendor: Vendor) -> None:
        vendor.transport.answers("/1.jpg", refused(404, "TCKTNTFND"))

        with pytest.raises(InvalidVendorResponse):
            vendor.linked()

    @pytest.mark.parametrize("status", [401, 403])
    def test_or_expired_of_a_link_says_nothing_of_the_credential(self, vendor: Vendor, status: int) -> None:
        vendor.transport.answers("/1.jpg", refused(status))

        with pytest.raises(InvalidVendorResponse):
            vendor.linked()


class TestALinkedImage:
    def test_is_fetched_without_token_key_or_cookie(self, vendor: Vendor) -> None:
        vendor.details()

        vendor.linked()

        call = vendor.transport.calls[-1]
        assert call.url == "https://images.example.com/1.jpg"
        assert {name.lower() for name in call.headers} == {"accept", "user-agent"}
        assert "token-1" not in str(call.headers)

    def test_is_fetched_without_them_from_the_vendor_too(self, vendor: Vendor) -> None:
        vendor.linked(f"{ORIGIN}/files/1.jpg")

        [call] = vendor.transport.calls
        assert {name.lower() for name in call.headers} == {"accept", "user-agent"}

    def test_comes_from_public_addresses_alone(self, vendor: Vendor) -> None:
        vendor.linked()

        assert vendor.transport.calls[-1].public_only
        assert vendor.transport.calls[-1].max_bytes == MAX_BYTES

    @pytest.mark.parametrize(
        "url",
        [
            "http://images.example.com/1.jpg",
            "https://evil.example.com/1.jpg",
            "https://169.254.169.254/latest/meta-data",
            "https://images.example.com@evil.example.com/",
            "https://images.example.com:8443/1.jpg",
        ],
    )
    def test_elsewhere_is_refused_before_anything_is_sent(self, vendor: Vendor, url: str) -> None:
        with pytest.raises(InvalidVendorResponse) as raised:
            vendor.linked(url)

        assert vendor.transport.calls == []
        assert url not in str(raised.value)

    def test_that_is_none_is_not_understood(self, vendor: Vendor) -> None:
        vendor.transport.answers("/1.jpg", answer(200, b"<html>Good day</html>"))

        with pytest.raises(UnrecognizedResponse) as raised:
            vendor.linked()
        assert raised.value.body == b"<html>Good day</html>"


def test_nothing_secret_shows(vendor: Vendor) -> None:
    vendor.transport.good = lambda _header: False

    with pytest.raises(VendorAuthError) as raised:
        vendor.details()

    shown = f"{raised.value!r} {vendor.credentials.current!r} {vendor.api!r} {vars(raised.value)}"
    assert "token-" not in shown
    assert "'secret'" not in shown


def test_the_caps_fit_what_the_vendors_gateway_lets_through() -> None:
    assert client.MAX_BYTES >= 10 * 1024 * 1024
