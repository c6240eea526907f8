# ruff: noqa: RUF001, the tables hold look-alike characters on purpose
"""Which image URLs may be fetched, and which addresses count as public."""

import ipaddress
import string
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.util import parse_url

from ingest.vendor.url_policy import check_image_url, is_public
from ticket_archive.errors import InvalidVendorResponse

VENDOR = "https://api.preventor.com"
LOCAL_VENDOR = "http://127.0.0.1:8123"
HOSTS = ("images.preventor.com", "*.cdn.example.com")
GOOD = "https://images.preventor.com/t/1.jpg?sig=a%2Fb&x=1"


def check(url: str, vendor: str = VENDOR) -> tuple[str, bool]:
    return check_image_url(url, vendor_origin=vendor, allowed_hosts=HOSTS)


def refused(url: str, vendor: str = VENDOR, allowed_hosts: Sequence[str] = HOSTS) -> bool:
    try:
        check_image_url(url, vendor_origin=vendor, allowed_hosts=allowed_hosts)
    except InvalidVendorResponse as error:
        return error.detail == "image_url"
    return False


ALLOWED = {
    GOOD: GOOD,
    "https://images.preventor.com": "https://images.preventor.com/",
    "https://images.preventor.com/": "https://images.preventor.com/",
    "https://images.preventor.com:443/a": "https://images.preventor.com/a",
    "https://images.preventor.com:0443/a": "https://images.preventor.com/a",
    "https://images.preventor.com?a=1": "https://images.preventor.com/?a=1",
    "https://images.preventor.com/a#top": "https://images.preventor.com/a",
    "https://images.preventor.com#@evil.test/": "https://images.preventor.com/",
    "https://images.preventor.com?#": "https://images.preventor.com/?",
    "HTTPS://IMAGES.Preventor.COM/A": "https://images.preventor.com/A",
    "https://images.preventor.com/@evil.test/": "https://images.preventor.com/@evil.test/",
    "https://images.preventor.com/http://evil.test/": "https://images.preventor.com/http://evil.test/",
    "https://images.preventor.com//evil.test/": "https://images.preventor.com//evil.test/",
    "https://images.preventor.com/?u=https://169.254.169.254/": "https://images.preventor.com/?u=https://169.254.169.254/",
    "https://images.preventor.com/%2e%2e/a": "https://images.preventor.com/%2e%2e/a",
    "https://images.preventor.com/señor.jpg": "https://images.preventor.com/señor.jpg",
    "https://images.preventor.com/[1].jpg": "https://images.preventor.com/[1].jpg",
    "https://a.cdn.example.com/1": "https://a.cdn.example.com/1",
    "//images.preventor.com/a": "https://images.preventor.com/a",
    "//a.cdn.example.com": "https://a.cdn.example.com/",
    "https://a.b.cdn.example.com/1": "https://a.b.cdn.example.com/1",
    "https://xn--bcher-kva.cdn.example.com/1": "https://xn--bcher-kva.cdn.example.com/1",
    "https://10.cdn.example.com/1": "https://10.cdn.example.com/1",
    "https://images.preventor.com/" + "a" * (4096 - 29): "https://images.preventor.com/" + "a" * (4096 - 29),
}

LOOPBACK_AND_OTHERS_SPELT = (
    "127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "127.0.0.01", "0177.0.0.1", "0177.0.0.01", "0x7f.0.0.1", "0x7f.1",
    "0X7F.0X0.0X0.0X1", "0x7f000001", "2130706433", "017700000001", "00000000000000000000000000000000177.1", "0",
    "0.0.0.0", "169.254.169.254", "169.254.43518", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "2852039166", "025177524776",
    "0251.0376.0251.0376", "10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "255.255.255.255", "224.0.0.1",
    "93.184.216.34", "8.8.8.8", "1.1", "1", "127.0.0.1.cdn.example.com.1", "images.preventor.com.0x1",
    "images.preventor.com.8", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]", "[fe80::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]",
    "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2606:2800:220:1:248:1893:25c8:1946]", "[v1.a]", "[]", "[::1",
    "::1", "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "127．0．0．1",
)  # fmt: skip

