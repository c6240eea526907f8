"""Every principal against every object, with IAM enforced; presigned URLs."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.exceptions import ClientError

from local import ROOT
from local.account import allow
from tests.support.api import Api
from tests.support.stack import LocalStack
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack

POLICIES = ROOT / "examples" / "policies"
ROUTES = ("ticket", "details", "images", "image", "customer")
Principals = dict[str, LocalStack]


def invoke(resource: str) -> dict[str, Any]:
    return allow("execute-api:Invoke", resource)


EXECUTE = "arn:aws:execute-api:REGION:ACCOUNT:API/v1"
MAY: dict[str, tuple[dict[str, Any], set[str]]] = {
    "case-reviewer": (json.loads((POLICIES / "case-reviewer.json").read_text()), {*ROUTES}),
    "images-only": (json.loads((POLICIES / "images-only.json").read_text()), {"images", "image"}),
    "outcome-only": (json.loads((POLICIES / "outcome-only.json").read_text()), {"ticket"}),
    "nothing": (allow("sts:GetCallerIdentity"), set()),
    "webhook-only": (invoke(f"{EXECUTE}/POST/webhooks/tickets"), set()),
    "other-method": (invoke(f"{EXECUTE}/PUT/*"), set()),
    "other-api": (invoke("arn:aws:execute-api:REGION:ACCOUNT:otherapi/*"), set()),
    "other-stage": (invoke("arn:aws:execute-api:REGION:ACCOUNT:API/v2/*"), set()),
    "other-account": (invoke("arn:aws:execute-api:REGION:999999999999:API/v1/*"), set()),
    "other-service": (allow("lambda:*"), set()),
}  # fmt: skip
"""Principals: what IAM allows them, and the routes that this opens."""


def filled(stack: LocalStack, policy: str) -> str:
    """Return a policy with its placeholders filled in."""
    places = {"REGION": stack.at.region, "ACCOUNT": "000000000000", "API": stack.outputs["ApiId"]}
    return re.sub(r"\b(REGION|ACCOUNT|API)\b", lambda match: places[match[0]], policy)


@pytest.fixture(scope="module")
def principals(stack: LocalStack) -> Iterator[Principals]:
    """A user of the emulated account for each policy."""
    with ExitStack() as users:
        made = {}
        for name, (policy, _) in MAY.items():
            made[name] = users.enter_context(stack.user(f"reads-{name}", filled(stack, json.dumps(policy))))
        yield made


@pytest.fixture(scope="module")
def archived(stack: LocalStack) -> dict[str, str]:
    """An archived ticket, the paths of its five resources, and the keys of its objects."""
    ticket = stack.archive(3000)
    image = stack.archived(ticket)["images"][0]
    customer = quote(stack.vendor("expected", ticket=ticket)["customer"], safe="")
    keys = {key.split("/")[2]: key for key in stack.keys(ticket)}
    return {
        "id": ticket,
        "sha256": image["sha256"],
        "ticket": f"/tickets/{ticket}",
        "details": f"/tickets/{ticket}/details",
        "images": f"/tickets/{ticket}/images",
        "image": f"/tickets/{ticket}/images/{image['sha256']}",
        "customer": f"/customers/{customer}/tickets",
        "image object": keys["images"],
        "manifest object": keys["manifests"],
    }


@pytest.mark.parametrize("name", MAY)
def test_principal_reads_only_what_its_policy_allows(
    principals: Principals, archived: dict[str, str], name: str
) -> None:
    answered = {route: principals[name].api.get(archived[route]) for route in ROUTES}
    _, may = MAY[name]
    assert {route: answer.status_code for route, answer in answered.items()} == {
        route: 200 if route in may else 403 for route in ROUTES
    }
    for route in ROUTES:
        for slashed in (f"{archived[route]}/", archived[route].replace("/", "//", 2)[1:]):
            assert principals[name].api.get(slashed).status_code in (403, 404), slashed
    for route in {*ROUTES} - may:
        assert archived["sha256"] not in answered[route].text
        assert archived["id"] not in answered[route].json().get("ticket", "")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("forged", ["unsigned", "wrong secret", "unknown key", "another's secret"])
def test_request_without_a_valid_signature_is_refused(
    stack: LocalStack, principals: Principals, archived: dict[str, str], route: str, forged: str
) -> None:
    at, other = stack.at, principals["case-reviewer"].at
    keys = {
        "unsigned": (at.access_key_id, at.secret_access_key),
        "wrong secret": (at.access_key_id, "w" * 40),
        "unknown key": ("AKIAUNKNOWNUNKNOWN00", at.secret_access_key),  # pragma: allowlist secret
        "another's secret": (at.access_key_id, other.secret_access_key),
    }
    with Api(replace(at, access_key_id=keys[forged][0], secret_access_key=keys[forged][1])) as api:
        assert api.get(archived[route], signed=forged != "unsigned").status_code == 403


@pytest.mark.parametrize("name", ["case-reviewer", "images-only", "nothing"])
def test_callers_of_the_api_cannot_bypass_it(
    stack: LocalStack, principals: Principals, archived: dict[str, str], name: str
) -> None:
    """GIVEN a caller of the API, WHEN it uses bucket, table, queues or secrets directly, THEN it is denied."""
    caller = principals[name]
    key = {"ticket": {"S": archived["id"]}, "record": {"S": "ticket"}}
    attempts = {
        "image": lambda: caller.s3.get_object(Bucket=stack.at.bucket, Key=archived["image object"]),
        "manifest": lambda: caller.s3.get_object(Bucket=stack.at.bucket, Key=archived["manifest object"]),
        "list": lambda: caller.s3.list_objects_v2(Bucket=stack.at.bucket),
        "item": lambda: caller.dynamodb.get_item(TableName=stack.at.table, Key=key),
        "scan": lambda: caller.dynamodb.scan(TableName=stack.at.table),
        "quarantine": lambda: caller.sqs.receive_message(QueueUrl=stack.at.quarantine_queue_url),
        "secret": lambda: caller.secrets.get_secret_value(SecretId=stack.outputs["WebhookSecretArn"]),
    }
    for what, attempt in attempts.items():
        with pytest.raises(ClientError) as refused:
            attempt()  # type: ignore[no-untyped-call]
        assert refused.value.response["Error"]["Code"].startswith(("AccessDenied", "AccessDeniedException")), what


def test_encoded_path_bypasses_no_policy(principals: Principals, archived: dict[str, str]) -> None:
    """GIVEN a caller that may get images, WHEN details are requested by a path like an image's, THEN it is denied."""
    api = principals["images-only"].api
    for path in (
        f"/tickets/{archived['id']}%2Fimages%2Fx/details",
        f"/tickets/{archived['id']}/images/../details",
        f"/tickets/{archived['id']}/images/%2e%2e/details",
        f"/tickets/{archived['id']}/details?x=/images/",
        f"/tickets//{archived['id']}/details",
    ):
        answer = api.get(path)
        assert answer.status_code in (400, 403, 404), path
        assert archived["sha256"] not in answer.text, path
        assert "flow" not in answer.text, path


