"""The token: one call for many threads, replacement, back-off."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from ingest.vendor.auth import TokenSource
from ingest.vendor.token_response import Token
from ticket_archive.errors import DeadlineExceeded, RetryableError, VendorAuthError, VendorUnavailable

FAR = 1e9  # monotonic seconds


class Vendor:
    """A token endpoint: t1, t2, …, or a failure. `time` is in monotonic seconds that only the test moves."""

    def __init__(self) -> None:
        self.life = 1200.0
        self.time = 1000.0
        self.calls = 0
        self.deadlines: list[float] = []
        self.failure: Exception | None = None

    def __call__(self, deadline: float) -> Token:
        self.calls += 1
        self.deadlines.append(deadline)
        if self.failure is not None:
            raise self.failure
        return Token(f"t{self.calls}", self.life)


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def source(vendor: Vendor) -> TokenSource:
    return TokenSource(vendor, lambda: vendor.time)


def test_token_is_fetched_once_and_cached(vendor: Vendor, source: TokenSource) -> None:
    assert [source.get(FAR) for _ in range(3)] == ["t1"] * 3
    assert vendor.deadlines == [FAR]


@pytest.mark.parametrize(("life", "old_after"), [(1200.0, 1140.0), (300.0, 240.0), (60.0, 48.0), (30.0, 24.0)])
def test_token_is_renewed_before_it_expires(vendor: Vendor, source: TokenSource, life: float, old_after: float) -> None:
    vendor.life = life
    source.get(FAR)
    vendor.time += old_after - 0.01
    assert source.get(FAR) == "t1"
    vendor.time += 0.02
    assert source.get(FAR) == "t2"


def test_new_token_refused_stops_token_calls_for_five_seconds(vendor: Vendor, source: TokenSource) -> None:
    # GIVEN a vendor that refuses every token
    source.reject(source.get(FAR))
    refused = source.get(FAR)
    for _ in range(16):  # threads that meet the same refusal: it counts once
        source.back_off()
    # WHEN the calls go on
    for _ in range(10):
        source.reject(source.get(FAR))
    # THEN the token endpoint is left alone
    assert (source.get(FAR), vendor.calls) == (refused, 2)
    # until five seconds later
    vendor.time += 5
    source.reject(refused)
    assert source.get(FAR) == "t3"


@pytest.mark.parametrize("at_the_token", [False, True])
def test_lasting_refusal_doubles_backoff_to_a_minute(vendor: Vendor, source: TokenSource, at_the_token: bool) -> None:
    """GIVEN a vendor that refuses all tokens, or the credential itself, WHEN a second's calls go on for ten minutes."""
    if at_the_token:
        vendor.failure = VendorAuthError("401")
    asked: list[float] = []
    for _ in range(600):
        before = vendor.calls
        try:
            source.reject(source.get(FAR))
            renewed = source.get(FAR)
        except VendorAuthError:
            pass
        else:
            if vendor.calls > before:
                source.back_off()
                source.reject(renewed)
        asked += [vendor.time - 1000.0] * (vendor.calls > before)
        vendor.time += 1
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses[:5] == ([1, 5, 10, 20, 40] if at_the_token else [5, 5, 10, 20, 40])
    assert set(pauses[5:]) == {60}


def test_success_resets_the_backoff(vendor: Vendor, source: TokenSource) -> None:
    # GIVEN a credential that was refused three times
    vendor.failure = VendorAuthError("401")
    for pause in (0, 1, 5):
        vendor.time += pause
        with pytest.raises(VendorAuthError):
            source.get(FAR)
    # WHEN it is repaired, and the vendor answers
    vendor.failure = None
    vendor.time += 10
    source.get(FAR)
    source.reset_backoff()
    # THEN one refusal is an accident again, which costs no pause
    source.reject(f"t{vendor.calls}")
    vendor.failure = VendorAuthError("401")
    with pytest.raises(VendorAuthError):
        source.get(FAR)
    vendor.time += 0.01
    vendor.failure = None
    assert source.get(FAR)


def test_backoff_repeats_only_a_refusal_since_the_last_token(vendor: Vendor, source: TokenSource) -> None:
    # GIVEN a refusal, then a token, which the vendor refuses until it has expired
    vendor.failure = VendorAuthError("401")
    with pytest.raises(VendorAuthError):
        source.get(FAR)
    vendor.failure, vendor.life, vendor.time = None, 1.0, 1001.0
    source.get(FAR)
    source.back_off()
    # WHEN the token endpoint fails during the back-off, THEN it is called each time
    vendor.failure = VendorUnavailable("503")
    for calls in (3, 4):
        vendor.time += 1
        with pytest.raises(VendorUnavailable):
            source.get(FAR)
        assert vendor.calls == calls


def test_rejecting_a_replaced_token_has_no_effect(vendor: Vendor, source: TokenSource) -> None:
    # GIVEN two calls that were refused with the same token, the first of which has brought a new one
    old = source.get(FAR)
    source.reject(old)
    source.get(FAR)
    # WHEN the second complains too
    source.reject(old)
    # THEN the new token stays
    assert source.get(FAR) == "t2"
    assert vendor.calls == 2


@pytest.mark.parametrize("failure", [None, VendorUnavailable("503", retry_after=7.0)])
def test_many_threads_share_one_call_and_its_result(failure: RetryableError | None) -> None:
    # GIVEN a vendor that answers when eight threads have asked for a token
    asking: set[int] = set()
    vendor = Vendor()
    vendor.failure = failure

    def clock() -> float:
        asking.add(threading.get_ident())  # each thread notes first when it asked
        return time.monotonic()

    def fetch(deadline: float) -> Token:
        while len(asking) < 8 and time.monotonic() < deadline:
            time.sleep(0.002)
        return vendor(deadline)

    source = TokenSource(fetch, clock)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(source.get, time.monotonic() + 10) for _ in range(8)]
    results = [call.exception() or call.result() for call in calls]
    # THEN the endpoint was asked once
    assert vendor.calls == 1
    if failure is None:
        assert results == ["t1"] * 8
        return
    assert [(type(error), str(error)) for error in results] == [(VendorUnavailable, "vendor_unavailable: 503")] * 8
    assert {error.retry_after for error in results if isinstance(error, RetryableError)} == {7.0}
    assert len(set(map(id, results))) == 8, "an exception belongs to one thread: its traceback grows with each raise"


def test_thread_waits_no_longer_than_its_deadline() -> None:
    # GIVEN a call for a token that takes long
    inside, leave = threading.Event(), threading.Event()

    def fetch(deadline: float) -> Token:
        inside.set()
        leave.wait(10)
        return Token("t", 1200)

    source = TokenSource(fetch)
    first = threading.Thread(target=source.get, args=(time.monotonic() + 10,))
    first.start()
    inside.wait(10)
    # WHEN another needs a token within less
    began = time.monotonic()
    try:
        with pytest.raises(DeadlineExceeded):
            source.get(time.monotonic() + 0.05)
        with pytest.raises(DeadlineExceeded):
            source.get(time.monotonic() - 5)
    finally:
        leave.set()
        first.join(10)
    # THEN it goes its way in time
    assert time.monotonic() - began < 5
