"""Clients for AWS: botocore's own, with as little work around each call as it takes.

boto3 above it would bring resources and transfers along, which nobody here uses and every cold start pays for. What is
sent is checked by the tests (botocore's Stubber) and by AWS; checking it in between takes a good part of a call's CPU,
and so does a User-Agent that is put together anew for each try.

What takes the most is hidden: for each new connection urllib3 reads the whole file of authorities again, 20 ms of CPU
with OpenSSL 3, a dozen times for a cold function's first ticket (https://github.com/urllib3/urllib3/issues/3623).
botocore takes no TLS context from outside (https://github.com/boto/botocore/issues/1822), so it is given its own
factory's stand-in here: one context for all clients, that reads a file once.
"""

import ssl
import threading
from functools import cache
from typing import Any

import botocore
from botocore import httpsession
from botocore.config import Config
from botocore.handlers import add_expect_header
from botocore.session import Session
from botocore.utils import determine_content_length
from urllib3.util.ssl_ import create_urllib3_context

ASKED_FIRST = 2**20
"""Bytes of an object from which S3 is asked before its body is sent."""

_ALWAYS = Config(parameter_validation=False, user_agent=f"idv-ticket-archive Botocore/{botocore.__version__}")


def client(session: Session, service: str, config: Config) -> Any:
    """A client for `service`, for the session's region and under its credentials."""
    made = session.create_client(service, config=config.merge(_ALWAYS))
    if service == "s3":
        made.meta.events.unregister("before-call.s3", add_expect_header)
        made.meta.events.register("before-call.s3", _expect)
    return made


@cache
def tls_context() -> ssl.SSLContext:
    """The TLS of every client: as urllib3 sets it up, but no file of authorities is read into it twice."""
    context = create_urllib3_context()
    read, one_at_a_time, known = context.load_verify_locations, threading.Lock(), set[object]()

    def read_once(cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        with one_at_a_time:
            if (cafile, capath, cadata) not in known:
                read(cafile, capath, cadata)
                known.add((cafile, capath, cadata))

    context.load_verify_locations = read_once  # type: ignore[method-assign]
    return context


httpsession.create_urllib3_context = tls_context


def _expect(model: Any, params: dict[str, Any], **more: Any) -> None:
    """`Expect: 100-continue` for large bodies only, as in AWS's newer SDKs. botocore asks for the smallest object too.

    That is one more round trip, whose answer http.client reads byte by byte. A small body is in the socket's buffers
    before an early refusal could cut it off; for a large one the question is worth it.
    """
    if (determine_content_length(params.get("body")) or 0) >= ASKED_FIRST:
        add_expect_header(model, params, **more)
