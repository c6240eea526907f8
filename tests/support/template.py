"""template.yaml as CloudFormation deploys it, and a way to show that a test of it can fail."""

import copy
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local import ROOT
from local.deploy import replace_parameters
from tools.scan import expand

Template = dict[str, Any]
Rule = Callable[[Template], None]

SOURCE: Template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
NO_VALUE = {"Ref": "AWS::NoValue"}


EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/template.yaml"))
GRADUAL = replace_parameters(SOURCE, {"DeploymentPreference": "Canary10Percent5Minutes"})


@cache
def _expanded() -> dict[str, Template]:
    examples = {name: yaml_parse((ROOT / "examples" / name / "template.yaml").read_text("utf-8")) for name in EXAMPLES}
    sources = {"archive": SOURCE, "gradual": GRADUAL, **examples}
    return dict(zip(sources, expand(*sources.values()), strict=True))


def expanded(name: str = "archive") -> Template:
    """Return a copy of a template after SAM's transform: the archive's, also "gradual", or an example's."""
    return copy.deepcopy(_expanded()[name])


def resource_schema(kind: str) -> dict[str, Any]:
    """Return AWS's schema of a resource type, as cfn-lint carries it."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # takes three seconds

    found: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-central-1", kind).schema
    return found


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """Return the properties of every resource of a type, by logical id."""
    return {
        name: each.get("Properties", {})
        for name, each in template["Resources"].items()
        if each["Type"] == f"AWS::{kind}"
    }


def properties(template: Template, name: str) -> dict[str, Any]:
    """Return a resource's properties."""
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def nodes(node: Any) -> Iterator[Any]:
    """Yield a node and all its descendants."""
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def chosen(node: Any, *conditions: str) -> Any:
    """Return the node with each Fn::If decided: true for `conditions`, false for all others."""
    match node:
        case {"Fn::If": [str(name), then, otherwise]}:
            return chosen(then if name in conditions else otherwise, *conditions)
        case dict():
            kept = {key: chosen(child, *conditions) for key, child in node.items()}
            return {key: child for key, child in kept.items() if child != NO_VALUE}
        case list():
            return [each for each in (chosen(child, *conditions) for child in node) if each != NO_VALUE]
    return node


def statements(template: Template, name: str, *conditions: str) -> dict[str, dict[str, Any]]:
    """Return the policy statements of a role, a bucket policy, a queue policy or a key, by Sid."""
    found = properties(template, name)
    policies = [each["PolicyDocument"] for each in found.get("Policies", [])]
    policies += [found[key] for key in ("PolicyDocument", "KeyPolicy") if key in found]
    return {each["Sid"]: each for policy in policies for each in chosen(policy["Statement"], *conditions)}


def look(template: Template, path: str, *conditions: str) -> Any:
    """Return what a path below a resource's name leads to: a property, or part of a policy's statement, by its Sid.

    Fn::If is decided as by `chosen`; an element of a list is named by its number or its Id. None if there is no such
    value.
    """
    name, *steps = path.split("/")
    node: Any = {**chosen(properties(template, name), *conditions), **statements(template, name, *conditions)}
    for step in steps:
        if isinstance(node, list):
            node = {each.get("Id", str(number)): each for number, each in enumerate(node)}
        node = node.get(step, {})
    return None if node == {} else node


class Broken:
    """Collects, for each rule, changes of the template that break it."""

    def __init__(self) -> None:
        self.cases: list[tuple[Rule, str, Any]] = []

    def by(self, path: str, value: Any = None) -> Callable[[Rule], Rule]:
        """Register that the rule fails once the value at `path` below Resources is another; None removes it."""

        def register(rule: Rule) -> Rule:
            self.cases.append((rule, path, value))
            return rule

        return register

    @staticmethod
    def template(path: str, value: Any) -> Template:
        """Return the expanded template with the value at `path` replaced; in a key, `~1` stands for a slash."""
        template = expanded()
        *way, last = (step.replace("~1", "/") for step in path.split("/"))
        node: Any = template["Resources"]
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node[step]
        key: Any = int(last) if isinstance(node, list) else last
        if value is None:
            del node[key]
        else:
            node[key] = value
        return template
