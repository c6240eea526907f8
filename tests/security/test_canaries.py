"""Fifty marked values pass through the functions; none is in a log, an error, a metric, a queue or a manifest.

The handlers run in this process with every logger at DEBUG (botocore's and urllib3's too), against the stack's table,
bucket and secrets, separate queues, and a vendor whose responses consist of marked values.
"""

import json
import os
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

import pytest

import ingest.app
import retrieval.app
from ingest import dependencies
from local import ROOT
from retrieval import audit
from retrieval.dependencies import Dependencies
from tests.security import marked_vendor as marked
from tests.support.fakes import FakeContext, sqs_record
from tests.support.logs import log_lines, root_log
from tests.support.servers import serving
from tests.support.stack import LocalStack
from ticket_archive import aws
from ticket_archive.event_source import SCHEDULE_SOURCE
from ticket_archive.webhook_encryption import IV_HEADER, encrypt_event

pytestmark = pytest.mark.stack

MARK = re.compile(r"Qz\d\dKanarienvogel")
IV = b"KanarienvogelIV!"
SENT = {"User-Agent": marked.REQUEST_AGENT, "X-More": marked.REQUEST_HEADER}
TICKETS = (marked.WHOLE, marked.BROKEN, marked.HTML, marked.FAILING, marked.MISSING, marked.LINKED)


class Journey:
    """This test's own queues and secrets on the stack, and both functions in an environment that names them."""

    def __init__(self, stack: LocalStack, vendor_url: str, patch: pytest.MonkeyPatch, **settings: str) -> None:
        self.stack = stack
        self.run = uuid4().hex[:12]
        self.dead = self._queue("dead")
        self.quarantine = self._queue("quarantine")
        arn = stack.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
        self.queue = self._queue("tickets", RedrivePolicy=redrive, VisibilityTimeout="60")
        names = ("api_key", "secret", "tenant", "env", "banknu")
        values = (marked.API_KEY, marked.SECRET, marked.TENANT, marked.ENV, marked.BANKNU)
        deployed = stack.functions.get_function_configuration(FunctionName=stack.resources["IngestFunction"])
        environment = {
            **deployed["Environment"]["Variables"],
            **stack.at.account.settings(),
            **dict.fromkeys(("POWERTOOLS_LOGGER_LOG_EVENT", "POWERTOOLS_DEBUG"), "true"),
            **dict.fromkeys(("MAX_RECEIVES", "RETRY_DELAY_SECONDS"), "1"),
            "QUEUE_URL": self.queue,
            "QUARANTINE_QUEUE_URL": self.quarantine,
            "VENDOR_URL": vendor_url,
            "VENDOR_CREDENTIAL_SECRET": self._secret("vendor", dict(zip(names, values, strict=True))),
            "WEBHOOK_SECRET": self._secret("webhooks", {"secret": marked.WEBHOOK_SECRET}),
            "WEBHOOK_CREDENTIALS_SECRET": self._secret("hook", {"header": "x-hook", "value": marked.CREDENTIAL_VALUE}),
            **settings,
        }
        self.idempotency = environment["IDEMPOTENCY_TABLE_NAME"]
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(retrieval.app, "dependencies", Dependencies(os.environ))

    @staticmethod
    def ingest(event: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = ingest.app.lambda_handler(event, FakeContext())
        return answer

    def ticket(self, begins: str) -> str:
        return f"{begins}-{self.run}"

    def post(self, body: bytes, iv: str | None, credential: str = marked.CREDENTIAL_VALUE) -> int:
        kind = {"Content-Type": "text/plain", IV_HEADER: iv} if iv else {"Content-Type": "application/json"}
        event: dict[str, Any] = {
            "httpMethod": "POST",
            "resource": "/webhooks/tickets",
            "path": "/webhooks/tickets",
            "headers": {**kind, **SENT, "x-hook": credential},
            "body": body.decode("latin-1"),
            "isBase64Encoded": False,
            "requestContext": {"requestId": marked.REQUEST_HEADER, "extendedRequestId": "r1"},
        }
        status: int = self.ingest(event)["statusCode"]
        return status

    def post_sealed(self, ticket: str, secret: bytes = marked.WEBHOOK_SECRET.encode()) -> int:
        event = {"ticket": ticket, "event": "ticket.verification.completed", "cifcode": marked.CUSTOMER, **marked.EVENT}
        body, iv = encrypt_event(json.dumps(event).encode(), secret, IV)
        return self.post(body, iv)

    def deliver(self) -> list[str]:
        """Pass all waiting messages to the function, as Lambda does; return the identifiers of failed ones."""
        back: list[str] = []
        while messages := self._receive(self.queue):
            sent = {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))}
            records = [sqs_record(message["Body"], message_id=message["MessageId"]) for message in messages]
            for record, message in zip(records, messages, strict=True):
                record |= {"receiptHandle": message["ReceiptHandle"], "attributes": sent}
            answer = self.ingest({"Records": records})
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            back += failed
            for message in messages:
                if message["MessageId"] not in failed:
                    self.stack.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return back

    def left_in(self, url: str) -> list[str]:
        """Return the bodies and attributes of a queue's messages."""
        found = []
        while messages := self._receive(url):
            found += [json.dumps([message["Body"], message.get("MessageAttributes", {})]) for message in messages]
        return found

    def get(self, resource: str, path: dict[str, str], query: dict[str, str] | None = None) -> dict[str, Any]:
        event = json.loads((ROOT / "events" / "retrieval_images.json").read_text())
        event |= {"resource": resource, "path": resource.format(**path), "pathParameters": path}
        event |= {"queryStringParameters": query, "multiValueQueryStringParameters": None}
        event["headers"] |= SENT
        answer: dict[str, Any] = retrieval.app.lambda_handler(event, cast("Any", FakeContext()))
        return answer

    def _queue(self, name: str, **attributes: str) -> str:
        made = self.stack.sqs.create_queue(QueueName=f"canaries-{name}-{self.run}", Attributes=cast("Any", attributes))
        return made["QueueUrl"]

    def _secret(self, name: str, value: dict[str, str]) -> str:
        return self.stack.secrets.create_secret(Name=f"{name}-{self.run}", SecretString=json.dumps(value))["ARN"]

    def _receive(self, url: str) -> list[Any]:
        received = self.stack.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60, MessageAttributeNames=["All"]
        )
        return list(received.get("Messages", []))


