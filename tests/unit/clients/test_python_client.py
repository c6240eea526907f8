"""clients/python/ticket_archive_client.py against the retrieval function itself and the documented schemas."""

import gzip
import hashlib
import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
import requests
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError, NoRegionError
from jsonschema import Draft4Validator
from pydantic import ValidationError
from requests.adapters import BaseAdapter

import ticket_archive_client as client
from local import ROOT
from retrieval import app
from tests.fuzz.api import ROUTES
from tests.support.examples import MANIFEST_EVENT as EVENT
from tests.unit.retrieval.conftest import CONTEXT, DOCUMENT
from tests.unit.retrieval.fakes import CUSTOMER, DETAILS, TICKET, World, image, incomplete, item, request, sha256_of
from ticket_archive.details import RESPONSE_LIMIT
from ticket_archive.manifest import Manifest
from ticket_archive.models import ImageType, TicketItem

API = "https://api.example/v1"


class Api(BaseAdapter):
    """Passes signed requests to the function, and others to `objects` by their path, as S3 would."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.sent: list[requests.PreparedRequest] = []
        self.refusal: tuple[str, str] | None = None
        self.reachable = True

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.sent.append(request)
        if not self.reachable:  # requests' exception quotes the URL
            raise requests.ConnectTimeout(f"Max retries exceeded with url: {request.url}", request=request)
        response = requests.Response()
        response.url = str(request.url)
        url = urlsplit(response.url)
        if self.refusal:
            error_type, message = self.refusal
            response.status_code, response._content = 403, json.dumps({"message": message}).encode()
            response.headers.update({"Content-Type": "application/json", "x-amzn-ErrorType": error_type})
        elif url.hostname == "api.example":
            assert "Authorization" in request.headers
            answer = app.lambda_handler(event(url.path.removeprefix("/v1"), parse_qs(url.query)), CONTEXT)
            response.status_code, response._content = answer["statusCode"], answer["body"].encode()
            response.headers.update({name: each[0] for name, each in answer["multiValueHeaders"].items()})
        else:
            assert not [name for name in request.headers if name.lower().startswith(("authorization", "x-amz-"))]
            response.status_code = 200 if url.path in self.objects else 404
            response._content = self.objects.get(url.path, b"")
        return response

    def close(self) -> None:
        """Nothing is open."""


def event(path: str, query: dict[str, list[str]]) -> dict[str, Any]:
    """The event of a path."""
    [(match, resource)] = [(match, name) for route, name in ROUTES.items() if (match := route.fullmatch(path))]
    return request(resource, {name: unquote(value) for name, value in match.groupdict().items()}, query)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(app, "dependencies", world)
    return world


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def archive(api: Api, world: World) -> client.TicketArchive:
    http = requests.Session()
    http.mount("https://", api)
    session = boto3.Session("AKIAEXAMPLE", "example", region_name="eu-central-1")
    return client.TicketArchive(API, session, http=http)


@pytest.mark.parametrize("model", [client.Image, client.SignedImage, client.Ticket, client.CustomerTicket])
def test_a_model_has_the_documented_fields(model: Any) -> None:
    documented = DOCUMENT["components"]["schemas"][model.__name__]
    assert model.model_json_schema()["properties"].keys() == documented["properties"].keys()
    assert set(model.model_json_schema()["required"]) == set(documented["required"])


def test_the_manifests_model_has_the_documented_fields() -> None:
    """A manifest without `schema` is none, though the archive's own model has a default for it."""
    documented, ours = Manifest.model_json_schema(), client.Manifest.model_json_schema()
    assert ours["properties"].keys() == documented["properties"].keys()
    assert set(ours["required"]) == {*documented["required"], "schema"}
    for name in ("ManifestDetails", "ManifestImage", "UnrecognizedFile"):
        theirs = documented["$defs"][name.replace("UnrecognizedFile", "ManifestUnrecognized")]
        assert ours["$defs"][name]["properties"].keys() == theirs["properties"].keys()