OTHER_HOSTS = (
    "evil.test", "localhost", "localhost.", "LOCALHOST", "localtest.me", "127.0.0.1.nip.io",
    "metadata.google.internal", "instance-data", "kubernetes.default.svc", "preventor.com", "api.preventor.com.",
    "images.preventor.com.", "images.preventor.com..", ".images.preventor.com", "images..preventor.com",
    "ximages.preventor.com", "x.images.preventor.com", "images.preventor.com.evil.test", "images.preventor.comx",
    "images-preventor.com", "images.preventor.co", "images.preventor", "images", "cdn.example.com",
    "xcdn.example.com", ".cdn.example.com", "..cdn.example.com", "-.cdn.example.com", "-a.cdn.example.com",
    "a-.cdn.example.com", "a_b.cdn.example.com", "a.cdn.example.com.evil.test", "a.cdn.example.com.",
    "*.cdn.example.com", "a,b.cdn.example.com", "a%2ecdn.example.com", "%69mages.preventor.com",
    "images%2epreventor.com", "images.preventor.com%00", "images.preventor.com%00.evil.test",
    "images.preventor.com%2f.evil.test", "images.preventor.com%23.evil.test", "images.preventor.com%40evil.test",
    "images.preventor.com%5c", "bücher.cdn.example.com", "іmages.preventor.com", "images.preventor。com",
    "images.preventor．com", "ｉmages.preventor.com", "İmages.preventor.com", "images.preventor.com\N{KELVIN SIGN}",
    "im\N{SOFT HYPHEN}ages.preventor.com", "images.preventor.com\N{ZERO WIDTH SPACE}",
    "images.preventor.com\N{FULLWIDTH SOLIDUS}x", "images.preventor.com\N{CARE OF}",
    "evil.test\N{FULLWIDTH NUMBER SIGN}", f"{'a' * 64}.cdn.example.com", f"{'a.' * 120}cdn.example.com",
    "images.preventor.com;evil.test", "$images.preventor.com",
)  # fmt: skip

OTHER_FORMS = (
    "", " ", "//", "///", "a", "1.jpg", "./1.jpg", "../1.jpg", "?a", " /1.jpg", "\\1.jpg", "///images.preventor.com/a",
    "//evil.test/a", "//127.0.0.1/a", "//[::1]/a", "//[", "//api.preventor.com@evil.test/", "//api.preventor.com:80/",
    "//images.preventor.com\\@evil.test/", "/\\evil.test/a", "/\t/evil.test/a", "/a b", "/a\n", "/" + "a" * 4096,
    "images.preventor.com/a", "https:", "https:/", "https://", "https:///", "https:images.preventor.com",
    "https:/images.preventor.com/a", "https:///images.preventor.com/a", "https:////images.preventor.com/a",
    "https//images.preventor.com/a", "https;//images.preventor.com/a", "https://?", "https://#", "https://:443/",
    "https://@/", "http://images.preventor.com/a", "http://images.preventor.com:443/a",
    "ftp://images.preventor.com/a", "file:///etc/passwd", "file://images.preventor.com/a",
    "gopher://images.preventor.com/", "data:image/png;base64,AAAA", "javascript:alert(1)",
    "blob:https://images.preventor.com/a", "view-source:https://images.preventor.com/",
    "wss://images.preventor.com/a", "httpss://images.preventor.com/a", "xhttps://images.preventor.com/a",
    "http+unix://images.preventor.com/", "s3://images.preventor.com/a", "jar:https://images.preventor.com/!/a",
    "https://images.preventor.com:80/", "https://images.preventor.com:8443/", "https://images.preventor.com:0/",
    "https://images.preventor.com:/", "https://images.preventor.com:443:443/", "https://images.preventor.com:+443/",
    "https://images.preventor.com:-443/", "https://images.preventor.com:4 43/", "https://images.preventor.com:443a/",
    "https://images.preventor.com:65979/", "https://images.preventor.com:000443/",
    "https://images.preventor.com:４４３/", "https://images.preventor.com:443@evil.test/",
    "https://user@images.preventor.com/", "https://user:pw@images.preventor.com/", "https://:@images.preventor.com/",
    "https://@images.preventor.com/", "https://images.preventor.com@evil.test/",
    "https://images.preventor.com:pw@evil.test/", "https://evil.test@images.preventor.com/",
    "https://a@b@images.preventor.com/", "https://evil.test#@images.preventor.com/",
    "https://evil.test?@images.preventor.com/", "https://evil.test/@images.preventor.com/",
    "https://evil.test\\@images.preventor.com/", "https://images.preventor.com\\@evil.test/",
    "https:\\\\images.preventor.com\\a", "https:/\\images.preventor.com/a", "https://images.preventor.com/a\\b",
    "https://evil.test\\.images.preventor.com/", "https://evil.test;images.preventor.com/",
    "https://[images.preventor.com]/", "https://[::1]images.preventor.com/", " https://images.preventor.com/a",
    "https://images.preventor.com/a ", "https://images.preventor.com/a b", "\thttps://images.preventor.com/a",
    "https://images.preventor.com/a\t", "https://images.prev\tentor.com/a", "https://images.prev\nentor.com/a",
    "ht\ntps://images.preventor.com/a", "https://images.preventor.com/a\n",
    "https://images.preventor.com/a\r\nX-Header: 1", "https://images.preventor.com/\x00",
    "https://images.preventor.com\x00.evil.test/", "https://images.preventor.com/\x7f",
    "https://images.preventor.com/\x85", "https://images.preventor.com/\xa0",
    "https://images.preventor.com/\N{LINE SEPARATOR}", "https://images.preventor.com/\N{RIGHT-TO-LEFT OVERRIDE}gpj",
    "https://images.preventor.com/\N{ZERO WIDTH NO-BREAK SPACE}", "https://images.preventor.com/\ud800",
    "\N{ZERO WIDTH NO-BREAK SPACE}https://images.preventor.com/a", "https://images.preventor.com/#\n",
    "https://images.preventor.com/" + "a" * (4097 - 29), "https://images.preventor.com" + "/" * 100_000,
)  # fmt: skip


