"""The state that an attempt leads to: which parts are settled, what the item becomes, its version. Pure: no I/O."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ingest.archiving.models import Attempt, Fetched
from ingest.archiving.settling import EMPTY, Observation, Settlement, settle
from ticket_archive.clock import iso
from ticket_archive.details import ATTRIBUTES as DETAILS_ATTRIBUTES
from ticket_archive.errors import RetryableError, UnrecognizedResponse
from ticket_archive.manifest import state_of, version_of
from ticket_archive.models import DETAILS, ImageType, TicketItem, TicketState, TypeState

_FIRST_RECHECK = timedelta(hours=1)

_VERDICT = ("outcome", "disposition", "confidence_score", "risk_code")
_FACTS = (*_VERDICT, "customer")
_DETAILS = (*_VERDICT, "details_sha256", "details_bytes", *DETAILS_ATTRIBUTES)


def settlement_of(
    attempt: Attempt, fetched: Fetched, image_types: Sequence[ImageType], settle_time: timedelta
) -> Settlement:
    """Return which fetched parts are final, given what the ticket holds and what the request wants."""
    item, request = attempt.item, attempt.request
    at_once = {str(kind) for kind in request.settle}
    if set(request.settle) >= set(image_types):
        at_once.add(DETAILS)
    if item.state is TicketState.ARCHIVED:  # what was settled before need not settle again
        at_once |= {
            part
            for part, observation in fetched.observed.items()
            if part != DETAILS
            and observation.state in (TypeState.ABSENT, TypeState.UNRECOGNIZED)
            and item.types.get(ImageType(part)) is observation.state
        }
    observed = {part: fetched.observed.get(part, Observation(TypeState.STORED)) for part in (DETAILS, *image_types)}
    if request.recheck and attempt.resumed is not None:
        observed |= {part: _before(part, attempt.resumed) for part in fetched.observed if _failed(fetched, part)}
        at_once |= observed.keys()
    return settle(observed, item.pending, attempt.now, settle_time, at_once)


def changes_of(
    attempt: Attempt, fetched: Fetched, settlement: Settlement, stored_details: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the item's new attributes: what was fetched, and the earlier content of parts that got no answer.

    `stored_details` are the attributes that hold the fetched details.
    """
    resumed, before = attempt.resumed, attempt.before
    asked = {part for part in fetched.observed if not (resumed and _is_as_before(attempt, resumed, fetched, part))}
    came = {*(image.type for image in fetched.images), *(file.type for file in fetched.unrecognized)}
    # Without an answer, the earlier content stays: there may never be any other.
    replaced = {part for part in asked if part in came or fetched.observed[part].state is not TypeState.FAILED}
    images = [image for image in before.images if image.type not in replaced] if before else []
    unrecognized = [file for file in before.unrecognized if file.type not in replaced] if before else []
    images += [image for image in fetched.images if image.type in asked]
    unrecognized += [file for file in fetched.unrecognized if file.type in asked]
    missing = _missing(fetched, settlement)
    for part in fetched.observed.keys() - asked:  # which stay as they were
        missing.pop(part, None)
        if resumed and part in resumed.missing:
            missing[part] = resumed.missing[part]
    order = [DETAILS, *ImageType]  # a setting may no longer have the type of something that is stored
    images.sort(key=lambda image: (order.index(image.type), image.index))
    unrecognized.sort(key=lambda file: order.index(file.type))
    types = {image.type: TypeState.STORED for image in images} | {
        kind: settlement.states[kind] for kind in ImageType if kind in settlement.states
    }
    changes: dict[str, Any] = {
        "images": images,
        "types": types,
        "unrecognized": unrecognized or None,
        "missing": missing or None,
        "pending": settlement.pending or None,
        "fetched_at": attempt.fetched_at,
    }
    if attempt.renewed:
        changes |= {"received_at": iso(attempt.now), "expires_at": attempt.expires_at, "customer": None}
    if resumed is None:  # without its verdict, an earlier event's details are fetched again
        changes |= dict.fromkeys(_VERDICT if before else _DETAILS)
    if fetched.details is not None:
        changes |= {name: getattr(fetched.details.facts, name) for name in _FACTS}
        changes |= {"details_sha256": fetched.details.sha256, "details_bytes": fetched.details.size}
        changes |= stored_details
    return changes