REGISTRY = json.loads((ROOT / "docs" / "manifest-event.openapi.json").read_text(encoding="utf-8"))
EVENT_SCHEMA = Draft4Validator({**REGISTRY, "$ref": "#/components/schemas/AWSEvent"})
"""The schemas use of OpenAPI 3.0 what JSON Schema's draft 4 has too."""


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("source", "aws.ec2"),
        ("detail-type", "Object Deleted"),
        ("detail", EVENT["detail"] | {"object": EVENT["detail"]["object"] | {"key": f"tickets/{TICKET}/images/a.jpg"}}),
        ("detail", {"bucket": {"name": "archive"}}),
    ],
)
def test_model_and_schema_accept_events_of_manifests_and_no_others(member: str, value: Any) -> None:
    for schema in REGISTRY["components"]["schemas"].values():
        Draft4Validator.check_schema(schema)
    EVENT_SCHEMA.validate(EVENT)
    assert client.ManifestCreated.model_validate(EVENT).ticket == TICKET
    other = {**EVENT, member: value}
    assert not EVENT_SCHEMA.is_valid(other)
    with pytest.raises(ValidationError):
        client.ManifestCreated.model_validate(other)


def test_ticket_and_details_are_returned(archive: client.TicketArchive) -> None:
    assert archive.ticket(TICKET).outcome == "ACCEPTED"
    assert archive.details(TICKET) == json.loads(json.dumps(DETAILS, default=float), parse_float=Decimal)


def test_large_details_are_downloaded(archive: client.TicketArchive, world: World, api: Api) -> None:
    key = f"tickets/{TICKET}/details/{'d' * 64}.json.gz"
    world.bucket[key] = gzip.compress(b"{}")
    world.tickets.add(item(details=None, details_key=key, details_bytes=RESPONSE_LIMIT + 1))
    api.objects[f"/{key}"] = b'{"a": 1.10, "b": -2, "c": %s}' % (b"9" * 4301)
    found = archive.details(TICKET)
    assert found == {"a": Decimal("1.10"), "b": -2, "c": Decimal("9" * 4301)}
    assert isinstance(found["b"], int)


def test_an_image_is_downloaded_without_the_signature_and_its_hash_is_checked(
    archive: client.TicketArchive, world: World, api: Api
) -> None:
    sha256 = hashlib.sha256(b"picture").hexdigest()
    world.tickets.add(item(images=[image(ImageType.DOCUMENT, key="k", sha256=sha256)]))
    (listed,) = archive.images(TICKET, ["DOCUMENT", "SELF_PORTRAITS"], expires_in=60, disposition="inline")
    assert archive.image(TICKET, sha256).sha256 == listed.sha256
    api.objects["/k"] = b"picture"
    assert archive.download(listed) == b"picture"
    api.objects["/k"] = b"another"
    with pytest.raises(client.CorruptDownload):
        archive.download(listed)


def sleeping(monkeypatch: pytest.MonkeyPatch, world: World, *states: TicketItem) -> list[float]:
    """Let the ticket have the next of these states after each pause of the client; return the pauses."""
    pauses, left = list[float](), list(states)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        world.tickets.add(left.pop(0))

    monkeypatch.setattr("ticket_archive_client.time.sleep", sleep)
    return pauses


@pytest.mark.parametrize(
    ("retry_at", "wait", "pause"), [(None, 60, 5), ("2999-01-01T00:00:00.000000Z", 60, 30), (None, 2, 2)]
)
def test_a_pending_ticket_is_asked_for_again_within_the_wait(
    archive: client.TicketArchive, world: World, monkeypatch: pytest.MonkeyPatch, retry_at: Any, wait: int, pause: int
) -> None:
    world.tickets.add(incomplete(retry_at=retry_at))
    slept = sleeping(monkeypatch, world, item())
    with pytest.raises(client.TicketPending):
        archive.ticket(TICKET)
    assert slept == []
    assert archive.ticket(TICKET, wait=wait).state == "archived"
    assert slept == [pytest.approx(pause, abs=0.5)]


