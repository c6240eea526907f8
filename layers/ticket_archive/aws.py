"""Clients for AWS: botocore's own, with as little work around each call as it takes.

boto3 above it would bring resources and transfers along, which nobody here uses and every cold start pays for. What is
sent is checked by the tests (botocore's Stubber) and by AWS; checking it in between takes a good part of a call's CPU,
and so does a User-Agent that is put together anew for each try.
"""

from typing import Any

import botocore
from botocore.config import Config
from botocore.handlers import add_expect_header
from botocore.session import Session
from botocore.utils import determine_content_length

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


def _expect(model: Any, params: dict[str, Any], **more: Any) -> None:
    """`Expect: 100-continue` for large bodies only, as in AWS's newer SDKs. botocore asks for the smallest object too.

    That is one more round trip, whose answer http.client reads byte by byte. A small body is in the socket's buffers
    before an early refusal could cut it off; for a large one the question is worth it.
    """
    if (determine_content_length(params.get("body")) or 0) >= ASKED_FIRST:
        add_expect_header(model, params, **more)