def test_https_url_of_an_allowed_host_is_public_only() -> None:
    for url, fetched in ALLOWED.items():
        assert check(url) == (fetched, True)


@pytest.mark.parametrize("port", ["", ":443"])
def test_address_is_refused_in_every_notation_even_if_listed(port: str) -> None:
    allowed = [
        host
        for host in LOOPBACK_AND_OTHERS_SPELT
        if not refused(f"https://{host}{port}/", allowed_hosts=[*HOSTS, host, host.strip("[]")])
    ]
    assert allowed == []


@pytest.mark.parametrize(
    ("url", "vendor", "fetched"),
    [
        ("http://127.0.0.1:8123/i/1", LOCAL_VENDOR, "http://127.0.0.1:8123/i/1"),
        ("http://127.0.0.1:8123", LOCAL_VENDOR, "http://127.0.0.1:8123/"),
        ("http://127.0.0.1:8123/i/1", LOCAL_VENDOR + "/", "http://127.0.0.1:8123/i/1"),
        ("HTTP://127.0.0.1:08123/i?a#b", LOCAL_VENDOR, "http://127.0.0.1:8123/i?a"),
        ("http://vendor_sim:80/i", "http://vendor_sim", "http://vendor_sim/i"),
        ("http://[::1]:8123/i", "http://[::1]:8123", "http://[::1]:8123/i"),
        ("https://api.preventor.com/i/1", VENDOR, "https://api.preventor.com/i/1"),
        ("//api.preventor.com/i/1", VENDOR, "https://api.preventor.com/i/1"),
        ("//127.0.0.1:8123/i", LOCAL_VENDOR, "http://127.0.0.1:8123/i"),
        *(
            (path, VENDOR, f"https://api.preventor.com{path}")
            for path in ("/", "/1.jpg?a=//x", "/@evil.test/", "/../:80")
        ),
        ("https://api.preventor.com:443/i/1", VENDOR, "https://api.preventor.com/i/1"),
        ("https://api.preventor.com/i/1", VENDOR + ":443", "https://api.preventor.com/i/1"),
        ("https://api.preventor.com:8443/i", "https://api.preventor.com:8443", "https://api.preventor.com:8443/i"),
    ],
)
def test_vendor_origin_is_allowed_at_any_address(url: str, vendor: str, fetched: str) -> None:
    assert check(url, vendor) == (fetched, False)


NOT_THE_VENDOR = (
    "https://127.0.0.1:8123/i", "http://127.0.0.1:8124/i", "http://127.0.0.1/i", "http://127.0.0.2:8123/i",
    "http://127.1:8123/i", "http://localhost:8123/i", "http://127.0.0.1:8123@evil.test/i",
    "http://u@127.0.0.1:8123/i", "http://127.0.0.1:8123.evil.test/i", "http://127.0.0.1:81230/i",
    "http://127.0.0.1:8123\\i",
)  # fmt: skip


def test_other_scheme_host_port_or_form_is_refused() -> None:
    others = [
        *((f"https://{host}/a", VENDOR) for host in OTHER_HOSTS),
        *((url, VENDOR) for url in OTHER_FORMS),
        *((url, LOCAL_VENDOR) for url in NOT_THE_VENDOR),
        ("http://api.preventor.com/i", VENDOR),
        ("http://api.preventor.com:443/i", VENDOR),
        ("https://api.preventor.com:8443/i", VENDOR),
        ("https://api.preventor.com./i", VENDOR),
        ("https://api.preventor.com/i", ""),
    ]
    assert [other for other in others if not refused(*other)] == []


def test_the_error_does_not_show_the_url() -> None:
    with pytest.raises(InvalidVendorResponse) as refused:
        check("https://canary.test/canary")
    assert "canary" not in f"{refused.value!r}{refused.value}"


