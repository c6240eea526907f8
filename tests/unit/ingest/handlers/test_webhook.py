"""The webhook door: kept and 202, or told otherwise. Nothing of a request shows anywhere."""

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from ingest import clients
from ingest.archiving.processor import ProcessingResult
from ingest.handlers import sqs as sqs_handler
from ingest.handlers import webhook as webhook_handler
from ingest.messaging.messages import read_message
from ingest.webhooks.event import Webhook
from ingest.webhooks.request import BODY_MAX, RETRY_AFTER, Credentials, accepted
from ticket_archive.errors import SettingsError
from ticket_archive.telemetry import logger, metrics

CONTEXT: Any = SimpleNamespace(aws_request_id="r1", get_remaining_time_in_millis=lambda: 60_000)
CREDENTIALS = Credentials("x-hook-key", "canary-credential")
BODY, IV = "canary-body", "canary-iv"


class Queue:
    """Keeps what is sent, unless it is out of reach."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.bodies: list[str] = []
        self._failure = failure

    def send(self, body: str) -> str:
        if self._failure is not None:
            raise self._failure
        self.bodies.append(body)
        return f"m{len(self.bodies)}"


def unreachable() -> Sequence[Credentials] | None:
    raise ConnectionError("canary-credential")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, down to DEBUG."""
    written = io.StringIO()
    (handler,) = logger._logger.handlers
    before, level = handler.setStream(written), logger.log_level  # type: ignore[attr-defined]
    logger.setLevel("DEBUG")
    yield written
    handler.setStream(before)  # type: ignore[attr-defined]
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _no_metrics_left() -> Iterator[None]:
    metrics.clear_metrics()
    yield
    metrics.clear_metrics()


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Queue | None]:
    """Opens the door with collaborators of the test's."""

    def opened(
        queue: Queue | None, credentials: Callable[[], Sequence[Credentials] | None] = lambda: None
    ) -> Queue | None:
        made = webhook_handler.Collaborators(queue, credentials)  # type: ignore[arg-type]
        monkeypatch.setattr(webhook_handler, "collaborators", lambda: made)
        return queue

    return opened


def request(body: str = BODY, **headers: str) -> dict[str, Any]:
    return {
        "body": body,
        "isBase64Encoded": False,
        "headers": {"Content-Type": "text/plain", "x-pvt-cipher-iv": IV, "User-Agent": "canary-agent", **headers},
        "path": "/webhooks/tickets",
        "requestContext": {"identity": {"sourceIp": "canary-address"}},
    }


def counted() -> dict[str, float]:
    return {name: sum(found["Value"]) for name, found in metrics.metric_set.items()}


def test_a_request_is_queued_as_it_came_and_answered_202(door: Callable[..., Queue], log: io.StringIO) -> None:
    # GIVEN
    queue = door(Queue())
    # WHEN
    answer = webhook_handler.handle(request(), CONTEXT)
    # THEN
    assert answer == accepted()
    (body,) = queue.bodies
    kept = read_message(body)
    assert isinstance(kept, Webhook)
    assert (kept.body, kept.iv, kept.content_type) == (BODY.encode(), IV, "text/plain")
    assert counted() == {"WebhooksAccepted": 1}
    line = json.loads(log.getvalue())
    assert (line["message"], line["correlation_id"], line["bytes"]) == ("webhook accepted", "m1", len(BODY))


@given(
    st.text(st.characters(exclude_categories=()), min_size=1).filter(
        lambda text: text.encode("utf-8", "surrogatepass").strip()
    )
)
def test_whatever_a_body_holds_the_answer_is_the_same(body: str) -> None:
    queue = Queue()
    with pytest.MonkeyPatch.context() as patch:
        made = webhook_handler.Collaborators(queue, lambda: None)  # type: ignore[arg-type]
        patch.setattr(webhook_handler, "collaborators", lambda: made)
        assert webhook_handler.handle(request(body), CONTEXT) == accepted()
    # THEN SQS takes every character of the message
    assert queue.bodies[0].isascii()
    assert queue.bodies[0].isprintable()


def test_the_largest_body_fits_into_a_message(door: Callable[..., Queue]) -> None:
    queue = door(Queue())
    assert webhook_handler.handle(request("x" * BODY_MAX), CONTEXT)["statusCode"] == 202
    assert len(queue.bodies[0]) < 1_048_576


