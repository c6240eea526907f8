"""Entry point and routes of the retrieval API. API Gateway has checked signature and permission (AWS_IAM) before."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response, content_types
from aws_lambda_powertools.event_handler.api_gateway import ApiGatewayResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError, ServiceError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext

from retrieval import audit, gateway, models, openapi, problems
from retrieval.dependencies import Dependencies
from ticket_archive import snapshot
from ticket_archive.clock import now
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.details import RESPONSE_LIMIT, read_stored_details
from ticket_archive.errors import SettingsError, TicketErased
from ticket_archive.event_source import REST_API, UnsupportedEvent, event_source
from ticket_archive.metrics import Metric, count
from ticket_archive.models import TicketItem, TicketState
from ticket_archive.retention import is_expired
from ticket_archive.telemetry import describe, logger, metrics

MIN_RETRY_AFTER, MAX_RETRY_AFTER = 5, 30
"""Bounds of Retry-After, in seconds, for a ticket that is not archived yet."""

snapshot.prepare("dynamodb", "s3")


def cors(allowed_origins: str) -> CORSConfig | None:
    """Return the CORS configuration for origins joined by commas; None, which sends no CORS headers, for none."""
    first, *others = allowed_origins.split(",")
    return CORSConfig(first, others, expose_headers=["Retry-After"], max_age=600) if first else None


# debug prints whole events; it is off here so that no environment variable can turn it on
app = APIGatewayRestResolver(
    enable_validation=True, debug=False, cors=cors(os.environ.get("ALLOWED_ORIGINS", "").replace(" ", ""))
)
dependencies = Dependencies(os.environ)


class NotArchivedYet(Exception):
    """The ticket is known but not archived."""

    def __init__(self, item: TicketItem) -> None:
        super().__init__(item.state.value)
        self.item = item


@app.get("/tickets/<ticket>", responses=openapi.TICKET, operation_id="get_ticket")
def get_ticket(ticket: models.TicketId) -> models.Ticket:
    """Return an archived ticket: outcome, times, what is stored and what is not."""
    return models.Ticket.archived(_archived(ticket))


@app.get("/tickets/<ticket>/details", responses=openapi.DETAILS, operation_id="get_details")
def get_details(ticket: models.TicketId) -> Response[str]:
    """Return the ticket's details as the vendor sent them."""
    item = _archived(ticket, details=True)
    if not item.attributes.keys() & set(DETAILS_ATTRIBUTES):
        raise ServiceError(404, "no_details")
    audit.note(details_sha256=item.details_sha256)
    if item.details_bytes <= RESPONSE_LIMIT or "details_key" not in item.attributes:
        return Response(
            200, content_types.APPLICATION_JSON, read_stored_details(item.attributes, dependencies.bucket).decode()
        )
    url, expires_at = dependencies.presigner.details(item.attributes["details_key"])
    body = models.SignedDetails(
        ticket=ticket, sha256=item.details_sha256, bytes=item.details_bytes, url=url, expires_at=expires_at
    )
    _issued([body])
    return Response(200, openapi.SIGNED_URL_TYPE, body.model_dump_json())


@app.get("/tickets/<ticket>/images", responses=openapi.TICKET, operation_id="get_images")
def get_images(
    ticket: models.TicketId,
    types: models.ImageTypes = "ALL",
    expires_in: models.ExpiresIn = None,
    disposition: models.AskedDisposition = "attachment",
) -> models.SignedImages:
    """Return presigned URLs of a ticket's images."""
    item = _archived(ticket)
    wanted = models.image_types(types)
    images = [image for image in item.images if image.type in wanted]
    audit.note(types=sorted(wanted), sha256=[image.sha256 for image in images])
    signed = dependencies.presigner.images(images, expires_in, disposition) if images else []
    _issued(signed)
    return models.SignedImages(ticket=ticket, version=item.version, images=signed)


@app.get("/tickets/<ticket>/images/<sha256>", responses=openapi.TICKET, operation_id="get_image")
def get_image(
    ticket: models.TicketId,
    sha256: models.ImageHash,
    expires_in: models.ExpiresIn = None,
    disposition: models.AskedDisposition = "attachment",
) -> models.SignedImage:
    """Return the presigned URL of one image."""
    for image in _archived(ticket).images:
        if image.sha256 == sha256:
            audit.note(types=[image.type], sha256=[sha256])
            (signed,) = dependencies.presigner.images([image], expires_in, disposition)
            _issued([signed])
            return signed
    raise ServiceError(404, "unknown_image")


