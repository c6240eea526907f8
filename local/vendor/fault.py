"""What a fault is: how one call goes wrong on the connection, where it can, and whom it would deceive."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from local.vendor.connection import Connection
from local.vendor.pictures import Picture
from local.vendor.responses import Response


class Endpoint(StrEnum):
    """What is called: the vendor's three endpoints, and the addresses of single pictures."""

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
    """One call that is about to be answered wrongly.

    `normal` is the answer it would have had; `altered` is the same answer with other pictures in it (images only).
    `revoke` makes the token of the call, or the one just issued, open nothing any more.
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
    """`deceives` names the image types and endpoints where the answer cannot be told from a true one.

    A derived image that is not there, for instance, is a normal answer. There a fault is played only when it is asked
    for by name, never drawn by rate: nobody could be expected to notice it.
    """

    name: str
    endpoints: frozenset[Endpoint]
    deceives: frozenset[str]
    act: Act


class Faults(dict[str, Fault]):
    """Faults by their names, in the order in which they were written down."""

    def on(self, endpoints: frozenset[Endpoint], deceives: frozenset[str] = frozenset()) -> Callable[[Act], Act]:
        """Takes the function that it stands over as the fault of that name."""

        def register(act: Act) -> Act:
            self[act.__name__] = Fault(act.__name__, endpoints, deceives, act)
            return act

        return register

    def response(
        self,
        name: str,
        answer: Callable[[], Response] | Response,
        endpoints: frozenset[Endpoint] = EVERYWHERE,
        deceives: frozenset[str] = frozenset(),
    ) -> None:
        """A fault that is a well-formed answer, only not the one hoped for."""

        def act(call: Call) -> None:
            call.connection.answer(answer() if callable(answer) else answer)

        self[name] = Fault(name, endpoints, deceives, act)
