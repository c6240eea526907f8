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
    400: _problem("`invalid_request`: `detail` names the parameter and the rule."),
    403: {"description": "Not signed, not allowed, or no such path (from API Gateway).", "content": _FROM_GATEWAY},
    404: _problem(
        "`unknown_ticket`, `unknown_image`, `no_details`, or `unknown_route` for a path with an empty segment."
    ),
    429: {"description": "Too many requests (from API Gateway).", "content": _FROM_GATEWAY},
    500: _problem("`internal_error`: the archive failed."),
    502: {"description": "The function gave no response (from API Gateway).", "content": _FROM_GATEWAY},
    503: _problem(
        "`unavailable`: AWS is busy. `signing_paused`: signing credentials are being renewed.", headers=_RETRY_AFTER
    ),
}
TICKET: dict[int, Any] = COMMON | {
    202: {
        "description": "Not archived yet.",
        "headers": _RETRY_AFTER,
        "content": {"application/json": {"model": PendingTicket}},
    },
    410: _problem("`ticket_erased`."),
}
DETAILS: dict[int, Any] = TICKET | {
    200: {
        "description": "The vendor's JSON, an object or a list of one; if it exceeds a Lambda response, where to "
        "download it.",
        "content": {
            "application/json": {"schema": {"type": ["object", "array"]}},
            SIGNED_URL_TYPE: {"model": SignedDetails},
        },
    }
}