def test_allowed_hosts_ignore_case() -> None:
    assert check_image_url(GOOD, vendor_origin=VENDOR, allowed_hosts=["Images.PREVENTOR.com"])[1]
    assert check_image_url("https://a.B.test/", vendor_origin=VENDOR, allowed_hosts=["*.b.TEST"])[1]


URL_PIECES = st.sampled_from(
    ["https://", "http://", "//", "images.preventor.com", "evil.test", "a.cdn.example.com", "127.0.0.1", "[::1]",
     "@", ":", ":443", ":80", "/", "\\", "?", "#", "%", "%2f", "%40", ".", "..", "\t", "\n", " ", "\x00", "。", "é",
     "ⅷ", "xn--", "user"]
)  # fmt: skip
ANYTHING = st.one_of(
    st.lists(URL_PIECES, max_size=8).map("".join),
    st.lists(URL_PIECES, max_size=6).map(lambda pieces: "https://images.preventor.com" + "".join(pieces)),
    st.text(max_size=60).map(lambda text: "https://" + text),
    st.text(max_size=60).map(lambda text: "https://images.preventor.com/" + text),
    st.text(max_size=60).map(lambda text: "/" + text),
)


@given(ANYTHING)
@example("https://images.preventor.com\\@evil.test/")
def test_allowed_url_has_the_same_host_for_every_parser(url: str) -> None:
    try:
        passed, public_only = check(url)
    except InvalidVendorResponse:
        return
    by_urllib, by_urllib3 = urlsplit(passed), parse_url(passed)
    by_requests = urlsplit(requests.Request("GET", passed).prepare().url or "")
    for parsed_host, parsed_port in (
        (by_urllib.hostname, by_urllib.port),
        (by_urllib3.host, by_urllib3.port),
        (by_requests.hostname, by_requests.port),
    ):
        named = parsed_host in {"images.preventor.com", "api.preventor.com"}
        assert named or str(parsed_host).endswith(".cdn.example.com")
        assert parsed_port is None
    assert by_urllib.scheme == by_urllib3.scheme == by_requests.scheme == "https"
    assert by_urllib.username is by_urllib3.auth is by_requests.username is None
    assert check(passed) == (passed, public_only)


@given(
    st.from_regex(r"(?:[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?\.){1,4}", fullmatch=True),
    st.text(string.ascii_letters + string.digits + "-._~/%?=&@:+,", max_size=80),
)
def test_wildcard_allows_every_name_below_it(labels: str, target: str) -> None:
    assert check(f"https://{labels}cdn.example.com/{target}") == (f"https://{labels}cdn.example.com/{target}", True)


NOT_PUBLIC = (
    "0.0.0.0", "0.1.2.3", "10.0.0.5", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
    "127.255.255.254", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1",
    "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::2", "::127.0.0.1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.5", "::ffff:169.254.169.254", "::ffff:100.64.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.5", "64:ff9b::224.0.0.1", "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:ffff::1", "100::1", "100:0:0:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1",
    "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "3fff::1",
    "3fff:fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "febf::1",
    "fec0::1", "ff02::1", "ff0e::1", "", "localhost", "127.1", "0x7f.0.0.1", "0177.0.0.1", "010.8.8.8",
    "2130706433", "8.8.8.8 ", "8.8.8", "8.8.8.8/32", "[::1]",
)  # fmt: skip
PUBLIC = (
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "52.95.110.1", "93.184.216.34", "100.63.255.255",
    "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
    "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
    "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2001:200::1", "2001:4860:4860::8888",
    "2606:2800:220:1:248:1893:25c8:1946", "2a05:d018::1",
)  # fmt: skip


def test_addresses_of_private_and_special_networks_are_not_public() -> None:
    assert [address for address in NOT_PUBLIC if is_public(address)] == []
    for address in PUBLIC:
        assert is_public(address), address
        assert is_public(ipaddress.ip_address(address)), address


@given(st.ip_addresses(v=4))
def test_ipv4_address_in_ipv6_is_as_public_as_itself(inner: ipaddress.IPv4Address) -> None:
    value = int(inner)
    mapped = ipaddress.IPv6Address(0xFFFF_0000_0000 | value)
    nat64 = ipaddress.IPv6Address((0x0064_FF9B << 96) | value)
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | (value << 80))
    teredo = ipaddress.IPv6Address((0x2001_0000 << 96) | (value ^ 0xFFFF_FFFF))
    assert is_public(mapped) == is_public(nat64) == is_public(inner)
    assert not is_public(six_to_four)
    assert not is_public(teredo)


@given(st.ip_addresses())
def test_no_address_is_public_that_python_calls_not_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert address.is_global or address in ipaddress.ip_network("64:ff9b::/96") or not is_public(address)
