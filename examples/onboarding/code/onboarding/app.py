"""The function: a manifest's event moves the onboarding of its ticket forward.

EventBridge delivers at least once and in no order. So an event is taken as a hint that the ticket has a new state, and
never as a step by itself: the manifests, chained by `previous`, say which states there are and in which order.
"""

import json
import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from onboarding.archive import Archive
from onboarding.records import Onboardings, Overtaken
from onboarding.states import State, missing_states

_TIMES = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
_TRIES = 3


@cache
def collaborators() -> tuple[Archive, Onboardings]:
    """Made on the first event."""
    session = boto3.Session()
    archive = Archive(session, _TIMES, os.environ["ARCHIVE_BUCKET"], os.environ["ARCHIVE_API_URL"])
    return archive, Onboardings(session.client("dynamodb", config=_TIMES), os.environ["ONBOARDINGS_TABLE"])


def lambda_handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Takes an `Object Created` event of S3; answers how many steps were made. Lambda tries again when it raises."""
    archive, onboardings = collaborators()
    newest = archive.manifest(event["detail"]["object"]["key"])
    if newest is None:  # erased meanwhile
        return {"steps": 0}
    for _attempt in range(_TRIES):
        try:
            return {"steps": follow(newest, archive, onboardings)}
        except Overtaken:  # another event of the same ticket was quicker: look again at what is left
            continue
    raise Overtaken(newest.ticket)


def follow(newest: State, archive: Archive, onboardings: Onboardings) -> int:
    """Make every step that leads to the state `newest`, each once and in order; raises Overtaken."""
    at = onboardings.last(newest.ticket)
    states = missing_states(newest, at, archive.state)
    for state in states:
        # The work of a step stands here and before the record: it may be repeated, and must bear it.
        # Only the state in force is worth a look at the pictures; an earlier one's may be gone.
        portrait = archive.portrait(state) if state is newest else None
        at = onboardings.move(at, state, portrait)
        print(json.dumps({"ticket": state.ticket, "version": state.version, "step": at.steps}))
    return len(states)