@pytest.fixture
def _fresh_clients() -> Iterator[None]:
    """Clients of the functions that read this test's environment."""
    cached = (aws.session, dependencies.webhook, dependencies.sqs, dependencies.schedule)
    for each in cached:
        each.cache_clear()
    yield
    dependencies.sqs().calls.shutdown()
    for each in cached:
        each.cache_clear()


def test_fifty_values_are_marked() -> None:
    text = json.dumps([value for name, value in vars(marked).items() if name.isupper()], ensure_ascii=False)
    assert len(set(MARK.findall(text))) == 50


@pytest.mark.usefixtures("_fresh_clients")
def test_marked_values_are_in_no_output(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hosts = f"images.{marked.mark(10).lower()}.example.com"  # a name that does not resolve
    with serving(marked.MarkedVendor) as url, root_log() as libraries, log_lines(audit._logger) as lines:
        journey = Journey(stack, url, monkeypatch, IMAGE_HOSTS=hosts)
        # GIVEN webhooks of every ticket, and others with a wrong secret, of junk, in plaintext and without credentials
        for begins in TICKETS:
            assert journey.post_sealed(journey.ticket(begins)) == 202
        assert journey.post_sealed(journey.ticket(marked.WHOLE), b"x" * 32) == 202
        assert journey.post(marked.JUNK_BODY.encode(), b64encode(IV).decode()) == 202
        clear = {"ticket": journey.ticket(marked.WHOLE), "fullname": marked.PLAIN_NAME}
        assert journey.post(json.dumps(clear).encode(), None) == 202
        assert journey.post(b"x", None, credential=marked.mark(8, "x")) == 401
        # WHEN they are processed, the schedule runs, and every route is called
        back = journey.deliver()
        journey.deliver()
        journey.ingest({"source": SCHEDULE_SOURCE})
        ticket = journey.ticket(marked.WHOLE)
        urls = ask_for_everything(journey, ticket)
        dead, quarantined = journey.left_in(journey.dead), journey.left_in(journey.quarantine)
    log = "".join([lines.getvalue(), libraries.getvalue(), *capfd.readouterr()])
    # THEN all of this happened
    assert len(back) == len(TICKETS) - 3  # one is archived, and two are pending: their answers may still change
    assert len(dead) == len(back)
    assert len(quarantined) == 3
    assert log.count("UrlsIssued") >= 2
    for said in ("webhook accepted", "retry scheduled", "webhook rejected", "request audited", "incomplete tickets"):
        assert f'"{said}"' in log, said
    # AND no marked value is in the logs, which include errors and metrics,
    assert set(MARK.findall(log)) == set()
    for secret in (b64encode(IV).decode(), "Kanarienvogel", "X-Amz-Signature", *urls):
        assert secret not in log
    # nor in the queues, except what was posted in plaintext (the queue itself is encrypted),
    kept = [json.loads(json.loads(each)[0])["webhook"] for each in (*dead, *quarantined)]
    assert set(MARK.findall("".join((*dead, *quarantined)))) == set()
    opened = {each["content_type"]: b64decode(each["body"]).decode("latin-1") for each in kept}
    plain = "".join(text for kind, text in opened.items() if kind == "text/plain")
    assert set(MARK.findall(plain)) <= {marked.JUNK_BODY}, "which was never encrypted"
    # nor in the idempotency table and the manifests.
    assert set(MARK.findall(json.dumps(stack.dynamodb.scan(TableName=journey.idempotency)["Items"]))) == set()
    assert set(MARK.findall(json.dumps(stack.keys(ticket)))) == set()
    [manifest] = stack.keys(ticket, "manifests/")
    assert MARK.search(stack.s3.get_object(Bucket=stack.at.bucket, Key=manifest)["Body"].read().decode()) is None


def ask_for_everything(journey: Journey, ticket: str) -> list[str]:
    """Call every route with good and bad input; return the issued URLs and their signatures."""
    assert journey.get("/tickets/{ticket}", {"ticket": ticket})["statusCode"] == 200
    details = journey.get("/tickets/{ticket}/details", {"ticket": ticket})
    assert marked.mark(13) in details["body"], "the marked values are there, for callers with permission"
    images = json.loads(journey.get("/tickets/{ticket}/images", {"ticket": ticket})["body"])["images"]
    one = journey.get("/tickets/{ticket}/images/{sha256}", {"ticket": ticket, "sha256": images[0]["sha256"]})
    assert one["statusCode"] == 200
    listed = journey.get("/customers/{customer}/tickets", {"customer": marked.CUSTOMER})
    assert ticket in listed["body"]
    bad = [
        journey.get("/tickets/{ticket}", {"ticket": marked.mark(9, "/../x")}),
        journey.get("/tickets/{ticket}/images", {"ticket": ticket}, {"type": marked.QUERY}),
        journey.get("/customers/{customer}/tickets", {"customer": marked.CUSTOMER}, {"cursor": marked.CURSOR}),
    ]
    assert [answer["statusCode"] for answer in bad] == [400, 400, 400]
    assert MARK.search(json.dumps(bad)) is None, "an error response repeats no input"
    urls = [image["url"] for image in images]
    urls.append(json.loads(one["body"])["url"])
    return [*urls, *(url.rpartition("Signature=")[2] for url in urls)]