@pytest.mark.parametrize(
    "failure", [ConnectionError("canary-failure"), TimeoutError(), KeyError("MessageId"), MemoryError()]
)
def test_what_could_not_be_queued_is_never_answered_202(
    failure: Exception, door: Callable[..., Queue], log: io.StringIO
) -> None:
    # GIVEN a queue out of reach
    door(Queue(failure))
    # WHEN
    answer = webhook_handler.handle(request(), CONTEXT)
    # THEN the vendor hears that it should come again
    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == str(RETRY_AFTER)
    assert counted() == {"WebhooksEnqueueFailed": 1}
    assert json.loads(log.getvalue())["error"] == type(failure).__name__


@pytest.mark.parametrize("failure", [ConnectionError("canary-failure"), SettingsError("canary")])
def test_without_its_collaborators_the_door_answers_503(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> webhook_handler.Collaborators:
        raise failure

    monkeypatch.setattr(webhook_handler, "collaborators", broken)
    assert webhook_handler.handle(request(), CONTEXT)["statusCode"] == 503


def test_while_the_credentials_are_out_of_reach_nobody_is_let_in(door: Callable[..., Queue]) -> None:
    queue = door(Queue(), unreachable)
    answer = webhook_handler.handle(request(**{"x-hook-key": "canary-credential"}), CONTEXT)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "30")
    assert queue.bodies == []


REFUSED = [
    ({"Content-Type": "text/html"}, BODY, 415),
    ({}, " ", 400),
    ({}, "x" * (BODY_MAX + 1), 413),
]


@pytest.mark.parametrize(("headers", "body", "status"), REFUSED)
def test_a_request_of_another_form_is_refused_and_not_kept(
    headers: dict[str, str], body: str, status: int, door: Callable[..., Queue], log: io.StringIO
) -> None:
    queue = door(Queue())
    answer = webhook_handler.handle(request(body, **headers), CONTEXT)
    assert (answer["statusCode"], queue.bodies) == (status, [])
    assert counted() == {"WebhooksRejected": 1}
    assert json.loads(log.getvalue())["status"] == status


@pytest.mark.parametrize("given_value", [None, "", "wrong"])
def test_wrong_credentials_are_refused(given_value: str | None, door: Callable[..., Queue]) -> None:
    queue = door(Queue(), lambda: [CREDENTIALS])
    headers = {} if given_value is None else {"X-Hook-Key": given_value}
    assert webhook_handler.handle(request(**headers), CONTEXT)["statusCode"] == 401
    assert queue.bodies == []


def test_right_credentials_are_let_in(door: Callable[..., Queue]) -> None:
    door(Queue(), lambda: [CREDENTIALS])
    assert webhook_handler.handle(request(**{"X-Hook-Key": CREDENTIALS.value}), CONTEXT) == accepted()


def archived(body: str, message_id: str, context: Any) -> ProcessingResult:
    assert isinstance(read_message(body), Webhook)
    assert message_id == "local-r1"
    return ProcessingResult("archived", "T-1")


def failed(body: str, message_id: str, context: Any) -> ProcessingResult:
    raise ValueError("canary-failure")


