"""Where a file may be fetched from: rules on URLs and network addresses, without I/O.

A file's URL comes from a response, so it is untrusted input that decides where this function connects to. In Lambda
that includes the Runtime API on loopback, the credentials' endpoint in 169.254.0.0/16, and a VPC. The URL is checked
here before its host is resolved; its addresses are checked with `is_public` at each connection (`connections.py`),
because a name can resolve differently each time.
"""

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from ticket_archive.errors import InvalidVendorResponse

MAX_URL_LENGTH = 4096
DEFAULT_PORTS = {"http": 80, "https": 443}

# A strict grammar instead of a lenient parser, because two parsers may read one URL differently. It has no userinfo and
# none of the characters that parsers disagree on.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][^#]*)?(?:#.*)?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label does not begin with a digit. Everything that resolvers accept as an address (decimal, octal,
# hexadecimal, shortened) ends in a number, so it is not a name. Internationalized names must be in their xn-- form.
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]){_LABEL}", re.ASCII)

# https://www.iana.org/assignments/iana-ipv4-special-registry: what is not globally reachable, plus multicast, the
# former class E and the 6to4 relays. Listed here because `ipaddress.is_global` differs between patch releases of
# Python.
_NOT_PUBLIC_4 = tuple(map(IPv4Network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
)))  # fmt: skip
# https://www.iana.org/assignments/ipv6-unicast-address-assignments: only 2000::/3 is in use. Not public
# in it: protocol assignments with Teredo (2001::/23), documentation, and 6to4, whose relays are gone.
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
# An IPv6-only subnet reaches the public IPv4 internet through this prefix (RFC 6052), so the embedded
# address decides.
_NAT64 = IPv6Network("64:ff9b::/96")


def check_image_url(url: str, *, vendor_origin: str, allowed_hosts: Collection[str]) -> tuple[str, bool]:
    """Return the URL to fetch, and whether only from addresses that pass `is_public`.

    It has a lower-case host and no fragment.

    Allowed are https URLs on port 443 at a host of `allowed_hosts` ("images.example.com", or "*.example.com" for every
    name below example.com), and every URL of the origin (scheme, host, port) `vendor_origin`. A path (`/a.jpg`) is one
    of that origin, and `//host/a.jpg` has its scheme.

    Raises InvalidVendorResponse("image_url") for everything else, including other relative URLs and addresses instead
    of names.
    """
    if url.startswith("/"):
        url = (vendor_origin.partition("//")[0] if url.startswith("//") else vendor_origin) + url
    parts = _split(url)
    if parts is None:
        raise InvalidVendorResponse("image_url")
    scheme, host, port, target = parts
    vendor = _split(vendor_origin)
    if vendor is not None and vendor[:3] == (scheme, host, port):
        authority = host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"
        return f"{scheme}://{authority}{target}", False
    if (scheme, port) == ("https", 443) and _is_listed(host, allowed_hosts):
        return f"https://{host}{target}", True
    raise InvalidVendorResponse("image_url")


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Return whether the address is one host on the public internet.

    False for text that is not an address in canonical form, and for IPv6 forms that contain an IPv4 address (6to4,
    Teredo, other NAT64 prefixes); of a mapped address or one with the well-known NAT64 prefix, the IPv4 address
    decides.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        carried = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else None)
        if carried is None:
            return ip in _GLOBAL_UNICAST_6 and not any(ip in block for block in _NOT_PUBLIC_6)
        ip = carried
    return not any(ip in block for block in _NOT_PUBLIC_4)


def _split(url: str) -> tuple[str, str, int, str] | None:
    """Return scheme, host, port and target (path and query) of an absolute URL, or None if the grammar refuses it."""
    if len(url) > MAX_URL_LENGTH or "\\" in url or not url.isprintable() or any(map(str.isspace, url)):
        return None
    match = _URL.fullmatch(url)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    port = int(match["port"] or DEFAULT_PORTS[scheme])
    target = match["target"] or "/"
    return scheme, match["host"].lower(), port, target if target.startswith("/") else f"/{target}"


def _is_listed(host: str, allowed_hosts: Collection[str]) -> bool:
    if len(host) > 253 or _NAME.fullmatch(host) is None:
        return False
    return any(
        host == entry or (entry.startswith("*.") and host.endswith(entry[1:]))
        for entry in map(str.lower, allowed_hosts)
    )
