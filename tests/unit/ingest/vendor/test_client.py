"""Preventor: calls and their headers, the shared token, retries, and what each response means."""

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

from ingest.files.decoding import InlineFile, LinkedFile
from ingest.vendor import client
from ingest.vendor.client import ATTEMPT_TIMEOUTS, MAX_RESPONSE_BYTES, MAX_TOKEN_BYTES, Preventor
from ingest.vendor.http import HttpClient, Response
from tests.support.ingest_pipeline import IMAGES, JPEG, answer
from ticket_archive.errors import (
    DeadlineExceeded,
    InvalidRequest,
    InvalidTokenResponse,
    InvalidVendorResponse,
    RetryableError,
    UnrecognizedResponse,
    VendorAuthError,
    VendorUnavailable,
)
from ticket_archive.models import ImageType
from ticket_archive.secrets import VendorCredential

ORIGIN = "https://api.preventor.com"
TICKET = "762ebbda-0edb-4e48-86bc-11a280273601"
TOKEN_PATH = "/id/v1/identity/auth/token"
DETAILS_PATH = f"/id/v1/identity/transactions/{TICKET}"
IMAGES_PATH = f"{DETAILS_PATH}/images"
MAX_CALLS = 2


@dataclass
class Call:
    method: str
    url: str
    headers: Mapping[str, str]
    deadline: float
    max_bytes: int
    public_only: bool = False

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


Reply = Response | Exception | Callable[[Call], Response]


def refused(status: int, code: str = "", **headers: str) -> Response:
    return answer(status, {"status": status, "code": code, "message": "no"}, **headers)


@dataclass
class FakeHttpClient:
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

    def send(self, method: str, url: str, **given: Any) -> Response:
        call = Call(method, url, **given)
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
            return answer(200, IMAGES)
        return Response(200, {}, JPEG, "image/jpeg")


class Credentials:
    """The vendor's credential, as Secrets Manager would give it: `newer` shows once it is read afresh."""

    def __init__(self) -> None:
        self.current = self.made("key", "secret")
        self.newer: VendorCredential | None = None
        self.fresh_reads = 0

    @staticmethod
    def made(api_key: str, secret: str) -> VendorCredential:
        return VendorCredential(api_key=api_key, secret=secret, tenant="tenant", env="SANDBOX", banknu="B1")

    def __call__(self, *, fresh: bool = False) -> VendorCredential:
        if fresh:
            self.fresh_reads += 1
            self.current = self.newer or self.current
        return self.current


class Vendor:
    """A Preventor on a fake transport. `pauses` are those that it would have slept."""

    def __init__(self, origin: str = ORIGIN, image_hosts: tuple[str, ...] = ("images.example.com",)) -> None:
        self.http = FakeHttpClient()
        self.credentials = Credentials()
        self.pauses: list[float] = []
        self.observed: list[str] = []
        self.seconds: list[float] = []
        self.api = Preventor(
            origin,
            self.credentials,
            cast("HttpClient", self.http),
            image_hosts,
            "Mozilla/5.0 (test)",
            max_calls=MAX_CALLS,
            observe=self._observe,
            sleep=self.pauses.append,
        )
        self._ahead = 0.0

    def tokens_age(self, seconds: float) -> None:
        self._ahead += seconds
        self.api._tokens._clock = lambda: time.monotonic() + self._ahead

    def _observe(self, call: Any, seconds: float, error: RetryableError | None) -> None:
        self.observed.append(f"{call} {error}")
        self.seconds.append(seconds)

    def details(self, seconds: float = 10.0, ticket: str = TICKET) -> Any:
        return self.api.details(ticket, time.monotonic() + seconds).value

    def files(
        self, kind: ImageType = ImageType.SELF_PORTRAITS, seconds: float = 10.0, ticket: str = TICKET
    ) -> list[InlineFile | LinkedFile]:
        return self.api.files(ticket, kind, time.monotonic() + seconds)

    def linked(self, url: str = "https://images.example.com/1.jpg", seconds: float = 10.0) -> InlineFile:
        return self.api.linked_file(LinkedFile(url), time.monotonic() + seconds)


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


