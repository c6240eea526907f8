"""Expand the template as CloudFormation does: SAM's transform on stdin's templates, a JSON list, to stdout.

`tools.scan.expand` runs it in the environment of the SAM CLI, which has the newest aws-sam-translator; the development
environment cannot, because the two pin different versions of pydantic.
"""

import json
import logging
import os
import sys
from types import SimpleNamespace
from typing import Any

from samtranslator.translator.transform import transform


def expand(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template without `AWS::Serverless` resources; code is where `sam package` would upload it."""
    shared = template.get("Globals", {}).get("Function", {})
    for each in (shared, *(resource.get("Properties", {}) for resource in template["Resources"].values())):
        for name in {"CodeUri", "ContentUri"} & each.keys():
            each[name] = f"s3://bucket/{each[name]}"
    expanded: dict[str, Any] = transform(template, {}, SimpleNamespace(load=dict))  # AWS managed policies: none
    return expanded


if __name__ == "__main__":
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns that no metrics are published
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")  # for the partition in ARNs
    json.dump([expand(each) for each in json.load(sys.stdin)], sys.stdout)