@pytest.mark.parametrize(("work", "result"), [(archived, "archived"), (failed, "failed")])
def test_without_a_queue_the_work_is_done_at_once_and_the_answer_is_the_same(
    work: Any, result: str, door: Callable[..., Queue], monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    door(None)
    monkeypatch.setattr(sqs_handler, "work_on", work)
    assert webhook_handler.handle(request(), CONTEXT) == accepted()
    assert json.loads(log.getvalue().splitlines()[-1])["result"] == result


@pytest.mark.parametrize("credentials", [lambda: None, lambda: [CREDENTIALS], unreachable])
@pytest.mark.parametrize("queue", [Queue(), Queue(ConnectionError("canary-failure")), None])
@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Hook-Key": "canary-credential"}, {"X-Hook-Key": "canary-wrong"}, {"Content-Type": "canary/type"}],
)
def test_nothing_of_a_request_is_logged_or_answered(
    credentials: Any,
    queue: Queue | None,
    headers: dict[str, str],
    door: Callable[..., Queue],
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN
    door(queue, credentials)
    monkeypatch.setattr(sqs_handler, "work_on", failed)
    # WHEN
    answer = webhook_handler.handle(request(**headers), CONTEXT)
    # THEN
    told = (
        log.getvalue() + json.dumps(answer) + json.dumps(metrics.serialize_metric_set()) + "".join(capsys.readouterr())
    )
    assert log.getvalue()
    assert "canary" not in told
    assert base64.b64encode(b"canary").decode()[:7] not in told


@pytest.fixture
def _fresh_collaborators() -> Iterator[None]:
    webhook_handler.collaborators.cache_clear()
    yield
    webhook_handler.collaborators.cache_clear()


@pytest.mark.usefixtures("_fresh_collaborators")
def test_a_mistake_in_settings_that_the_door_does_not_need_costs_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a queue, and nothing else that the function needs
    monkeypatch.setenv("QUEUE_URL", "https://sqs.example.com/tickets")
    for name in ("TABLE_NAME", "VENDOR_URL", "WEBHOOK_CREDENTIALS_SECRET"):
        monkeypatch.setenv(name, "")
    # WHEN / THEN
    door = webhook_handler.collaborators()
    assert door.queue is not None
    assert door.credentials() is None
    assert webhook_handler.collaborators() is door


@pytest.mark.usefixtures("_fresh_collaborators")
def test_without_a_queues_url_there_is_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUEUE_URL", raising=False)
    assert webhook_handler.collaborators().queue is None


def test_the_longest_wait_for_the_queue_is_shorter_than_api_gateways() -> None:
    config = clients.client("sqs", interactive=True).meta.config
    tries = config.retries["total_max_attempts"]
    assert tries * (config.connect_timeout + config.read_timeout) < 29 - 5, "the pauses between tries come on top"


class SecretsManager:
    """The credentials' secret: a value, nothing or an error, by stage."""

    def __init__(self, current: object, previous: object = None) -> None:
        self.values = {None: current, "AWSPREVIOUS": previous}
        self.asked: list[str | None] = []

    def get_secret_value(self, *, SecretId: str, VersionStage: str | None = None) -> dict[str, Any]:  # noqa: N803
        assert SecretId == "arn:credentials"
        self.asked.append(VersionStage)
        value = self.values[VersionStage]
        if value is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue")
        if isinstance(value, Exception):
            raise value
        return {"SecretString": json.dumps(value)}


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch, _fresh_collaborators: None) -> Callable[..., Callable[..., int]]:
    """A door whose credentials come from a secret: gives what posts to it, and the status."""

    def made(secret: SecretsManager) -> Callable[..., int]:
        monkeypatch.setenv("WEBHOOK_CREDENTIALS_SECRET", "arn:credentials")
        monkeypatch.setenv("QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/q")
        monkeypatch.setattr(webhook_handler, "client", lambda service, interactive: secret)
        monkeypatch.setattr(webhook_handler, "TicketQueue", lambda *_: Queue())

        def post(**headers: str) -> int:
            status: int = webhook_handler.handle(request(**headers), CONTEXT)["statusCode"]
            return status

        return post

    return made


NEW, OLD = {"header": "X-Hook-Key", "value": "new"}, {"username": "preventor", "password": "old"}
OLD_HEADER = {"Authorization": "Basic " + base64.b64encode(b"preventor:old").decode()}


def test_credentials_come_from_their_secret_and_are_remembered(behind: Callable[..., Callable[..., int]]) -> None:
    post = behind(secret := SecretsManager(NEW))

    assert [post(**{"X-Hook-Key": "new"}) for _ in range(3)] == [202] * 3
    assert secret.asked == [None]


def test_during_a_rotation_the_credentials_of_before_open_the_door_too(
    behind: Callable[..., Callable[..., int]],
) -> None:
    """GIVEN credentials that were changed here and not yet at the vendor, THEN no webhook is lost."""
    post = behind(secret := SecretsManager(NEW, OLD))

    assert [post(**OLD_HEADER), post(**{"X-Hook-Key": "new"}), post(**OLD_HEADER)] == [202] * 3
    assert post(**{"X-Hook-Key": "old"}) == post() == 401
    assert secret.asked == [None, "AWSPREVIOUS"]


def test_credentials_that_were_never_changed_have_none_before(behind: Callable[..., Callable[..., int]]) -> None:
    post = behind(secret := SecretsManager(NEW))

    assert [post(**OLD_HEADER) for _ in range(3)] == [401] * 3
    assert secret.asked == [None, "AWSPREVIOUS"], "whoever has none cannot make the door ask again and again"


def test_what_was_no_credentials_before_opens_nothing(behind: Callable[..., Callable[..., int]]) -> None:
    assert behind(SecretsManager(NEW, {"header": "x", "value": ""}))(x="") == 401


def test_the_right_credentials_do_not_wait_for_those_of_before(behind: Callable[..., Callable[..., int]]) -> None:
    """GIVEN a value before that is out of reach, THEN the current one is enough, and another cannot be judged."""
    post = behind(SecretsManager(NEW, ConnectionError("canary")))

    assert post(**{"X-Hook-Key": "new"}) == 202
    assert post(**OLD_HEADER) == 503


def test_malformed_credentials_let_nobody_in(behind: Callable[..., Callable[..., int]]) -> None:
    assert behind(SecretsManager({"header": "x"}, OLD))(**OLD_HEADER) == 503