def test_an_unknown_ticket_is_asked_for_again_within_the_wait(
    archive: client.TicketArchive, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a message to the queue, before the first attempt."""
    slept = sleeping(monkeypatch, world, incomplete(ticket="T-new"), item(ticket="T-new"))
    with pytest.raises(client.ArchiveApiError, match="404 unknown_ticket"):
        archive.ticket("T-new")
    assert archive.ticket("T-new", wait=60).state == "archived"
    assert slept == [client.UNKNOWN_TICKET_PAUSE, 5]


def test_no_other_error_is_asked_for_again(
    archive: client.TicketArchive, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("ticket_archive_client.time.sleep")
    world.tickets.add(item(state="erased"))
    with pytest.raises(client.ArchiveApiError, match="410 ticket_erased"):
        archive.ticket(TICKET, wait=60)


def test_a_pending_tickets_error_says_what_is_missing(archive: client.TicketArchive, world: World) -> None:
    world.tickets.add(incomplete(missing={"DOCUMENT": "503", "DETAILS": "empty"}))
    with pytest.raises(client.TicketPending, match="202 pending DOCUMENT: 503, DETAILS: empty"):
        archive.ticket(TICKET)


def test_a_session_without_a_region_is_refused_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(NoRegionError):
        client.TicketArchive(API, boto3.Session("AKIAEXAMPLE", "example"))


def test_api_gateways_error_type_is_the_detail(archive: client.TicketArchive, api: Api, world: World) -> None:
    """Its message, which quotes the path, is left out."""
    api.refusal = ("AccessDeniedException", f"not authorized: /customers/{CUSTOMER}/tickets")
    with pytest.raises(client.ArchiveApiError) as error:
        list(archive.customer_tickets(CUSTOMER))
    assert str(error.value) == "403 AccessDeniedException"


def test_a_customers_pages_are_followed_to_the_end(archive: client.TicketArchive, world: World) -> None:
    world.tickets.next_cursor = "next"
    tickets = archive.customer_tickets(CUSTOMER, page_size=1)
    assert next(tickets).ticket == TICKET
    world.tickets.next_cursor = None
    assert [each.ticket for each in tickets] == [TICKET]
    assert world.tickets.asked == (CUSTOMER, 1, "next")


def test_a_request_is_signed_with_credentials_that_are_not_renewed_meanwhile(
    archive: client.TicketArchive, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = ReadOnlyCredentials("AKIAFROZEN", "example", "token")
    monkeypatch.setattr(
        boto3.Session, "get_credentials", lambda _: SimpleNamespace(get_frozen_credentials=lambda: frozen)
    )
    archive.ticket(TICKET)
    assert "Credential=AKIAFROZEN/" in api.sent[0].headers["Authorization"]
    monkeypatch.setattr(boto3.Session, "get_credentials", lambda _: None)
    with pytest.raises(NoCredentialsError):
        archive.ticket(TICKET)


def test_a_problem_is_an_error_with_its_code(archive: client.TicketArchive) -> None:
    with pytest.raises(client.ArchiveApiError) as error:
        archive.image(TICKET, sha256_of(ImageType.DOCUMENT, 9))
    assert (error.value.status, error.value.code) == (404, "unknown_image")


def test_no_request_takes_credentials_from_netrc(
    archive: client.TicketArchive, world: World, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    [image] = archive.images(TICKET, ["DOCUMENT_PORTRAIT"])
    with pytest.raises(client.ArchiveApiError, match="404"):
        archive.download(image)
    signed, presigned = (sent.headers.get("Authorization") for sent in api.sent)
    assert str(signed).startswith("AWS4-HMAC-SHA256 ")
    assert presigned is None


def test_without_a_response_the_error_does_not_hold_the_url(
    archive: client.TicketArchive, world: World, api: Api
) -> None:
    [image] = archive.images(TICKET, ["DOCUMENT_PORTRAIT"])
    api.reachable = False
    for call in (lambda: archive.download(image), lambda: list(archive.customer_tickets(CUSTOMER))):
        with pytest.raises(requests.RequestException) as raised:
            call()
        assert str(raised.value) == "ConnectTimeout"
        assert raised.value.__context__ is None
        assert raised.value.request is None
