"""Decide when a ticket is final: which answers of the vendor count, and which are fetched again. Pure: no I/O.

An empty answer for an uploaded type, and an answer that is unrecognized, may mean "not ready yet". They are fetched
again, and taken as they are once the vendor gives one that it gave the settle time before. Another answer in between,
such as a gateway's page, changes nothing, however late it comes. An answer that changes each time (an HTML page with a
time in it) is taken after twice the settle time, once ten different ones have come. The vendor cuts derived types out
of uploaded ones: while an uploaded type is missing, an empty answer for a derived type says nothing.

Only FAILED (no answer: 5xx, time-out, 429) has no end here. The schedule ends it after `RequeueForDays`.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from ticket_archive.clock import iso
from ticket_archive.models import DETAILS, ImageType, PendingAnswer, TypeState

EMPTY = "empty"
_DERIVED: frozenset[str] = frozenset(kind for kind in ImageType if not kind.uploaded)
_MAX_SEEN = 10
"""Answers of a part that the item remembers. After as many different ones, none is expected to come again."""


class Observation(NamedTuple):
    """The vendor's answer for one part of a ticket, now. `answer` identifies it: EMPTY, or a digest of what came."""

    state: TypeState
    answer: str = ""


class Settlement(NamedTuple):
    """The parts' states, and what is still missing. A part is an image type or DETAILS.

    `waiting` are the parts that are not final: nothing is archived while there is one. Their state here is FAILED.
    `failed` are those of them that the vendor gave no answer for. Time does not settle these: a call must succeed.
    `pending` are answers that may still change, by part. The next attempt compares its own with them, also for a part
    that has settled while another one is waiting. `settles_at` is when the next of them settles, None if a part failed.
    """

    states: Mapping[str, TypeState]
    waiting: Collection[str]
    failed: Collection[str]
    pending: Mapping[str, PendingAnswer]
    settles_at: datetime | None


def settle(
    observed: Mapping[str, Observation],
    earlier: Mapping[str, PendingAnswer],
    now: datetime,
    settle_time: timedelta,
    at_once: Collection[str] = (),
) -> Settlement:
    """Return the state of each observed part (an image type or DETAILS).

    `earlier` is what earlier attempts left as `pending`. Parts in `at_once` are taken as they are, even failed ones.
    """
    states = {part: observation.state for part, observation in observed.items()}
    pending: dict[str, PendingAnswer] = {}
    waiting: set[str] = set()
    failed: set[str] = set()
    ends: list[datetime] = []
    for part, observation in observed.items():
        before = earlier.get(part)
        if part in at_once:
            continue
        if observation.state is TypeState.FAILED:
            failed.add(part)
            if before:
                pending[part] = before
        elif observation.state is TypeState.UNRECOGNIZED or (
            observation.state is TypeState.ABSENT and part not in _DERIVED
        ):
            answer = _pending(observation.answer, before, now)
            pending[part] = answer  # kept once it has settled too: another part may make the ticket wait longer
            if not _counts(answer, now, settle_time):
                waiting.add(part)
                # when the first answer counts if it is given again; soon, if another one was given then
                ends.append(max(answer.first + settle_time, now + settle_time / 10))
    waiting |= failed
    if waiting - _DERIVED - {DETAILS}:
        waiting |= {part for part in _DERIVED - {*at_once} if states.get(part) is TypeState.ABSENT}
    states |= dict.fromkeys(waiting, TypeState.FAILED)
    return Settlement(states, waiting, failed, pending, None if failed else min(ends, default=None))


def _pending(answer: str, before: PendingAnswer | None, now: datetime) -> PendingAnswer:
    seen = dict(before.seen) if before else {}
    if len(seen) < _MAX_SEEN:
        seen.setdefault(answer, iso(now))
    return PendingAnswer(answer=answer, seen=seen)


def _counts(answer: PendingAnswer, now: datetime, settle_time: timedelta) -> bool:
    first = answer.seen.get(answer.answer)
    same = first is not None and datetime.fromisoformat(first) + settle_time <= now
    return same or (len(answer.seen) == _MAX_SEEN and answer.first + 2 * settle_time <= now)
