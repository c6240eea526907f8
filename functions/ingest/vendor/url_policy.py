"""Where an image may be fetched from: the rules on URLs and on network addresses, without any I/O.

An image URL comes out of an answer, so it is untrusted input that decides where this function connects to. In Lambda
that reaches further than it looks: the Runtime API on loopback, the credentials' endpoint on 169.254.0.0/16, a VPC.
The URL is judged here, before anything is resolved; the address that its host resolves to is judged by
`is_public` when the connection is made (`connections.py`), since a name can answer differently each time.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from ticket_archive.errors import InvalidVendorResponse

MAX_URL_LENGTH = 4096
DEFAULT_PORTS = {"http": 80, "https": 443}

# One strict grammar instead of a parser that repairs: what two parsers could read differently is not read at all. There
# is no userinfo, and neither an authority nor a host can contain one of the characters that parsers disagree on.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][^#]*)?(?:#.*)?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A name's last label begins with a letter. Whatever else resolvers take for an address (decimal, octal, hexadecimal,
# shortened) ends in a number, so none of those is a name. Internationalised names arrive as their xn-- form.
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]){_LABEL}", re.ASCII)

# https://www.iana.org/assignments/iana-ipv4-special-registry: all that is not globally reachable, with multicast, the
# former class E and the 6to4 relays. Spelt out, since `ipaddress.is_global` differs between patch releases of Python.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# https://www.iana.org/assignments/ipv6-unicast-address-assignments: what is in use lies in 2000::/3. Of it are not
# public: the protocol assignments with Teredo (2001::/23), documentation, and 6to4, whose relays are gone.
_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
# An IPv6-only subnet reaches the public IPv4 internet through this prefix (RFC 6052): the embedded address decides.
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """A URL that may be fetched. `public_only`: the address that it resolves to has yet to pass `is_public`."""

    url: str = field(repr=False)
    public_only: bool


def check_image_url(url: str, *, vendor_origin: str, allowed_hosts: Collection[str]) -> ImageUrl:
    """The URL in the form in which it is to be fetched: lower-case host, without fragment.

    Allowed are two kinds: https on port 443 at a host of `allowed_hosts` ("images.example.com", or "*.example.com" for
    every name below example.com), and the origin (scheme, host, port) of `vendor_origin`, whatever it is.

    Raises InvalidVendorResponse("image_url") for everything else, relative URLs and addresses instead of names included.
    """
    parts = _split(url)
    if parts is None:
        raise InvalidVendorResponse("image_url")
    scheme, host, port, target = parts
    vendor = _split(vendor_origin)
    if vendor is not None and vendor[:3] == (scheme, host, port):
        authority = host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"
        return ImageUrl(f"{scheme}://{authority}{target}", public_only=False)
    if (scheme, port) == ("https", 443) and _is_listed(host, allowed_hosts):
        return ImageUrl(f"https://{host}{target}", public_only=True)
    raise InvalidVendorResponse("image_url")


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether the address belongs to the public internet: one host, reachable from everywhere.

    False also for text that is not an address in its canonical form, and for the IPv6 forms that carry an IPv4 address
    (mapped, 6to4, Teredo, NAT64) unless it is the well-known NAT64 prefix or a mapping of a public one.
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
    """Scheme, host, port and request target (path and query) of an absolute URL; None where it is not a plain one."""
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
