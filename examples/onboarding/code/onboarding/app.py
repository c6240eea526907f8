"""Lambda function: a manifest's S3 event moves the onboarding of its ticket forward.

EventBridge delivers at least once and in no order. An event is therefore only a hint that the ticket has a new state;
the manifests, linked by `previous`, say which states there are and in which order.
"""

import os
from functools import cache

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parser import event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from onboarding.archive import Archive
from onboarding.records import Conflict, Onboardings
from onboarding.states import missing_states
from ticket_archive_client import Manifest, ManifestCreated

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
_ATTEMPTS = 3

logger = Logger(service="onboarding")


@cache
def dependencies() -> tuple[Archive, Onboardings]:
    """Return the clients, made on the first event."""
    session = boto3.Session()
    archive = Archive(session, _CONFIG, os.environ["ARCHIVE_BUCKET"], os.environ["ARCHIVE_API_URL"])
    return archive, Onboardings(session.client("dynamodb", config=_CONFIG), os.environ["ONBOARDINGS_TABLE"])


@event_parser(model=ManifestCreated)
def lambda_handler(event: ManifestCreated, _: LambdaContext) -> dict[str, int]:
    """Handle an `Object Created` event; return the number of steps made. If it raises, Lambda retries."""
    archive, onboardings = dependencies()
    newest = archive.manifest(event.detail.object.key)
    if newest is None:  # erased or expired since
        return {"steps": 0}
    for _attempt in range(_ATTEMPTS):
        try:
            return {"steps": follow(newest, archive, onboardings)}
        except Conflict:  # another event of the same ticket was faster: read the record again
            continue
    raise Conflict(newest.ticket)


def follow(newest: Manifest, archive: Archive, onboardings: Onboardings) -> int:
    """Make every step up to the state `newest`, each once and in order; return their number. Raises Conflict."""
    record = onboardings.get(newest.ticket)
    states = missing_states(newest, record, archive.state)
    for state in states:
        # Do the step's work here, before the record is written. It may run more than once, so make it idempotent.
        # Only the newest state's images are fetched: those of an earlier one may be deleted.
        portrait = archive.portrait(state) if state is newest else None
        record = onboardings.advance(record, state, portrait)
        logger.info("step made", ticket=state.ticket, version=state.version, step=record.steps)
    return len(states)
