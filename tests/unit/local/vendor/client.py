"""A plain HTTP client of the simulator for tests, with the correct headers."""

import requests

from local.vendor.server import Simulator

TOKEN_PATH = "/id/v1/identity/auth/token"


def token_headers(vendor: Simulator) -> dict[str, str]:
    mine = vendor.credential
    return {
        "Authorization": mine.basic,
        "x-api-key": mine.api_key,
        "x-tenant": mine.tenant,
        "x-env": mine.env,
        "x-banknu": mine.banknu,
        "user-agent": "tests",
        "x-interface": "API",
    }


def token(vendor: Simulator) -> str:
    response: dict[str, str] = requests.post(vendor.url + TOKEN_PATH, headers=token_headers(vendor), timeout=5).json()
    return response["token"]


def headers(vendor: Simulator, bearer: str | None = None) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {bearer or vendor.service.tokens.issue()['token']}",
        "x-api-key": vendor.credential.api_key,
        "user-agent": "tests",
    }


def details_path(ticket: str) -> str:
    return f"/id/v1/identity/transactions/{ticket}"


def images_path(ticket: str, types: str = "ALL") -> str:
    return f"{details_path(ticket)}/images?type={types}"


def get(vendor: Simulator, path: str, bearer: str | None = None) -> requests.Response:
    return requests.get(vendor.url + path, headers=headers(vendor, bearer), timeout=5, allow_redirects=False)