@app.get("/customers/<customer>/tickets", responses=openapi.COMMON, operation_id="get_customer_tickets")
def get_customer_tickets(
    customer: models.CustomerCode, limit: models.Limit = 20, cursor: models.Cursor = None
) -> models.CustomerTickets:
    """Return a customer's tickets, newest first."""
    items, next_cursor = dependencies.tickets.by_customer(customer, limit, cursor)
    # The index is eventually consistent: it may still list a ticket that was just erased.
    tickets = [models.CustomerTicket.model_validate(item) for item in items if item.state is not TicketState.ERASED]
    audit.note(tickets=len(tickets))
    count(Metric.CUSTOMERS_LISTED)
    return models.CustomerTickets(customer=customer, tickets=tickets, cursor=next_cursor)


def refuse_unknown_parameters(app: ApiGatewayResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """Raise RequestValidationError for a parameter that the route lacks: `?types=DOCUMENT` must not give every image.

    The message names the route's parameters, and not what came.
    """
    known = {each.alias for each in app.context["_route"].dependant.query_params}
    event = app.current_event
    if {*event.query_string_parameters, *event.multi_value_query_string_parameters} - known:
        rule = f"Parameters should be {', '.join(sorted(known))}" if known else "This path takes no parameters"
        raise RequestValidationError([{"loc": ("query",), "msg": rule}])
    return next_middleware(app)


app.use([refuse_unknown_parameters])


def pending(error: NotArchivedYet) -> Response[str]:
    """Return 202 with what is known, and when to ask again."""
    count(Metric.TICKETS_PENDING)
    headers: dict[str, Any] = {"Retry-After": str(_retry_after(error.item, now()))}
    body = models.PendingTicket.model_validate(error.item).model_dump_json()
    return Response(202, content_types.APPLICATION_JSON, body, headers)


def no_route(_: NotFoundError) -> Response[str]:
    """Return 404 or 405. API Gateway lets no such request through."""
    is_get = app.current_event.http_method == "GET"
    return failed(ServiceError(404, "unknown_route") if is_get else ServiceError(405, "method_not_allowed"))


def failed(error: Exception) -> Response[str]:
    """Return a problem for any other exception; log and count it if it is the archive's fault."""
    response = problems.response(error, app.current_event.request_context.request_id)
    if response.status_code < 500:
        count(Metric.REQUESTS_REJECTED)
        return response
    logger.error("request failed", **describe(error))
    count(Metric.REQUESTS_FAILED)
    if isinstance(error, SettingsError):
        count(Metric.CONFIGURATION_ERRORS)
    return response


app.exception_handler_manager.update_exception_handlers(
    {NotArchivedYet: pending, NotFoundError: no_route, Exception: failed}
)


# log_event=False, so that no environment variable can turn it on: an event holds the caller's credentials
@logger.inject_lambda_context(log_event=False, clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Respond to an API Gateway REST proxy event. Raises UnsupportedEvent for any other event."""
    source = event_source(event)
    if source != REST_API:
        raise UnsupportedEvent(f"retrieval does not take this event: {source}. It takes GET requests of a REST API.")
    logger.set_correlation_id(event["requestContext"].get("requestId"))
    response: dict[str, Any] = _respond(event, context)
    return response


@metrics.log_metrics
def _respond(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    audit.start()
    response: dict[str, Any] = app.resolve({**event, "path": gateway.route_path(event)}, context)
    response["multiValueHeaders"]["Cache-Control"] = ["no-store"]
    audit.write(event, response["statusCode"])
    return response


def _archived(ticket: str, *, details: bool = False) -> TicketItem:
    """Return an archived ticket's item. Raises NotArchivedYet, TicketErased, ServiceError (404).

    Without `details`, their content is not read.
    """
    audit.note(ticket=ticket)
    logger.append_keys(ticket=ticket)
    item = dependencies.tickets.get(ticket, details=details)
    if item is None or is_expired(item.expires_at, now()):
        raise ServiceError(404, "unknown_ticket")
    if item.state is TicketState.ERASED:
        raise TicketErased
    if item.state is not TicketState.ARCHIVED:
        raise NotArchivedYet(item)
    count(Metric.TICKETS_READ)
    return item


def _issued(signed: Sequence[models.SignedImage | models.SignedDetails]) -> None:
    if signed:
        audit.note(urls=len(signed), until=signed[0].expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        count(Metric.URLS_ISSUED, len(signed))


def _retry_after(item: TicketItem, moment: datetime) -> int:
    """Return the seconds until a client should ask again.

    `retry_at` is when the schedule requeues the ticket; the queue, or a webhook, may complete it long before.
    """
    retry_at = item.attributes.get("retry_at")
    left = (datetime.fromisoformat(retry_at) - moment).total_seconds() if retry_at else 0
    return max(MIN_RETRY_AFTER, min(MAX_RETRY_AFTER, int(left) + 1))
