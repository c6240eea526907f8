"""Faults: what happens to a call, at which endpoints, and where the response looks correct."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from local.vendor.connection import Connection
from local.vendor.pictures import Picture
from local.vendor.responses import Response


class Endpoint(StrEnum):
    """The vendor's three endpoints, and the image URLs."""

    TOKEN = "token"  # noqa: S105  a name, not a secret
    DETAILS = "details"
    IMAGES = "images"
    PICTURE = "picture"


EVERYWHERE = frozenset(Endpoint)
API = frozenset({Endpoint.TOKEN, Endpoint.DETAILS, Endpoint.IMAGES})
TICKET = frozenset({Endpoint.DETAILS, Endpoint.IMAGES})
TOKEN = frozenset({Endpoint.TOKEN})
DETAILS = frozenset({Endpoint.DETAILS})
IMAGES = frozenset({Endpoint.IMAGES})
FILES = frozenset({Endpoint.IMAGES, Endpoint.PICTURE})


@dataclass(frozen=True)
class Call:
    """A call to which a fault is applied.

    `normal` is the correct response; `altered` returns it with other files (images only). `revoke` revokes the call's
    token, or the one just issued. `elsewhere` is a URL of another host.
    """

    connection: Connection
    endpoint: Endpoint
    normal: Response
    altered: Callable[[Callable[[list[Picture]], list[Picture]]], Response]
    revoke: Callable[[], None]
    elsewhere: str


Act = Callable[[Call], None]


@dataclass(frozen=True)
class Fault:
    """`deceives` names the image types and endpoints where the response looks correct.

    A missing derived image, for instance, is a correct response. There the fault is injected by name only, never at
    random, because no client could notice it.
    """

    name: str
    endpoints: frozenset[Endpoint]
    deceives: frozenset[str]
    act: Act


class Faults(dict[str, Fault]):
    """Faults by name, in the order of their definition."""

    def on(self, endpoints: frozenset[Endpoint], deceives: frozenset[str] = frozenset()) -> Callable[[Act], Act]:
        """Decorate a function to register it as the fault of its name."""

        def register(act: Act) -> Act:
            self[act.__name__] = Fault(act.__name__, endpoints, deceives, act)
            return act

        return register

    def response(
        self,
        name: str,
        response: Callable[[], Response] | Response,
        endpoints: frozenset[Endpoint] = EVERYWHERE,
        deceives: frozenset[str] = frozenset(),
    ) -> None:
        """Register a fault that is a well-formed response."""

        def act(call: Call) -> None:
            call.connection.respond(response() if callable(response) else response)

        self[name] = Fault(name, endpoints, deceives, act)
