"""Lambda functions of the state machine: wait for a ticket's manifest, resume when it arrives, or ask the archive."""

import os
from collections.abc import Iterator
from datetime import datetime
from functools import cache

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from ticket_archive_client import ArchiveApiError, ManifestCreated, Ticket, TicketArchive
from verification.results import NotArchived, Result, Subject, customer_of
from verification.tokens import Tokens

logger = Logger(service="verification")


class Question(BaseModel):
    """The ticket or customer to wait for, and since when; a customer's earlier tickets do not count."""

    subject: Subject
    since: datetime


class Wait(Question):
    """A question with the task token that receives the answer."""

    token: str


@cache
def dependencies() -> tuple[TicketArchive, Tokens]:
    """Return the clients, made on the first event."""
    session = boto3.Session()
    tokens = Tokens(session.client("dynamodb"), session.client("stepfunctions"), os.environ["TOKENS_TABLE"])
    return TicketArchive(os.environ["ARCHIVE_API_URL"], session), tokens


@event_parser(model=Wait)
def wait_for_manifest(event: Wait, _: LambdaContext) -> None:
    """Store the token; resume at once if the ticket is archived already, because its event may have come earlier."""
    archive, tokens = dependencies()
    tokens.store(event.subject, event.token, event.since)
    result = newest(archive, event)
    if result is not None:
        tokens.resume(event.subject, event.token, result)


@event_parser(model=ManifestCreated)
def manifest_created(event: ManifestCreated, _: LambdaContext) -> dict[str, bool]:
    """Resume the execution that waits for the event's ticket or customer; return whether there was one.

    The event says only that there is something new; the archive says what. An execution that was resumed by an earlier
    event, or timed out, is not affected. If it raises, Lambda retries.
    """
    resumed = resume(*dependencies(), event.ticket)
    logger.info("manifest received", ticket=event.ticket, resumed=resumed)
    return {"resumed": resumed}


def resume(archive: TicketArchive, tokens: Tokens, ticket: str) -> bool:
    """Resume the execution that waits for the ticket or for its customer; False if none does."""
    subject = Subject(ticket=ticket)
    found = tokens.find(subject)
    try:
        if found is None and (customer := customer_of(archive.details(ticket))):
            subject = Subject(customer=customer)
            found = tokens.find(subject)
        if found is None:
            return False
        token, since = found
        archived = archive.ticket(ticket)
    except ArchiveApiError as error:
        if error.status not in (404, 410):
            raise
        return False  # erased since, or archived without details, which name the customer
    return counts(subject, since, archived) and tokens.resume(subject, token, Result.of(archived))


@event_parser(model=Question)
def ask_archive(event: Question, _: LambdaContext) -> dict[str, object]:
    """Return the result without an event. Raises NotArchived, on which the state machine asks again."""
    archive, _tokens = dependencies()
    result = newest(archive, event)
    if result is None:
        raise NotArchived("The archive has no result yet.")
    return result.model_dump()


def newest(archive: TicketArchive, question: Question) -> Result | None:
    """Return the newest version of the ticket, or of the customer's newest ticket; None before it is archived."""
    ticket = question.subject.ticket
    for each in [ticket] if ticket else archived_tickets(archive, str(question.subject.customer), question.since):
        try:
            found = archive.ticket(each)
        except ArchiveApiError as error:
            if error.status not in (202, 404):
                raise
        else:
            if counts(question.subject, question.since, found):
                return Result.of(found)
    return None


def archived_tickets(archive: TicketArchive, customer: str, since: datetime) -> Iterator[str]:
    """Yield a customer's tickets of which a version was archived since then, newest first."""
    for each in archive.customer_tickets(customer):
        if each.state == "archived" and each.archived_at and each.archived_at >= since:
            yield each.ticket


def counts(subject: Subject, since: datetime, ticket: Ticket) -> bool:
    """Return whether a ticket answers the question: a new version of a customer's earlier ticket does not."""
    return subject.ticket is not None or (ticket.received_at is not None and ticket.received_at >= since)
