"""Check IAM statements against AWS's service definitions: `policies.py FILE…`, templates and policies in JSON.

`tools.scan` runs it in the scanners' environment, which has policy_sentry. A finding is an action that does not exist,
a condition key that no action of the statement supports, or an action that has no resources but is allowed on some.
"""

import json
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from policy_sentry.querying.actions import get_action_data, get_actions_for_service  # type: ignore[import-not-found]
from policy_sentry.querying.conditions import get_condition_keys_for_service  # type: ignore[import-not-found]


@cache
def matching(pattern: str) -> list[str]:
    """Return the actions that a pattern such as `kms:ReEncrypt*` matches."""
    service = pattern.partition(":")[0]
    return [each for each in get_actions_for_service(service) if fnmatchcase(each.lower(), pattern.lower())]


@cache
def supported(action: str) -> set[str]:
    """Return the condition keys of an action, and of its service as a whole, in lower case."""
    service, _, name = action.partition(":")
    keys = [*get_condition_keys_for_service(service)]
    keys += [key for each in get_action_data(service, name)[service] for key in each["condition_keys"]]
    return {key.lower() for key in keys}


def supports(action: str, key: str) -> bool:
    """Return whether the action supports a condition key; keys such as `aws:RequestTag/${TagKey}` end in a name."""
    head, slash, _ = key.lower().partition("/")
    return any(each == head or (slash and each.startswith(f"{head}/")) for each in supported(action)) or (
        key.lower().startswith(("kms:encryptioncontext:", "aws:", "lambda:sourcefunctionarn"))  # in every service
    )


def has_resources(action: str) -> bool:
    """Return whether the action can be limited to resources. IAM denies one that cannot, unless the resource is `*`."""
    service, _, name = action.partition(":")
    return any(each["resource_arn_format"] != "*" for each in get_action_data(service, name)[service])


def findings(statement: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a statement."""
    patterns = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    actions = [action for pattern in patterns for action in matching(pattern)]
    yield from (f"{pattern} does not exist" for pattern in patterns if not matching(pattern))
    if statement.get("Resource", "*") not in ("*", ["*"]):
        yield from (
            f"{pattern} has no resources, only *"
            for pattern in patterns
            if matching(pattern) and not any(map(has_resources, matching(pattern)))
        )
    for operator in statement.get("Condition", {}).values():
        yield from (
            f"{key} is supported by none of {patterns}"
            for key in operator
            if not any(supports(a, key) for a in actions)
        )


def statements(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the policy statements anywhere in a template or policy."""
    match document:
        case {"Effect": _, "Action": _}:
            yield document
        case dict():
            yield from chain.from_iterable(map(statements, document.values()))
        case list():
            yield from chain.from_iterable(map(statements, document))


if __name__ == "__main__":
    found = [
        f"{file.name} {statement.get('Sid', '')}: {finding}"
        for file in map(Path, sys.argv[1:])
        for statement in statements(json.loads(file.read_text(encoding="utf-8")))
        for finding in findings(statement)
    ]
    print(*found, sep="\n")
    sys.exit(bool(found))
