"""Every alarm's runbook works: its condition is made, its metric seen, its commands typed, the customer helped.

The emulator publishes Lambda's metrics. Those of the functions are taken from their logs, as CloudWatch does. Those of
SQS and API Gateway it does not publish: they are put by hand, with the value that the test has seen.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import chain
from uuid import uuid4

import pytest

from local.vendor import webhooks
from tests.operations.night import NEW_SECRET, OUTAGE, ROTATE_WEBHOOK_SECRET, RUNBOOKS, WRITE_CREDENTIAL, Night
from tests.support.queues import dead_letters_after
from tests.support.runbooks import commands
from tests.support.waiting import eventually
from ticket_archive.clock import iso, now
from ticket_archive.messages import Webhook, ticket_message, webhook_message

pytestmark = pytest.mark.stack

Scene = Callable[[Night], object]
SCENES: dict[Scene, tuple[str, ...]] = {}
"""The alarms that ring in each."""


def scene(*alarms: str) -> Callable[[Scene], Scene]:
    def register(play: Scene) -> Scene:
        SCENES[play] = alarms
        return play

    return register


@scene("Webhook5xxAlarm", "IngestErrorsAlarm", "RetrievalErrorsAlarm")
def bad_deployment(night: Night) -> None:
    lost, other = night.tickets(2)
    with night.bad_version("IngestFunction"):
        assert night.stack.post(lost) >= 500
        night.tick()
        night.rings("IngestErrorsAlarm", Webhook5xxAlarm=1)
        night.follow(dict.fromkeys(("Webhook5xxAlarm", "IngestErrorsAlarm"), lost), lost=[lost])
        night.archived(lost)
    with night.bad_version("RetrievalFunction"):
        assert night.stack.api.get(f"/tickets/{lost}").status_code >= 500
        night.invoke("RetrievalFunction")
        night.rings("RetrievalErrorsAlarm")
        night.follow({"RetrievalErrorsAlarm": other})
        assert night.stack.api.get(f"/tickets/{lost}").status_code == 200


@scene("IngestThrottlesAlarm", "RetrievalThrottlesAlarm")
def no_concurrency_left(night: Night) -> None:
    [lost] = night.tickets(1)  # nobody posts its webhook: the emulator would not throttle it
    with night.throttled("IngestFunction", "RetrievalFunction") as repair:
        for function in ("IngestFunction", "RetrievalFunction"):
            night.invoke(function, "$LATEST")
        night.rings("IngestThrottlesAlarm", "RetrievalThrottlesAlarm")
        shown = night.follow(dict.fromkeys(SCENES[no_concurrency_left], lost), repair, lost=[lost])
    assert all("ConcurrentExecutions" in text for text in shown.values())
    night.archived(lost)


@scene("WebhookEnqueueFailedAlarm", "StorageErrorsAlarm", "DeadLettersAlarm", "Api5xxAlarm")
def rights_removed(night: Night) -> None:
    stack = night.stack
    lost, dead, kept = night.tickets(3)
    stack.post(kept)
    night.archived(kept)
    with (
        dead_letters_after(stack, 1),
        night.denied("IngestRole", "sqs:SendMessage", "dynamodb:GetItem", "dynamodb:UpdateItem") as repair_ingest,
        night.denied("RetrievalRole", "dynamodb:GetItem") as repair_retrieval,
    ):
        assert stack.post(lost) == 503
        assert stack.api.get(f"/tickets/{kept}").status_code >= 500
        for url, ticket in ((stack.at.queue_url, dead), (stack.at.dead_letter_queue_url, kept)):
            stack.sqs.send_message(QueueUrl=url, MessageBody=ticket_message(ticket))
        eventually(lambda: {dead, kept} <= night.dead_letters() or None, "both dead")
        waiting = night.depth("TicketDeadLetterQueue")
        night.rings("WebhookEnqueueFailedAlarm", "StorageErrorsAlarm", DeadLettersAlarm=waiting, Api5xxAlarm=1)
        repair_ingest()  # an operator's own rights are not those of the function; `discard` is typed before `redrive`
        discard = next(each for each in commands(RUNBOOKS["DeadLettersAlarm"]) if "--discard" in each)
        assert kept in night.type(discard)
        shown = night.follow(
            dict.fromkeys(SCENES[rights_removed], dead), repair_retrieval, lost=[lost], leave=[discard]
        )

    assert "AccessDenied" in shown["WebhookEnqueueFailedAlarm"]
    assert f"{dead} " in shown["DeadLettersAlarm"]
    assert {line.get("aws_code") for line in night.found("Retries by cause") if line.get("ticket") == dead}
    assert night.found("Failed requests")
    night.archived(lost, dead)
    assert stack.api.get(f"/tickets/{kept}").status_code == 200
    assert not {dead, kept} & night.dead_letters()


@scene("QuarantineAlarm", "VendorAuthErrorsAlarm", "ConfigurationErrorsAlarm")
def secrets_at_fault(night: Night) -> None:
    stack = night.stack
    denied, malformed, foreign, *quarantined = night.tickets(22)  # 19 are ten in one of two periods
    before = night.depth("WebhookQuarantineQueue")
    credential = stack.secrets.get_secret_value(SecretId=night.outputs["VendorCredentialArn"])["SecretString"]
    (night.shell.folder / "credential.json").write_text(credential)
    with dead_letters_after(stack, 1), night.secrets_restored():
        for ticket, text in ((malformed, "{"), (denied, credential.replace('": "', '": "x'))):
            stack.secrets.put_secret_value(SecretId=night.outputs["VendorCredentialArn"], SecretString=text)
            night.new_processes()
            stack.sqs.send_message(QueueUrl=stack.at.queue_url, MessageBody=ticket_message(ticket))
            eventually(lambda: ticket in night.dead_letters() or None, f"{ticket} dead")  # noqa: B023
        night.post(*quarantined, secret=NEW_SECRET)
        night.post(foreign, secret=uuid4().hex)
        stack.sqs.send_message(  # junk that comes where plaintext is allowed, which this stack does not
            QueueUrl=stack.at.quarantine_queue_url,
            MessageBody=webhook_message(Webhook(body=b"junk", received_at=iso(now()))),
            MessageAttributes={"reason": {"DataType": "String", "StringValue": "not_json"}},
        )
        night.rings(*SCENES[secrets_at_fault])

        def repair() -> None:
            night.type(ROTATE_WEBHOOK_SECRET)
            night.type(WRITE_CREDENTIAL)
            night.new_processes()

        shown = night.follow(dict.fromkeys(SCENES[secrets_at_fault], denied), repair)
        night.type("./ticket-archive redrive dead-letters --ticket TICKET", TICKET=malformed)
        night.archived(denied, malformed, *quarantined)
    assert "vendor credential: malformed" in shown["ConfigurationErrorsAlarm"]
    assert "undecipherable" in shown["QuarantineAlarm"]
    eventually(lambda: night.depth("WebhookQuarantineQueue") == before + 1 or None, "only the foreign one back")


@scene(
    "UnrecognizedEventsAlarm",
    "UnrecognizedResponsesAlarm",
    "IncompleteTicketsAlarm",
    "ArchivedIncompleteAlarm",
    "ArchivedWithoutOutcomeAlarm",
)
def odd_vendor(night: Night) -> None:
    stack = night.stack
    unknown_event, html, incomplete, settled, without_outcome = night.tickets(5)
    for ticket, fault in ((html, "html"), (incomplete, "unavailable"), (settled, "unavailable")):
        stack.vendor("script", fault=fault, endpoint="images", ticket=ticket, type="DOCUMENT", times=None)
    stack.vendor("script", fault="details_without_outcome", endpoint="details", ticket=without_outcome)
    stack.post(unknown_event, "expired")
    for ticket in (html, incomplete, settled, without_outcome):
        stack.post(ticket)
    night.archived(unknown_event, without_outcome)
    night.until({ticket: {"state": "incomplete"} for ticket in (html, incomplete, settled)})
    night.change_item(incomplete, received_at=iso(now() - timedelta(hours=2)))
    night.tick()
    first = {
        "UnrecognizedEventsAlarm": unknown_event,
        "UnrecognizedResponsesAlarm": html,
        "IncompleteTicketsAlarm": incomplete,
        "ArchivedWithoutOutcomeAlarm": without_outcome,
    }
    night.rings(*first)
    without = next(each for each in commands(RUNBOOKS["IncompleteTicketsAlarm"]) if "--without" in each)
    night.type(without, TICKET=settled)
    shown = night.follow(first, leave=[without])
    assert '"unrecognized":true' in shown["UnrecognizedEventsAlarm"].replace(" ", "")
    assert all(text in shown["IncompleteTicketsAlarm"] for text in (incomplete, "DOCUMENT", "503"))
    assert "DOCUMENT-unrecognized" in shown["UnrecognizedResponsesAlarm"]
    assert html in {line["ticket"] for line in night.found("Missing parts")}
    assert without_outcome in shown["ArchivedWithoutOutcomeAlarm"]
    night.archived(without_outcome, outcome=stack.vendor("expected", ticket=without_outcome)["outcome"])
    night.archived(incomplete, settled, complete=False)

    night.rings("ArchivedIncompleteAlarm")
    shown = night.follow({"ArchivedIncompleteAlarm": incomplete}, lambda: stack.vendor("reset"))
    assert all(ticket in shown["ArchivedIncompleteAlarm"] for ticket in (incomplete, settled))
    night.archived(incomplete, html, complete=True)


@scene("VendorUnavailableAlarm", "RetriedMessagesAlarm", "QueueAgeAlarm")
def vendor_down(night: Night) -> None:
    stack = night.stack
    *failing, waiting = night.tickets(4)
    for endpoint in ("details", "images"):
        stack.vendor("script", fault="unavailable", endpoint=endpoint, times=None)
    for ticket in failing:
        stack.post(ticket)
    night.rings("VendorUnavailableAlarm", "RetriedMessagesAlarm")
    disable = next(each for each in commands(OUTAGE) if "--no-enabled" in each)
    night.type(disable)
    stack.post(waiting)
    assert night.depth("TicketQueue") >= 1
    night.rings(QueueAgeAlarm=3601)
    tickets = dict.fromkeys(SCENES[vendor_down], waiting)
    shown = night.follow(tickets, lambda: stack.vendor("reset"), leave=[disable])
    assert "Disabled" in shown["QueueAgeAlarm"]
    retried = {
        line.get("ticket") for line in night.found("Retries by cause") if line.get("detail") == "vendor_unavailable"
    }
    assert retried >= set(failing)
    night.archived(*failing, waiting)


@scene("WebhookSilenceAlarm", "ScheduleSilenceAlarm", "Webhook4xxAlarm", "ConfigurationErrorsAlarm")
def silence(night: Night) -> None:
    stack = night.stack
    lost, incomplete = night.tickets(2)
    stack.vendor("script", fault="unavailable", endpoint="images", ticket=incomplete, type="DOCUMENT", times=None)
    stack.post(incomplete)
    night.until({incomplete: {"state": "incomplete"}})
    with night.environment(REQUEUE_FOR_DAYS="soon") as deploy_again:
        night.tick()
        for _ in range(10):
            assert webhooks.post(stack.at.webhook_url, webhooks.Webhook(b"", {}), ca_bundle=stack.at.ca_bundle) == 400
        night.rings("ConfigurationErrorsAlarm", Webhook4xxAlarm=10)
        night.silent("WebhookSilenceAlarm", "ScheduleSilenceAlarm")
        tickets = {"WebhookSilenceAlarm": lost, "Webhook4xxAlarm": lost, "ScheduleSilenceAlarm": incomplete}

        def repair() -> None:
            stack.vendor("reset")
            deploy_again()

        shown = night.follow(tickets, repair, lost=[lost])
    assert "400" in shown["Webhook4xxAlarm"]
    assert "REQUEUE_FOR_DAYS" in shown["ScheduleSilenceAlarm"]
    assert incomplete in shown["ScheduleSilenceAlarm"]
    night.tick()
    night.publish()
    assert all(max(night.values(name)) >= 1 for name in ("WebhookSilenceAlarm", "ScheduleSilenceAlarm"))
    night.archived(lost, incomplete)


@pytest.mark.parametrize("play", SCENES, ids=lambda play: str(play.__name__))
def test_runbooks_help(play: Scene, night: Night) -> None:
    night.rung.clear()
    play(night)
    assert night.rung == set(SCENES[play])
    night.played.add(play.__name__)


def test_every_alarm_rings_and_every_command_is_typed(night: Night) -> None:
    assert set(chain(*SCENES.values())) == set(RUNBOOKS)
    if len(night.played) < len(SCENES):
        pytest.skip("not every scene was played")
    assert {each for section in RUNBOOKS.values() for each in commands(section)} - night.typed == set()
