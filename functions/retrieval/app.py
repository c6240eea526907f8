"""The retrieval API's routes. API Gateway has checked the caller's signature and permission (AWS_IAM) before."""

import os
from collections.abc import Mapping
from contextvars import copy_context
from datetime import datetime
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from retrieval import audit, models, params, problems, tickets
from retrieval.dependencies import Collaborators
from retrieval.errors import MethodNotAllowed, NotArchivedYet, UnknownRoute
from retrieval.paths import route_path
from ticket_archive import snapshot
from ticket_archive.clock import now
from ticket_archive.details import to_json
from ticket_archive.errors import InvalidRequest
from ticket_archive.metrics import Metric, count
from ticket_archive.table import TicketItem
from ticket_archive.telemetry import append_log_keys, describe, logger, metrics

snapshot.reseed_after_restore()

app = APIGatewayRestResolver(debug=False)  # debug would print whole events, whatever the environment says
collaborators = Collaborators(os.environ)

_SOON, _LATE = 5, 900
"""Seconds after which to ask again for a ticket that is not archived yet."""


@app.get("/tickets/<ticket>")
def get_ticket(ticket: str) -> Response[str]:
    """What the archive has of a ticket, images without URLs."""
    return _json(models.ticket(_archived(ticket)))


@app.get("/tickets/<ticket>/details")
def get_details(ticket: str) -> Response[str]:
    """The vendor's JSON, or where it is."""
    item = _archived(ticket)
    if key := tickets.large_details(item):
        link = collaborators.links.details(key)
        _issued(1, link.expires_at)
        return _redirect(link.url, models.signed_details(item, link))
    return Response(200, content_types.APPLICATION_JSON, tickets.details(item, collaborators.objects).decode())


@app.get("/tickets/<ticket>/images")
def get_images(ticket: str) -> Response[str]:
    """Signed URLs of a ticket's images."""
    types = params.image_types(_asked("type"))
    seconds = params.expires_in(_asked("expires_in"))
    item = _archived(ticket)
    images = tickets.images(item, types)
    links = collaborators.links.images(images, seconds) if images else ()
    _note(types=sorted(types), sha256=[image.sha256 for image in images])
    if links:
        _issued(len(links), links[0].expires_at)
    return _json(models.signed_images(item, images, links))


@app.get("/tickets/<ticket>/images/<sha256>")
def get_image(ticket: str, sha256: str) -> Response[str]:
    """On to an image's signed URL."""
    wanted = params.sha256(sha256)
    image = tickets.image(_archived(ticket), wanted)
    (link,) = collaborators.links.images([image])
    _note(types=[image.type], sha256=[image.sha256])
    _issued(1, link.expires_at)
    return _redirect(link.url, models.signed_image(image, link))


@app.get("/customers/<customer>/tickets")
def get_customer_tickets(customer: str) -> Response[str]:
    """A customer's tickets, the newest first."""
    code = params.customer(customer)
    page = collaborators.tickets.by_customer(code, params.limit(_asked("limit")), params.cursor(_asked("cursor")))
    answer = models.customer_tickets(code, page)
    _note(tickets=len(answer["tickets"]))
    count(Metric.CUSTOMERS_LISTED)
    return _json(answer)


@app.not_found
def no_route(_: NotFoundError) -> Response[str]:
    """API Gateway lets nothing of the kind through."""
    raise UnknownRoute if app.current_event.http_method == "GET" else MethodNotAllowed


def answer(app: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[str]:
    """Every answer, errors among them, is made here: it is not to be stored, and it is audited."""
    try:
        response = next_middleware(app)
    except NotArchivedYet as pending:
        response = _json(models.pending(pending.item), 202, {"Retry-After": str(_wait(pending.item, now()))})
        count(Metric.TICKETS_PENDING)
    except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets a problem and the log its description
        response = problems.answer(error, app.current_event.request_context.request_id)
        if response.status_code >= 500:
            logger.error("request_failed", **describe(error))
        count(Metric.REQUESTS_FAILED if response.status_code >= 500 else Metric.REQUESTS_REFUSED)
    response.headers["Cache-Control"] = "no-store"
    audit.write(app.current_event.raw_event, response.status_code, app.context.get("facts", {}))
    return response


app.use([answer])


# log_event is off in words, so that no variable can turn it on: an event holds the caller's input and credentials
@logger.inject_lambda_context(log_event=False, clear_state=True, correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an API Gateway REST proxy event."""
    return copy_context().run(
        _answer, event, context
    )  # what is current_log_keys here is not on the next request's lines


def _answer(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve({**event, "path": route_path(event)}, context)


def _archived(segment: str) -> TicketItem:
    ticket = params.ticket(segment)
    _note(ticket=ticket)
    append_log_keys(ticket=ticket)
    item = tickets.archived(collaborators.tickets, ticket)
    count(Metric.TICKETS_READ)
    return item


def _asked(name: str) -> str | None:
    """A query parameter's only value."""
    event = app.current_event.raw_event
    values = (event.get("multiValueQueryStringParameters") or {}).get(name) or []
    if len(values) > 1:
        raise InvalidRequest("repeated")
    return values[0] if values else (event.get("queryStringParameters") or {}).get(name)


def _note(**facts: Any) -> None:
    app.context.setdefault("facts", {}).update(facts)


def _issued(urls: int, until: datetime) -> None:
    _note(urls=urls, until=models.seconds(until))
    count(Metric.URLS_ISSUED, urls)


def _wait(item: TicketItem, moment: datetime) -> int:
    """An incomplete ticket's next attempt is known; before that nothing can change."""
    retry_at = item.attributes.get("retry_at")
    left = (datetime.fromisoformat(retry_at) - moment).total_seconds() if retry_at else 0
    return max(_SOON, min(_LATE, int(left) + 1))


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[str]:
    return Response(status, content_types.APPLICATION_JSON, to_json(body).decode(), headers)


def _redirect(url: str, body: Any) -> Response[str]:
    return _json(body, 307, {"Location": url})