def test_every_attempt_is_observed(vendor: Vendor) -> None:
    vendor.http.answers(DETAILS_PATH, VendorUnavailable("reset"))
    assert vendor.details() == {"flow_status": "ACCEPTED"}
    assert vendor.observed == ["token None", "details vendor_unavailable: reset", "details None"]


def test_calls_over_the_limit_wait_for_their_turn_and_the_wait_is_not_observed(vendor: Vendor) -> None:
    vendor.details()
    together, ends = threading.Barrier(3), threading.Event()

    def busy(_call: Call) -> Response:
        together.wait(5)
        assert ends.wait(5)
        raise VendorUnavailable("reset")

    vendor.http.answers(IMAGES_PATH, busy, busy)
    vendor.observed.clear()
    vendor.seconds.clear()
    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(vendor.files) for _ in range(MAX_CALLS)]
        together.wait(5)
        with pytest.raises(VendorUnavailable, match="deadline"):
            vendor.details(seconds=0.6)
        assert vendor.observed == []
        waiting = pool.submit(vendor.details)
        time.sleep(0.2)
        ends.set()
        assert waiting.result(5)
        assert all(each.result(5) for each in first)  # the turns of calls that failed are free again
    [took] = (seconds for call, seconds in zip(vendor.observed, vendor.seconds, strict=True) if call == "details None")
    assert took < 0.2, "the wait of 0.2 seconds is not the vendor's time"


