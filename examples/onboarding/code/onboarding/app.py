"""Lambda function: a manifest's S3 event moves the onboarding of its ticket forward.

EventBridge delivers at least once and in no order. An event is therefore only a hint that the ticket has a new state;
the manifests, linked by `previous`, say which states there are and in which order.
"""

import json
import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from onboarding.archive import Archive
from onboarding.records import Conflict, Onboardings
from onboarding.states import State, missing_states

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
_ATTEMPTS = 3


@cache
def dependencies() -> tuple[Archive, Onboardings]:
    """Return the clients, made on the first event."""
    session = boto3.Session()
    archive = Archive(session, _CONFIG, os.environ["ARCHIVE_BUCKET"], os.environ["ARCHIVE_API_URL"])
    return archive, Onboardings(session.client("dynamodb", config=_CONFIG), os.environ["ONBOARDINGS_TABLE"])


def lambda_handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Handle an `Object Created` event; return the number of steps made. If it raises, Lambda retries."""
    archive, onboardings = dependencies()
    newest = archive.manifest(event["detail"]["object"]["key"])
    if newest is None:  # erased or expired since
        return {"steps": 0}
    for _attempt in range(_ATTEMPTS):
        try:
            return {"steps": follow(newest, archive, onboardings)}
        except Conflict:  # another event of the same ticket was faster: read the record again
            continue
    raise Conflict(newest.ticket)


def follow(newest: State, archive: Archive, onboardings: Onboardings) -> int:
    """Make every step up to the state `newest`, each once and in order; return their number. Raises Conflict."""
    record = onboardings.get(newest.ticket)
    states = missing_states(newest, record, archive.state)
    for state in states:
        # Do the step's work here, before the record is written. It may run more than once, so make it idempotent.
        # Only the newest state's images are fetched: those of an earlier one may be deleted.
        portrait = archive.portrait(state) if state is newest else None
        record = onboardings.advance(record, state, portrait)
        print(json.dumps({"ticket": state.ticket, "version": state.version, "step": record.steps}))
    return len(states)