def next_state(attempt: Attempt, item: TicketItem, changes: Mapping[str, Any], now: datetime) -> TicketItem:
    """Return the archived state that `changes` make of an item."""
    before = attempt.before
    types, unrecognized = changes["types"], tuple(changes["unrecognized"] or ())
    missing = changes["missing"] or {}
    sha256 = changes.get("details_sha256", before.details_sha256 if before else None)
    settled = all(state in (TypeState.STORED, TypeState.ABSENT) for state in types.values())
    state = item.model_copy(
        update={
            "state": TicketState.ARCHIVED,
            "outcome": changes.get("outcome", before.outcome if before else None),
            "details_sha256": sha256,
            "details_bytes": changes.get("details_bytes", before.details_bytes if before else None) or 0,
            "images": tuple(changes["images"]),
            "types": types,
            "complete": settled and sha256 is not None and DETAILS not in missing and not unrecognized,
            "unrecognized": unrecognized,
            "missing": missing,
            "expires_at": attempt.expires_at,
        }
    )
    if item.archived_at is not None and state_of(item) == state_of(state):
        return state
    previous = item.version if item.archived_at is not None else None
    version = version_of(state, item.version)
    return state.model_copy(update={"version": version, "previous": previous, "archived_at": iso(now)})


def recheck_at(attempt: Attempt, item: TicketItem, state: TicketItem) -> str | None:
    """Return when the schedule asks again; None if the ticket is complete, with an outcome and all uploaded types."""
    if state.complete and state.outcome is not None and not any(kind.uploaded for kind in state.absent):
        return None
    if attempt.request.recheck or state.version == item.version:
        return item.attributes.get("retry_at")
    return iso(attempt.now + _FIRST_RECHECK)


def causes_of(item: TicketItem, fetched: Fetched) -> tuple[str, ...]:
    """Return the error codes of the parts that could not be used, except those already known to be unrecognized."""
    known = {part for part, pending in item.pending.items() if pending.answer != EMPTY}
    known |= {file.type for file in item.unrecognized}
    causes = {
        error.code
        for part, error in fetched.errors.items()
        if not (isinstance(error, UnrecognizedResponse) and part in known)
    }
    return tuple(sorted(causes))


def _failed(fetched: Fetched, part: str) -> bool:
    """Return whether a part's answer is an error. A recheck leaves the part as it is then: nothing waits to settle."""
    return fetched.observed[part].state is TypeState.FAILED or isinstance(fetched.errors.get(part), RetryableError)


def _before(part: str, resumed: TicketItem) -> Observation:
    if part == DETAILS:
        return Observation(TypeState.STORED if resumed.details_sha256 else TypeState.FAILED)
    return Observation(resumed.types.get(ImageType(part), TypeState.FAILED))


def _is_as_before(attempt: Attempt, resumed: TicketItem, fetched: Fetched, part: str) -> bool:
    """Return whether a recheck of a part failed, or found it unrecognized again, even with other bytes."""
    state = fetched.observed[part].state
    again = state is TypeState.UNRECOGNIZED and any(file.type == part for file in resumed.unrecognized)
    images = [[image for image in each.images if image.type == part] for each in (resumed, fetched)]
    return attempt.request.recheck and (_failed(fetched, part) or (again and images[0] == images[1]))


def _missing(fetched: Fetched, settlement: Settlement) -> dict[str, str]:
    """Return a short code for each part that is not there, such as `empty`, `not_json` or `403`."""
    missing = {str(part): error.detail or error.code for part, error in fetched.errors.items()}
    missing |= {str(part): EMPTY for part in settlement.waiting if str(part) not in missing}
    return missing