class TestCalls:
    def test_details_and_files_are_fetched_with_one_token_and_the_key(self, vendor: Vendor) -> None:
        assert vendor.details() == {"flow_status": "ACCEPTED"}
        for kind in ImageType:
            [image] = vendor.files(kind)
            assert isinstance(image, InlineFile)
            assert image.data == JPEG
        token, details, *images = vendor.http.calls
        assert (token.path, details.method, details.url) == (TOKEN_PATH, "GET", ORIGIN + DETAILS_PATH)
        assert [parse_qs(urlsplit(call.url).query) for call in images] == [{"type": [kind]} for kind in ImageType]
        for call in (details, *images):
            assert (call.headers["Authorization"], call.headers["x-api-key"]) == ("Bearer token-1", "key")
            assert (call.max_bytes, call.public_only) == (MAX_RESPONSE_BYTES, False)

    def test_details_without_facts_of_a_ticket_are_unrecognized(self, vendor: Vendor) -> None:
        for body in ({}, {"status": 200, "code": "SUCCESS", "message": "ok"}):
            vendor.http.answers(DETAILS_PATH, answer(200, body))
            with pytest.raises(UnrecognizedResponse) as raised:
                vendor.details()
            assert (raised.value.detail, json.loads(raised.value.body)) == ("no_ticket", body)

    def test_token_call_sends_the_whole_credential(self, vendor: Vendor) -> None:
        vendor.details()
        [call] = vendor.http.to(TOKEN_PATH)
        assert (call.method, call.max_bytes) == ("POST", MAX_TOKEN_BYTES)
        assert call.headers["Authorization"] == "Basic " + base64.b64encode(b"key:secret").decode()
        sent = [call.headers[f"x-{name}"] for name in ("api-key", "tenant", "env", "banknu")]
        assert sent == ["key", "tenant", "SANDBOX", "B1"]

    def test_every_call_has_the_configured_user_agent_and_no_empty_values(self, vendor: Vendor) -> None:
        vendor.credentials.current = VendorCredential(api_key="key", secret="secret")
        vendor.details()
        vendor.files()
        vendor.linked()
        assert [call.headers["User-Agent"] for call in vendor.http.calls] == ["Mozilla/5.0 (test)"] * 4
        assert not {"x-tenant", "x-env", "x-banknu"} & vendor.http.to(TOKEN_PATH)[0].headers.keys()

    def test_attempt_ends_at_the_deadline_or_after_its_timeout(self, vendor: Vendor) -> None:
        began = time.monotonic()
        vendor.details(seconds=3.0)
        vendor.http.answers(DETAILS_PATH, *[VendorUnavailable("deadline")] * 2)
        vendor.details(seconds=300.0)
        ends = [call.deadline - began for call in vendor.http.to(DETAILS_PATH)]
        assert ends == pytest.approx([3.0, *ATTEMPT_TIMEOUTS], abs=0.5)

    def test_later_attempts_wait_longer_than_the_vendors_gateway(self) -> None:
        """API Gateway gives up after 29 seconds (docs.aws.amazon.com/apigateway: REST API quotas)."""
        assert min(ATTEMPT_TIMEOUTS[1:]) > 29 > ATTEMPT_TIMEOUTS[0]

    @pytest.mark.parametrize(
        "ticket", ["", "../T", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\r\nX: y", "é", "-a", "a" * 129, ".", "a\x00"]
    )
    def test_invalid_ticket_id_is_never_sent(self, vendor: Vendor, ticket: str) -> None:
        for ask in (vendor.details, vendor.files):
            with pytest.raises(InvalidRequest):
                ask(ticket=ticket)
        assert vendor.http.calls == []


class TestToken:
    def test_refused_token_is_replaced_and_the_call_repeated_at_once(self, vendor: Vendor) -> None:
        vendor.details()
        vendor.http.good = lambda header: header != "Bearer token-1"
        vendor.details()
        assert len(vendor.http.to(TOKEN_PATH)) == 2
        sent = [call.headers["Authorization"] for call in vendor.http.to(DETAILS_PATH)]
        assert sent == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
        assert vendor.pauses == []

    def test_lasting_refusal_of_tokens_is_an_auth_error_after_few_token_calls(self, vendor: Vendor) -> None:
        vendor.http.good = lambda _header: False
        for calls in range(2, 8):
            with pytest.raises(VendorAuthError, match="401") as raised:
                vendor.details()
            assert len(vendor.http.to(TOKEN_PATH)) == 2
            assert len(vendor.http.to(DETAILS_PATH)) == calls
        assert vendor.pauses == []
        shown = f"{raised.value!r} {vendor.credentials.current!r} {vendor.api!r} {vars(raised.value)}"
        assert "token-" not in shown
        assert "'secret'" not in shown

    def test_a_403_costs_an_old_token_one_replacement_and_one_retry(self, vendor: Vendor) -> None:
        vendor.details()
        vendor.http.answers(DETAILS_PATH, refused(403))
        vendor.tokens_age(60)
        assert vendor.details() == {"flow_status": "ACCEPTED"}
        sent = [call.headers["Authorization"] for call in vendor.http.to(DETAILS_PATH)]
        assert sent == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
        assert vendor.pauses == []

    def test_a_type_that_is_always_forbidden_costs_at_most_a_token_a_minute(self, vendor: Vendor) -> None:
        vendor.http.answers(IMAGES_PATH, *[refused(403)] * 99)
        for _ in range(6):
            with pytest.raises(VendorAuthError, match="403") as raised:
                vendor.files()
            assert raised.value.body is not None, "it may be the answer for good"
            vendor.details()
            vendor.tokens_age(20)
        assert len(vendor.http.to(TOKEN_PATH)) == 2

    @pytest.mark.parametrize("status", [401, 403])
    def test_refused_credential_is_read_again_once(self, vendor: Vendor, status: int) -> None:
        vendor.http.answers(TOKEN_PATH, refused(status))
        with pytest.raises(VendorAuthError):
            vendor.details()
        assert vendor.credentials.fresh_reads == 1
        assert len(vendor.http.calls) == 1, "the same credential is not tried twice"

    def test_single_refusals_of_the_credential_cost_no_backoff(self, vendor: Vendor) -> None:
        """GIVEN two accidents with a success between them, WHEN it is asked for again at once, THEN it is fetched."""
        for _ in range(2):
            vendor.http.answers(TOKEN_PATH, refused(401))
            with pytest.raises(VendorAuthError):
                vendor.details()
            vendor.details()
            vendor.http.good = lambda header: header == f"Bearer token-{vendor.http.tokens}"
            vendor.http.tokens += 1  # the token that is known here is none any more

    def test_rotated_credential_is_used_at_once(self, vendor: Vendor) -> None:
        vendor.http.answers(TOKEN_PATH, refused(401))
        vendor.credentials.newer = Credentials.made("new-key", "new-secret")
        vendor.details()
        assert [call.headers["x-api-key"] for call in vendor.http.calls] == ["key", "new-key", "new-key"]
        assert vendor.credentials.fresh_reads == 1


QUICK = [refused(500), refused(502), refused(503), refused(504), refused(408), VendorUnavailable("truncated")]


class TestRetries:
    @pytest.mark.parametrize("failure", QUICK, ids=lambda reply: str(getattr(reply, "status", reply)))
    def test_failure_is_retried_twice_with_growing_pauses_and_then_raised(self, vendor: Vendor, failure: Reply) -> None:
        vendor.http.answers(DETAILS_PATH, *[failure] * 5)
        with pytest.raises(VendorUnavailable):
            vendor.details()
        assert len(vendor.http.to(DETAILS_PATH)) == 3
        first, second = vendor.pauses
        assert 0.1 <= first <= 0.2
        assert 0.3 <= second <= 0.6
        assert vendor.details() == {"flow_status": "ACCEPTED"}

    @pytest.mark.parametrize(
        ("path", "failures"),
        [
            (TOKEN_PATH, [refused(503), VendorUnavailable("reset")]),
            (DETAILS_PATH, [answer(200, b'{"flow_status": "ACCE')]),
            (IMAGES_PATH, [answer(200, b'{"images": ["data:image/jpeg;base64,/9j/')]),
            ("/1.jpg", [refused(503), VendorUnavailable("truncated")]),
        ],
    )
    def test_every_call_is_retried(self, vendor: Vendor, path: str, failures: list[Reply]) -> None:
        vendor.http.answers(path, *failures)
        vendor.details()
        vendor.files()
        assert vendor.linked().data == JPEG
        assert len(vendor.pauses) == len(failures)

    @pytest.mark.parametrize(
        "failure",
        [
            *(refused(status) for status in (429, 400, 404, 403)),
            refused(429, Retry_After="1"),
            answer(200, b"<html>Good day</html>"),
            InvalidVendorResponse("too_large"),
        ],
    )
    def test_permanent_failure_is_not_retried(self, vendor: Vendor, failure: Reply) -> None:
        vendor.http.answers(DETAILS_PATH, failure)
        with pytest.raises((RetryableError, UnrecognizedResponse)):
            vendor.details()
        assert [call.path for call in vendor.http.calls] == [TOKEN_PATH, DETAILS_PATH]
        assert vendor.pauses == []

    def test_broken_compression_may_be_the_answer_but_never_of_a_token(self, vendor: Vendor) -> None:
        for path, kept in ((TOKEN_PATH, None), (DETAILS_PATH, b"half"), (IMAGES_PATH, b"half")):
            vendor.http.answers(path, *[VendorUnavailable("encoding", b"half") for _ in range(3)])
            with pytest.raises(VendorUnavailable) as raised:
                vendor.files() if path == IMAGES_PATH else vendor.details()
            assert raised.value.body == kept

    def test_retry_after_prevents_quick_retries(self, vendor: Vendor) -> None:
        vendor.http.answers(DETAILS_PATH, refused(503, Retry_After="30"))
        with pytest.raises(VendorUnavailable) as raised:
            vendor.details()
        assert raised.value.retry_after == 30
        assert vendor.pauses == []

    def test_pause_beyond_the_deadline_is_not_begun(self, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "_QUICK_PAUSES", (60.0, 60.0))
        vendor.http.answers(DETAILS_PATH, refused(503))
        with pytest.raises(VendorUnavailable):
            vendor.details(seconds=10.0)
        assert vendor.pauses == []

    def test_call_without_time_is_not_begun(self, vendor: Vendor) -> None:
        for ask in (vendor.details, vendor.files, vendor.linked):
            with pytest.raises(DeadlineExceeded):
                ask(seconds=0.1)
        assert vendor.http.calls == []


class TestNotFound:
    @pytest.mark.parametrize("code", ["", "TCKTNTFND"])
    def test_404_of_the_token_endpoint_is_not_ticket_not_found(self, vendor: Vendor, code: str) -> None:
        vendor.http.answers(TOKEN_PATH, refused(404, code), refused(404, code))
        for ask in (vendor.details, vendor.files):
            with pytest.raises(InvalidTokenResponse):
                ask()

    @pytest.mark.parametrize("reply", [refused(404), refused(404, "TCKTNTFND"), answer(200, {"images": []})])
    def test_images_not_found_is_an_empty_list(self, vendor: Vendor, reply: Response) -> None:
        vendor.http.answers(IMAGES_PATH, reply)
        assert vendor.files() == []


class TestPages:
    @pytest.mark.parametrize("parameters", ['rel="next"', "rel=next", 'title="a=b"; Rel="last Next"'])
    def test_a_link_header_to_a_next_page_is_kept_beside_the_files(self, vendor: Vendor, parameters: str) -> None:
        link = f'</images?page=9>; rel="last", </images?page=2>; {parameters}, </images?page=0>; rel="nextish"'
        vendor.http.answers(IMAGES_PATH, answer(200, IMAGES, Link=link))
        *files, rest = vendor.files()
        assert [getattr(file, "data", None) for file in files] == [JPEG]
        assert rest == InlineFile(b"/images?page=2", None)

    def test_a_long_link_header_takes_little_time(self, vendor: Vendor) -> None:
        vendor.http.answers(IMAGES_PATH, answer(200, IMAGES, Link="<" * 30_000))
        began = time.thread_time()
        assert len(vendor.files()) == 1
        assert time.thread_time() - began < 3


class TestRedirect:
    def test_of_an_image_type_is_a_file_at_its_target(self, vendor: Vendor) -> None:
        target = "https://images.example.com/1.jpg?signature=1"
        vendor.http.answers(IMAGES_PATH, InvalidVendorResponse("redirect", target.encode()))
        [file] = vendor.files()
        assert file == LinkedFile(target)
        assert vendor.linked(target).data == JPEG
        assert "Authorization" not in vendor.http.calls[-1].headers

    def test_elsewhere_is_refused_and_a_token_s_target_is_not_kept(self, vendor: Vendor) -> None:
        for path, kept in ((TOKEN_PATH, None), (DETAILS_PATH, b"https://x.test/")):
            vendor.http.answers(path, InvalidVendorResponse("redirect", b"https://x.test/"))
            with pytest.raises(InvalidVendorResponse, match="redirect") as raised:
                vendor.details()
            assert raised.value.body == kept


class TestLinkedFile:
    @pytest.mark.parametrize("url", ["https://images.example.com/1.jpg", f"{ORIGIN}/files/1.jpg"])
    def test_linked_file_is_fetched_without_credentials_from_public_addresses(self, vendor: Vendor, url: str) -> None:
        vendor.details()
        vendor.linked(url)
        call = vendor.http.calls[-1]
        assert (call.url, call.max_bytes) == (url, MAX_RESPONSE_BYTES)
        assert {name.lower() for name in call.headers} == {"accept", "user-agent"}
        assert call.public_only is not url.startswith(ORIGIN)

    @pytest.mark.parametrize(
        "url", ["http://images.example.com/1.jpg", "https://evil.example.com/1.jpg", "https://169.254.169.254/latest"]
    )
    def test_forbidden_url_is_refused_before_anything_is_sent(self, vendor: Vendor, url: str) -> None:
        with pytest.raises(InvalidVendorResponse) as raised:
            vendor.linked(url)
        assert vendor.http.calls == []
        assert url not in str(raised.value)

    @pytest.mark.parametrize(("body", "known"), [(b"<html>Good day</html>", False), (JPEG[:-2], True)])
    def test_linked_file_is_known_to_be_servable_and_complete(self, vendor: Vendor, body: bytes, known: bool) -> None:
        vendor.http.answers("/1.jpg", answer(200, body))
        file = vendor.linked()
        assert (file.data, file.format is not None, file.complete) == (body, known, not known)


def test_one_response_at_a_time_is_parsed(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    parsing, most = 0, 0

    def parse(*_: object) -> list[InlineFile]:
        nonlocal parsing, most
        parsing += 1
        most = max(most, parsing)
        time.sleep(0.01)
        parsing -= 1
        return []

    monkeypatch.setattr(client, "parse_files", parse)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: vendor.files(), range(4)))
    assert most == 1


def test_limit_is_above_that_of_api_gateway() -> None:
    assert client.MAX_RESPONSE_BYTES >= 10 * 1024 * 1024
