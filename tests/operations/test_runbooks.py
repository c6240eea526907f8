"""Every alarm's runbook works: create its condition, see its metric, type its commands, check the tickets.

The emulator publishes Lambda's metrics. Those of the functions are taken from their logs, as CloudWatch does. Those of
SQS and API Gateway it does not publish: they are put by hand, with the value that the test has seen.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import chain
from uuid import uuid4

import pytest

from local.vendor import webhooks
from tests.operations.on_call import (
    NEW_SECRET,
    ON_THE_STACK,
    OUTAGE,
    ROTATE_WEBHOOK_SECRET,
    RUNBOOKS,
    WRITE_CREDENTIAL,
    OnCall,
)
from tests.support.queues import dead_letters_after
from tests.support.runbooks import commands
from tests.support.waiting import eventually
from ticket_archive.clock import iso, now
from ticket_archive.messages import Webhook, ticket_message, webhook_message

pytestmark = ON_THE_STACK

Scene = Callable[[OnCall], object]
SCENES: dict[Scene, tuple[str, ...]] = {}
"""The alarms that fire in each."""


def scene(*alarms: str) -> Callable[[Scene], Scene]:
    def register(play: Scene) -> Scene:
        SCENES[play] = alarms
        return play

    return register


@scene("Webhook5xxAlarm", "IngestErrorsAlarm", "RetrievalErrorsAlarm")
def bad_deployment(on_call: OnCall) -> None:
    lost, other = on_call.tickets(2)
    with on_call.bad_version("IngestFunction"):
        assert on_call.stack.post(lost) >= 500
        on_call.tick()
        on_call.fires("IngestErrorsAlarm", Webhook5xxAlarm=1)
        on_call.follow(dict.fromkeys(("Webhook5xxAlarm", "IngestErrorsAlarm"), lost), lost=[lost])
        on_call.archived(lost)
    with on_call.bad_version("RetrievalFunction"):
        assert on_call.stack.api.get(f"/tickets/{lost}").status_code >= 500
        on_call.invoke("RetrievalFunction")
        on_call.fires("RetrievalErrorsAlarm")
        on_call.follow({"RetrievalErrorsAlarm": other})
        assert on_call.stack.api.get(f"/tickets/{lost}").status_code == 200


@scene("IngestThrottlesAlarm", "RetrievalThrottlesAlarm")
def no_concurrency_left(on_call: OnCall) -> None:
    [lost] = on_call.tickets(1)  # nobody posts its webhook: the emulator would not throttle it
    with on_call.throttled("IngestFunction", "RetrievalFunction") as repair:
        for function in ("IngestFunction", "RetrievalFunction"):
            on_call.invoke(function, "$LATEST")
        on_call.fires("IngestThrottlesAlarm", "RetrievalThrottlesAlarm")
        shown = on_call.follow(dict.fromkeys(SCENES[no_concurrency_left], lost), repair, lost=[lost])
    assert all("ConcurrentExecutions" in text for text in shown.values())
    on_call.archived(lost)


@scene("WebhookEnqueueFailedAlarm", "StorageErrorsAlarm", "DeadLettersAlarm", "Api5xxAlarm")
def rights_removed(on_call: OnCall) -> None:
    stack = on_call.stack
    lost, dead, kept = on_call.tickets(3)
    stack.post(kept)
    on_call.archived(kept)
    with (
        dead_letters_after(stack, 1),
        stack.denied("IngestRole", "sqs:SendMessage", "dynamodb:GetItem", "dynamodb:UpdateItem") as repair_ingest,
        stack.denied("RetrievalRole", "dynamodb:GetItem") as repair_retrieval,
    ):
        assert stack.post(lost) == 503
        assert stack.api.get(f"/tickets/{kept}").status_code >= 500
        for url, ticket in ((stack.at.queue_url, dead), (stack.at.dead_letter_queue_url, kept)):
            stack.sqs.send_message(QueueUrl=url, MessageBody=ticket_message(ticket))
        eventually(lambda: {dead, kept} <= on_call.dead_letters(), "both dead")
        waiting = on_call.depth("TicketDeadLetterQueue")
        on_call.fires("WebhookEnqueueFailedAlarm", "StorageErrorsAlarm", DeadLettersAlarm=waiting, Api5xxAlarm=1)
        repair_ingest()  # an operator's own rights are not those of the function; `discard` is typed before `redrive`
        discard = next(each for each in commands(RUNBOOKS["DeadLettersAlarm"]) if "--discard" in each)
        assert kept in on_call.type(discard)
        shown = on_call.follow(
            dict.fromkeys(SCENES[rights_removed], dead), repair_retrieval, lost=[lost], leave=[discard]
        )

    assert "AccessDenied" in shown["WebhookEnqueueFailedAlarm"]
    assert f"{dead} " in shown["DeadLettersAlarm"]
    assert {line.get("aws_code") for line in on_call.found("Retries by cause") if line.get("ticket") == dead}
    assert on_call.found("Failed requests")
    on_call.archived(lost, dead)
    assert stack.api.get(f"/tickets/{kept}").status_code == 200
    assert not {dead, kept} & on_call.dead_letters()


@scene("QuarantineAlarm", "VendorAuthErrorsAlarm", "ConfigurationErrorsAlarm")
def secrets_at_fault(on_call: OnCall) -> None:
    stack = on_call.stack
    denied, malformed, foreign, late, *quarantined = on_call.tickets(23)  # 19 are ten in one of two periods
    before = on_call.depth("WebhookQuarantineQueue")
    credential = stack.secrets.get_secret_value(SecretId=stack.outputs["VendorCredentialArn"])["SecretString"]
    (on_call.shell.folder / "credential.json").write_text(credential)
    with dead_letters_after(stack, 1), on_call.secrets_restored():
        for ticket, text in ((malformed, "{"), (denied, credential.replace('": "', '": "x'))):
            stack.secrets.put_secret_value(SecretId=stack.outputs["VendorCredentialArn"], SecretString=text)
            on_call.new_processes()
            stack.sqs.send_message(QueueUrl=stack.at.queue_url, MessageBody=ticket_message(ticket))
            eventually(lambda: ticket in on_call.dead_letters(), f"{ticket} dead")  # noqa: B023
        on_call.post(*quarantined, secret=NEW_SECRET)
        on_call.post(foreign, secret=uuid4().hex)
        stack.sqs.send_message(  # junk that comes where plaintext is allowed, which this stack does not
            QueueUrl=stack.at.quarantine_queue_url,
            MessageBody=webhook_message(Webhook(body=b"junk", received_at=iso(now()))),
            MessageAttributes={"reason": {"DataType": "String", "StringValue": "not_json"}},
        )
        on_call.fires(*SCENES[secrets_at_fault])

        def repair() -> None:
            on_call.type(ROTATE_WEBHOOK_SECRET)
            on_call.type(WRITE_CREDENTIAL)
            on_call.new_processes()

        shown = on_call.follow(dict.fromkeys(SCENES[secrets_at_fault], denied), repair)
        on_call.type("./ticket-archive redrive dead-letters --ticket TICKET", TICKET=malformed)
        on_call.post(late)  # the vendor has the old secret still
        on_call.archived(denied, malformed, late, *quarantined)
    assert "vendor credential: malformed" in shown["ConfigurationErrorsAlarm"]
    assert "undecipherable" in shown["QuarantineAlarm"]
    eventually(lambda: on_call.depth("WebhookQuarantineQueue") == before + 1, "only the foreign one back")


@scene(
    "UnrecognizedEventsAlarm",
    "UnrecognizedResponsesAlarm",
    "IncompleteTicketsAlarm",
    "ArchivedIncompleteAlarm",
    "ArchivedWithoutOutcomeAlarm",
)
def odd_vendor(on_call: OnCall) -> None:
    stack = on_call.stack
    unknown_event, html, incomplete, settled, without_outcome = on_call.tickets(5)
    for ticket, fault in ((html, "html"), (incomplete, "unavailable"), (settled, "unavailable")):
        stack.vendor("script", fault=fault, endpoint="images", ticket=ticket, type="DOCUMENT", times=None)
    stack.vendor("script", fault="details_without_outcome", endpoint="details", ticket=without_outcome)
    stack.post(unknown_event, "expired")
    for ticket in (html, incomplete, settled, without_outcome):
        stack.post(ticket)
    on_call.archived(unknown_event, without_outcome)
    on_call.until({ticket: {"state": "incomplete"} for ticket in (html, incomplete, settled)})
    stack.change_item(incomplete, received_at=iso(now() - timedelta(hours=2)))
    on_call.tick()
    first = {
        "UnrecognizedEventsAlarm": unknown_event,
        "UnrecognizedResponsesAlarm": html,
        "IncompleteTicketsAlarm": incomplete,
        "ArchivedWithoutOutcomeAlarm": without_outcome,
    }
    on_call.fires(*first)
    without = next(each for each in commands(RUNBOOKS["IncompleteTicketsAlarm"]) if "--without" in each)
    on_call.type(without, TICKET=settled)
    shown = on_call.follow(first, leave=[without])
    assert '"unrecognized":true' in shown["UnrecognizedEventsAlarm"].replace(" ", "")
    assert all(text in shown["IncompleteTicketsAlarm"] for text in (incomplete, "DOCUMENT", "503"))
    assert "DOCUMENT-unrecognized" in shown["UnrecognizedResponsesAlarm"]
    assert html in {line["ticket"] for line in on_call.found("Missing parts")}
    assert without_outcome in shown["ArchivedWithoutOutcomeAlarm"]
    on_call.archived(without_outcome, outcome=stack.vendor("expected", ticket=without_outcome)["outcome"])
    on_call.archived(incomplete, settled, complete=False)

    on_call.fires("ArchivedIncompleteAlarm")
    shown = on_call.follow({"ArchivedIncompleteAlarm": incomplete}, lambda: stack.vendor("reset"))
    assert all(ticket in shown["ArchivedIncompleteAlarm"] for ticket in (incomplete, settled))
    on_call.type("./ticket-archive backfill TICKET --force", TICKET=html)  # on a slow machine the page has settled
    on_call.archived(incomplete, html, complete=True)


@scene("VendorUnavailableAlarm", "RetriedMessagesAlarm", "QueueAgeAlarm")
def vendor_down(on_call: OnCall) -> None:
    stack = on_call.stack
    *failing, waiting = on_call.tickets(4)
    for endpoint in ("details", "images"):
        stack.vendor("script", fault="unavailable", endpoint=endpoint, times=None)
    for ticket in failing:
        stack.post(ticket)
    on_call.fires("VendorUnavailableAlarm", "RetriedMessagesAlarm")
    disable = next(each for each in commands(OUTAGE) if "--no-enabled" in each)
    on_call.type(disable)
    stack.post(waiting)
    assert on_call.depth("TicketQueue") >= 1
    on_call.fires(QueueAgeAlarm=3601)
    tickets = dict.fromkeys(SCENES[vendor_down], waiting)
    shown = on_call.follow(tickets, lambda: stack.vendor("reset"), leave=[disable])
    assert "Disabled" in shown["QueueAgeAlarm"]
    retried = {
        line.get("ticket") for line in on_call.found("Retries by cause") if line.get("detail") == "vendor_unavailable"
    }
    assert retried >= set(failing)
    on_call.archived(*failing, waiting)


@scene("WebhookSilenceAlarm", "ScheduleSilenceAlarm", "Webhook4xxAlarm", "ConfigurationErrorsAlarm")
def silence(on_call: OnCall) -> None:
    stack = on_call.stack
    lost, incomplete = on_call.tickets(2)
    stack.vendor("script", fault="unavailable", endpoint="images", ticket=incomplete, type="DOCUMENT", times=None)
    stack.post(incomplete)
    on_call.until({incomplete: {"state": "incomplete"}})
    with stack.environment(stack.resources["IngestFunction"], REQUEUE_FOR_DAYS="soon") as deploy_again:
        on_call.tick()
        for _ in range(10):
            assert webhooks.post(stack.at.webhook_url, webhooks.Webhook(b"", {}), ca_bundle=stack.at.ca_bundle) == 400
        on_call.fires("ConfigurationErrorsAlarm", Webhook4xxAlarm=10)
        on_call.silent("WebhookSilenceAlarm", "ScheduleSilenceAlarm")
        tickets = {"WebhookSilenceAlarm": lost, "Webhook4xxAlarm": lost, "ScheduleSilenceAlarm": incomplete}

        def repair() -> None:
            stack.vendor("reset")
            deploy_again()

        shown = on_call.follow(tickets, repair, lost=[lost])
    assert "400" in shown["Webhook4xxAlarm"]
    assert "REQUEUE_FOR_DAYS" in shown["ScheduleSilenceAlarm"]
    assert incomplete in shown["ScheduleSilenceAlarm"]
    on_call.tick()
    on_call.publish()
    assert all(max(on_call.values(name)) >= 1 for name in ("WebhookSilenceAlarm", "ScheduleSilenceAlarm"))
    on_call.archived(lost, incomplete)


@pytest.mark.parametrize("play", SCENES, ids=lambda play: str(play.__name__))
def test_runbooks_repair_what_their_alarms_report(play: Scene, on_call: OnCall) -> None:
    on_call.fired.clear()
    play(on_call)
    assert on_call.fired == set(SCENES[play])
    on_call.played.add(play.__name__)


def test_every_alarm_is_fired_and_every_command_is_typed(on_call: OnCall) -> None:
    assert set(chain(*SCENES.values())) == set(RUNBOOKS)
    if len(on_call.played) < len(SCENES):
        pytest.skip("not every scene was played")
    assert {each for section in RUNBOOKS.values() for each in commands(section)} - on_call.typed == set()
