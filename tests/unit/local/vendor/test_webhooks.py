import pytest

from local.vendor.tickets import Outcome, State, Ticket, Tickets
from local.vendor.webhooks import Form, event

TICKETS = Tickets(seed=3)


def of(outcome: Outcome) -> Ticket:
    return TICKETS.get(TICKETS.id(0), State(outcome=outcome))


@pytest.mark.parametrize(
    ("form", "outcome", "said"),
    [
        (Form.COMPLETED, Outcome.ACCEPTED, {"event": "ticket.verification.completed", "flow_status": "ACCEPTED"}),
        (Form.COMPLETED, Outcome.REJECTED, {"flow_status": "REJECTED", "disposition": "FAILED"}),
        (Form.IN_PROGRESS, Outcome.ACCEPTED, {"event": "ticket.verification.in_progress", "remaining_attempts": 3}),
        (Form.INVITATION, Outcome.REJECTED, {"invitation_state": "COMPLETED", "transaction_status": "REJECTED"}),
        (Form.VERIFICATION, Outcome.ACCEPTED, {"event": "verification.completed", "status": "VERIFIED"}),
        (Form.VERIFICATION, Outcome.REJECTED, {"event": "verification.completed", "status": "FAILED"}),
        (Form.ONBOARDING, Outcome.ACCEPTED, {"event": "onboarding.completed", "status": "SUCCESSFUL"}),
        (Form.ONBOARDING, Outcome.REJECTED, {"event": "onboarding.completed", "status": "AWAITING"}),
    ],
)
def test_every_form_has_the_ticket_and_the_outcome(form: Form, outcome: Outcome, said: dict[str, object]) -> None:
    content = event(form, of(outcome))
    assert content["ticket"] == TICKETS.id(0)
    assert said.items() <= content.items()