def test_presigned_url_opens_one_object(stack: LocalStack, principals: Principals, archived: dict[str, str]) -> None:
    images = stack.api.get(archived["images"]).json()["images"]
    url, other = images[0]["url"], urlsplit(images[1]["url"])
    assert stack.api.fetch(url).status_code == 200
    parts = urlsplit(url)
    flipped = url[:-1] + ("0" if url[-1] != "0" else "1")
    for spoiled in (
        flipped,
        url.replace("X-Amz-Expires=300", "X-Amz-Expires=900"),
        parts._replace(path=other.path).geturl(),
        parts._replace(path=parts.path.rpartition("/images/")[0] + "/manifests/x.json").geturl(),
        re.sub("response-content-type=[^&]*", "response-content-type=text%2Fhtml", url),
        url.replace("attachment", "inline"),
        parts._replace(query="").geturl(),
    ):
        assert spoiled != url
        assert stack.api.fetch(spoiled).status_code == 403, spoiled.partition("?")[2][:80]
    assert stack.api.fetch(url.partition("&X-Amz-Signature")[0]).status_code in (400, 403)


def test_expired_presigned_url_is_refused(stack: LocalStack, archived: dict[str, str]) -> None:
    """GIVEN a URL that lives for one second."""
    url = stack.s3.generate_presigned_url(
        "get_object", {"Bucket": stack.at.bucket, "Key": archived["image object"]}, ExpiresIn=1
    )
    assert stack.api.fetch(url).status_code == 200
    eventually(lambda: stack.api.fetch(url).status_code == 403, "the end of the URL", 10)


@pytest.fixture
def with_resource_policy(stack: LocalStack, principals: Principals) -> Iterator[None]:
    """The API with the example's resource policy, whose role is the principal `nothing` here."""
    policy = (POLICIES / "api-resource-policy.json").read_text()
    named = principals["nothing"].sts.get_caller_identity()["Arn"]
    policy = policy.replace("arn:aws:iam::PARTNER:role/ROLE", named)
    gateway = stack.session.client("apigateway", endpoint_url=stack.at.endpoint_url)

    def put(text: str) -> None:
        change = {"op": "replace", "path": "/policy", "value": text}
        gateway.update_rest_api(restApiId=stack.outputs["ApiId"], patchOperations=[change])

    put(filled(stack, policy))
    try:
        yield
    finally:
        put("")
        gateway.close()


@pytest.mark.usefixtures("with_resource_policy")
def test_resource_policy_allows_images_to_the_role_it_names_only(
    stack: LocalStack, principals: Principals, archived: dict[str, str]
) -> None:
    may = {name: routes for name, (_, routes) in MAY.items()} | {"nothing": {"images", "image"}}
    for name in ("nothing", "case-reviewer", "images-only", "outcome-only", "other-service"):
        answered = {route: principals[name].api.get(archived[route]).status_code for route in ROUTES}
        assert answered == {route: 200 if route in may[name] else 403 for route in ROUTES}, name
    assert stack.api.get(archived["ticket"], signed=False).status_code == 403
    assert stack.post(archived["id"]) == 202, "the vendor's webhook, unsigned"


@pytest.mark.parametrize("file", sorted(path.name for path in POLICIES.glob("*.json")))
def test_example_policies_name_existing_routes(file: str) -> None:
    """Each ARN ends in a method and a path of the API, with `*` for a parameter."""
    api = json.loads((ROOT / "docs" / "openapi.json").read_text())
    known = {re.sub(r"\{\w+\}", "*", path) for path in api["paths"]} | {"/*", "/customers/*"}
    for statement in json.loads((POLICIES / file).read_text())["Statement"]:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        assert statement["Action"] == "execute-api:Invoke"
        for resource in resources:
            match = re.fullmatch(r"arn:aws:execute-api:REGION:ACCOUNT:API/v1/(GET|POST|OPTIONS)(/.*)", resource)
            assert match, resource
            # a trailing star of a denial covers a trailing slash as well
            path = match[2].removesuffix("*") if statement["Effect"] == "Deny" else match[2]
            assert match[2] in known or path in known, resource
