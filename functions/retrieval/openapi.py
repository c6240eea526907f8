"""How docs/openapi.json describes the responses, beyond what return types say."""

from typing import Any

from retrieval.models import PendingTicket, SignedDetails
from retrieval.problems import CONTENT_TYPE, Problem

SIGNED_URL_TYPE = "application/vnd.ticket-archive.signed-url+json"

_RETRY_AFTER = {"Retry-After": {"required": True, "schema": {"type": "integer"}}}
_FROM_GATEWAY = {"application/json": {"schema": {"type": "object", "properties": {"message": {"type": "string"}}}}}


def _problem(description: str, **more: Any) -> dict[str, Any]:
    return {"description": description, "content": {CONTENT_TYPE: {"model": Problem}}, **more}


COMMON: dict[int, Any] = {
    200: {"description": "OK"},
    400: _problem("A parameter is invalid; `detail` names it and the rule."),
    403: {"description": "Not signed, or not allowed (from API Gateway).", "content": _FROM_GATEWAY},
    404: _problem("Unknown ticket or image, or a path with an empty segment."),
    429: {"description": "Too many requests (from API Gateway).", "content": _FROM_GATEWAY},
    500: _problem("The archive failed."),
    502: {"description": "The function gave no response (from API Gateway).", "content": _FROM_GATEWAY},
    503: _problem("AWS is busy, or signing credentials are being renewed.", headers=_RETRY_AFTER),
}
TICKET: dict[int, Any] = COMMON | {
    202: {
        "description": "Not archived yet.",
        "headers": _RETRY_AFTER,
        "content": {"application/json": {"model": PendingTicket}},
    },
    410: _problem("The ticket was erased."),
}
DETAILS: dict[int, Any] = TICKET | {
    200: {
        "description": "The vendor's JSON; if it exceeds a Lambda response, where to download it.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            SIGNED_URL_TYPE: {"model": SignedDetails},
        },
    },
}
